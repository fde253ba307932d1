"""What every benchmark prints: one row for each claim, for people or as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One claim, measured.

    Attributes:
        name: what was measured, with its unit.
        value: ours.
        limit: the peer's or the bound's, in the same unit.
        ratio: value / limit.
        goal: what the ratio must reach, or stay below.
        met: whether it does.
    """

    name: str
    value: float
    limit: float
    ratio: float
    goal: str
    met: bool


def at_least(name: str, value: float, limit: float, goal: float) -> Row:
    """A rate: the more the better."""
    ratio = value / limit
    return Row(name, value, limit, ratio, f">= {goal:g}", ratio >= goal)


def at_most(name: str, value: float, limit: float, goal: float) -> Row:
    """A cost: the less the better."""
    ratio = value / limit
    return Row(name, value, limit, ratio, f"<= {goal:g}", ratio <= goal)


def for_information(name: str, value: float, limit: float) -> Row:
    """A comparison that nothing is asked of."""
    return Row(name, value, limit, value / limit, "none", met=True)


def report(rows: Iterable[Row], *, as_json: bool) -> None:
    """Print each row as it comes."""
    for row in rows:
        if as_json:
            print(json.dumps(asdict(row)), flush=True)
        else:
            verdict = "met" if row.met else "MISSED"
            print(
                f"{row.name:<72} {row.value:>10.4g} / {row.limit:<10.4g} = {row.ratio:>7.3f}  {row.goal:<7} {verdict}",
                flush=True,
            )
