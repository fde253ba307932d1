"""How-to pages whose commands need no second machine do what they say."""

import os
import sys
from pathlib import Path

import pytest
from page_steps import shell, steps

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("name", ["own-embedder.md"])
def test_the_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    found, skipped = steps((PAGES / name).read_text())
    assert (bool(found), skipped) == (True, 0)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with shell(tmp_path, {"PATH": programs, "COLUMNS": "100"}) as terminal:
        for step in found:
            terminal.follow(step)
