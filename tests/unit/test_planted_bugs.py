"""The list of planted bugs fits the code as it is; `scripts/plant_bugs.py` shows that tests notice each."""

from pathlib import Path

import plant_bugs
import pytest
from planted_bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(BUGS) >= 20
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_still_applies_and_still_is_python(bug: Bug) -> None:
    compile(plant_bugs.planted(bug), bug.file, "exec")
    assert bug.suites
    assert all((ROOT / suite).exists() for suite in bug.suites)


def test_code_that_has_moved_is_told() -> None:
    moved = Bug("moved", "protocol/admission.py", "no such text", "", ())
    with pytest.raises(plant_bugs.BugDoesNotApply, match="0 times"):
        plant_bugs.planted(moved)
