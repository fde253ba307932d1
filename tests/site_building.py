"""The site as Sphinx makes it from docs/."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def build_site(folder: Path) -> Path:
    """Build the site under a folder as scripts/docs does; skips the test without Sphinx."""
    if find_spec("sphinx") is None or find_spec("furo") is None:
        pytest.skip("needs Sphinx: pip install '.[docs]'")
    site = folder / "site"
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--keep-going", "--fresh-env",
            "--quiet", "--doctree-dir", folder / "doctrees", DOCS, site,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return site
