"""Lengths of time as people write them: 90s, 10m, 24h, 7d, 0."""

import re

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds(text: str) -> float:
    """Seconds; for click, as the type of an option.

    Raises:
        click.BadParameter: it is no length of time.
    """
    if text.strip() == "0":
        return 0.0
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no length of time; write 90s, 10m, 24h, 7d or 0")
    return float(match[1]) * _UNITS_S[match[2]]
