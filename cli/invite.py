"""`ridgeway invite OWNER`: one line that lets an owner in, once."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds


@click.command(cls=Command)
@click.argument("owner")
@data_dir_option
@click.option(
    "--expires", type=seconds, metavar="TIME", default="24h", show_default=True, help="How long the invitation works."
)
@json_option
def invite(owner: str, data_dir: Path, expires: float, as_json: bool) -> None:
    """Print one line that lets OWNER join, once. Run it at the coordinator, or at an administrator's node."""
    from ridgeway.cli.administer import administer
    from ridgeway.proto import messages as m
    from ridgeway.proto import rpc

    response = asyncio.run(administer(data_dir, rpc.INVITE, m.InviteRequest(owner, int(expires))))
    until = datetime.fromtimestamp(response.expires_unix_ms / 1000, UTC)
    if as_json:
        emit({"owner": owner, "token": response.token, "expires": until.isoformat()})
        return
    click.echo(response.token)
    click.echo(
        f"Hand this line to {owner}; it works once, until {until:%Y-%m-%d %H:%M} UTC. There they run:\n"
        f"  ridgeway join - --data-dir DIR --domain NAME=PATH",
        err=True,
    )
