"""What the security documents name is there."""

import re
from pathlib import Path

import pytest
from fuzz_targets import TARGETS

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("docs/security-review.md", "docs/threat-model.md", "docs/limits.md", "SECURITY.md")


def defined_tests() -> dict[str, Path]:
    """Where each test is."""
    return {
        name: path
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_file_and_link_that_is_named_exists(document: str) -> None:
    path, defined = ROOT / document, defined_tests()
    text = path.read_text()
    files = {found.name for found in (ROOT / "tests").rglob("test_*.py")}
    for name in re.findall(r"`(test_\w+(?:\.py)?)`", text):
        assert name in defined or name in files, name
    for name in re.findall(r"`((?:tests|scripts|web|secagg|docs)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / link).exists(), link


def test_every_target_of_the_fuzzers_is_an_input_of_the_review() -> None:
    review = (ROOT / "docs" / "security-review.md").read_text()
    missing = {
        name
        for name in TARGETS
        if f"`{name}`" not in review and not name.startswith("prompts") and name not in {"message", "expert_keys"}
    }
    assert not missing
