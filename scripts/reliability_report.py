"""The figures of docs/reliability.md, written by `scripts/simulate.py --report` between two marks, and only so."""

from pathlib import Path

from ridgeway.simulation.runner import Totals

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
FIGURES = ("seeds", "simulated hours", "steps of the daemons", "checks of the whole sum", "masked rounds committed")


def write_report(totals: Totals, start: int, seeds: int) -> None:
    """Replace the page's figures."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{figures(totals, start, seeds)}{END}{after}")


def figures(totals: Totals, start: int, seeds: int) -> str:
    """The part of the page that the simulator knows."""
    values = (
        f"{totals.seeds} (`--start {start} --seeds {seeds}`), {len(totals.failures)} failed",
        f"{totals.simulated_s / 3600:.1f}",
        f"{totals.steps:,}",
        f"{totals.checks:,}",
        f"{totals.rounds:,}",
    )
    lines = ["", "| what | how much |", "| --- | ---: |"]
    lines += [f"| {name} | {value} |" for name, value in zip(FIGURES, values, strict=True)]
    lines += ["", "| fault | times |", "| --- | ---: |"]
    lines += [f"| {kind} | {times:,} |" for kind, times in sorted(totals.faults.items())]
    lines += [
        "",
        f"Of the deaths, {totals.points.total():,} were at {len(totals.points)} points named in the code:",
        "",
    ]
    lines += ["| point | deaths |", "| --- | ---: |"]
    lines += [f"| {point} | {times:,} |" for point, times in sorted(totals.points.items())]
    return "\n".join([*lines, "", ""])
