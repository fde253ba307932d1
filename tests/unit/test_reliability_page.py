"""The reliability page has the figures that the simulator writes, in the form in which it writes them."""

import re
from pathlib import Path

import pytest
import reliability_report
from reliability_report import BEGIN, END, FIGURES, PAGE, figures, write_report

from ridgeway.simulation.runner import Totals


def test_the_page_s_figures_are_of_the_form_that_the_script_writes() -> None:
    written = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", written, re.MULTILINE)
    assert [name for name, _ in rows if name in FIGURES] == list(FIGURES)
    assert int(dict(rows)["seeds"].split()[0]) >= 1000
    assert dict(rows)["seeds"].endswith(" 0 failed")
    assert {"power cut", "killed", "full disk", "stale restore", "lie"} <= dict(rows).keys()


def test_the_figures_are_replaced_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(reliability_report, "PAGE", page)
    totals = Totals(seeds=7, simulated_s=7200.0)
    totals.faults.update({"killed": 3})
    totals.points.update({"before commit in coordinator.ledger.put": 2})
    write_report(totals, 0, 7)
    assert page.read_text() == f"before\n{BEGIN}\n{figures(totals, 0, 7)}{END}\nafter\n"
    assert "| simulated hours | 2.0 |" in page.read_text()
    assert "old" not in page.read_text()
