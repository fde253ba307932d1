"""`ridgeway leave`: take this owner's contributions out of the sum, exactly."""

import asyncio
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option


@click.command(cls=Command)
@data_dir_option
@click.option("--domain", default="", metavar="NAME", help="Withdraw only this domain and stay a member.")
@json_option
def leave(data_dir: Path, domain: str, as_json: bool) -> None:
    """Leave the federation; returns when the coordinator has acknowledged it, or among peers another one has heard it.

    The sum is then, to the bit, what it would be without this owner. The last router stays on disk. To come back, the
    owner needs a new invitation.
    """
    from ridgeway.cli import handover
    from ridgeway.cli.progress import shown
    from ridgeway.proto.messages import Progress

    digests: list[str] = []

    def heard(news: Progress) -> None:
        if news.stage == "withdrawn":
            digests.append(news.detail)
        tell(news)

    with shown(quiet=as_json) as tell:
        asyncio.run(handover.leave(data_dir, domain, heard))
    if as_json:
        emit({"left": not domain, "domain": domain or None, "sum_digest": digests[-1] if digests else None})
