"""Plant each bug of `planted_bugs.py` in a copy of the source, one at a time, and see which test notices.

python scripts/plant_bugs.py
python scripts/plant_bugs.py --only "mask" --json
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from planted_bugs import BUGS, SIMULATION, Bug

ROOT = Path(__file__).parents[1]
# One suite takes seconds; a planted bug that makes it hang is noticed all the same.
SUITE_WAIT_S = 400
# Of the simulator, for each bug.
SEEDS = 200


class BugDoesNotApply(Exception):
    """The code has moved: the text to be replaced is not there exactly once."""


@dataclass(frozen=True)
class Verdict:
    """What came of one bug.

    Attributes:
        name: the bug's.
        caught: whether a test failed.
        by: the first that did.
        seconds: how long it took.
    """

    name: str
    caught: bool
    by: str
    seconds: float


def packages() -> dict[str, str]:
    """The folder of each package."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return dict(settings["tool"]["setuptools"]["package-dir"])


def planted(bug: Bug) -> str:
    """The file's text with the bug in it.

    Raises:
        BugDoesNotApply: the code has moved.
    """
    text = (ROOT / bug.file).read_text()
    if text.count(bug.right) != 1:
        raise BugDoesNotApply(f"{bug.name}: {bug.file} holds the text {text.count(bug.right)} times; correct the patch")
    return text.replace(bug.right, bug.wrong)


def copied(folder: Path) -> Path:
    """A copy of the package, its tests and scripts, importable from the folder."""
    for package, source in sorted(packages().items()):
        shutil.copytree(ROOT / source, folder / package.replace(".", "/"), dirs_exist_ok=True)
    for name in ("tests", "scripts"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def place_of(bug: Bug, folder: Path) -> Path:
    """Where a bug's file lies in a copy."""
    source, _, rest = bug.file.partition("/")
    return folder / ("ridgeway" if source == "core" else f"ridgeway/{source}") / rest


def noticed(folder: Path, suite: str) -> str:
    """The first test of a suite that fails, or an empty string."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "RIDGEWAY_SIMULATION_SEEDS": str(SEEDS),
        "RIDGEWAY_SIMULATION_FAILURES": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", suite]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SUITE_WAIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{suite} (hangs)"
    if done.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?", done.stdout, re.MULTILINE)
    if failed is None:
        raise RuntimeError(f"{suite} could not be run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return f"{failed[1]}{' (' + failed[2][:90] + ')' if failed[2] else ''}"


def judge(bug: Bug, folder: Path) -> Verdict:
    """Plant one bug and run its suites, and the simulator, until a test fails."""
    began, place = time.monotonic(), place_of(bug, folder)
    right = place.read_text()
    place.write_text(planted(bug))
    try:
        suites = dict.fromkeys((*bug.suites, *SIMULATION))
        by = next((failed for suite in suites if (failed := noticed(folder, suite))), "")
    finally:
        place.write_text(right)
    return Verdict(bug.name, bool(by), by, time.monotonic() - began)


def verdicts(bugs: list[Bug]) -> Iterator[Verdict]:
    """One after another; the unharmed copy must pass first."""
    with tempfile.TemporaryDirectory(prefix="planted-") as scratch:
        folder = copied(Path(scratch))
        for suite in dict.fromkeys(suite for bug in bugs for suite in (*bug.suites, *SIMULATION)):
            if failed := noticed(folder, suite):
                raise RuntimeError(f"{failed} fails without any planted bug; mend that first")
        for bug in bugs:
            yield judge(bug, folder)


def main() -> int:
    """The exit code: 1 if a bug survived."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="bugs whose name holds this")
    parser.add_argument("--json", action="store_true", help="print one object for each bug")
    options = parser.parse_args()
    survived = 0
    for verdict in verdicts([bug for bug in BUGS if options.only in bug.name]):
        survived += not verdict.caught
        if options.json:
            print(json.dumps(asdict(verdict)), flush=True)
        else:
            print(f"| {verdict.name} | {verdict.by or 'SURVIVED'} | {verdict.seconds:.0f} s |", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
