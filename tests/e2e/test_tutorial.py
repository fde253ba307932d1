"""The tutorial does what it says: every command is run in order, and what it shows is what is printed."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from free_port import free_port
from page_steps import shell, steps

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-federation.md"
# The coordinator has two, its second is one above.
PORTS = (7443, 8444, 7480, 9001)


def with_free_ports(page: str) -> str:
    """The page with other ports than people use, of which other tests may have some."""
    free: set[int] = set()
    while len(free) < len(PORTS):
        free.add(free_port())
    for port, other in zip(PORTS, sorted(free), strict=True):
        assert str(port) in page
        page = page.replace(str(port), str(other))
    return page.replace("7444", str(min(free) + 1))


@pytest.mark.timeout(400)
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl; scripts/install_debian_packages gets it")
    found, skipped = steps(with_free_ports(PAGE.read_text()))
    assert (len(found) > 12, sum(step.prints is not None for step in found) > 8, skipped) == (True, True, 1)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with shell(tmp_path, {"PATH": programs, "COLUMNS": "100"}) as terminal:
        for step in found:
            terminal.follow(step)
        assert terminal.run("jobs -rp") == ""
    assert list((tmp_path / "home").iterdir()) == []
