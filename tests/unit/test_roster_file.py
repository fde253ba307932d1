"""roster.txt: what a person writes there, and what is refused."""

from pathlib import Path

import pytest

from ridgeway.node.roster_file import ROSTER_FILE, BadRoster, read_roster
from ridgeway.runtime.data_dir import DataDirectory

DIGEST = "ab" * 32


def roster(tmp_path: Path, text: str) -> dict[str, bytes] | None:
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    (directory.path / ROSTER_FILE).write_text(text)
    return read_roster(directory)


def test_without_a_file_new_owners_are_believed(tmp_path: Path) -> None:
    assert read_roster(DataDirectory(tmp_path / "node", "node", create=True)) is None


def test_owners_and_fingerprints(tmp_path: Path) -> None:
    known = roster(tmp_path, f"# partners\n\nclinic sha256:{DIGEST}\n  bank   {DIGEST.upper()}\n")
    assert known == {"clinic": bytes.fromhex(DIGEST), "bank": bytes.fromhex(DIGEST)}
    assert roster(tmp_path, "") == {}


@pytest.mark.parametrize("line", ["clinic", "clinic abcd", f"clinic {DIGEST} x", "clinic zz" + DIGEST[2:]])
def test_a_line_that_says_something_else(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadRoster, match="line 2"):
        roster(tmp_path, f"bank {DIGEST}\n{line}\n")


def test_an_owner_that_stands_there_twice(tmp_path: Path) -> None:
    with pytest.raises(BadRoster):
        roster(tmp_path, f"bank {DIGEST}\nbank {'cd' * 32}\n")
