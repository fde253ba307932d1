"""The systemd units: systemd itself reads them and says how exposed they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
# systemd's own scale, 0 to 10; below 2 it calls a service safe.
EXPOSURE_MAX = 1.5

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)


def analysed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    # The program is there on a machine that it was installed on; here a stand-in of the same name.
    program = tmp_path / "ridgeway"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/ridgeway/bin/ridgeway", str(program)))
    done = analysed("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert (done.returncode, unit.name in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_is_well_shut_in(unit: Path) -> None:
    done = analysed("security", "--offline=yes", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX


def test_there_is_a_unit_for_each_daemon() -> None:
    assert [unit.stem for unit in UNITS] == ["ridgeway-coordinator", "ridgeway-gateway", "ridgeway-node"]
    for unit in UNITS:
        text = unit.read_text()
        assert "Type=notify\n" in text
        assert "\nWatchdogSec=" in text
