"""`ridgeway revoke OWNER`: refuse an owner's certificates from now on."""

import asyncio
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option, of_sum


@click.command(cls=Command)
@click.argument("owner")
@data_dir_option
@json_option
def revoke(owner: str, data_dir: Path, as_json: bool) -> None:
    """Refuse OWNER's certificates from now on, on open connections too.

    Its contributions stay in the sum; `ridgeway evict` takes them out."""
    from ridgeway.cli.administer import administer
    from ridgeway.proto import messages as m
    from ridgeway.proto import rpc

    response = asyncio.run(administer(data_dir, rpc.REVOKE, m.OwnerRequest(owner)))
    if as_json:
        emit({"owner": owner, "sum_digest": response.sum_digest})
    else:
        click.echo(f"{owner} is revoked" + of_sum(response.sum_digest))
