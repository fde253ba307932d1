"""`ridgeway evict OWNER`: take an owner's contributions out of the sum and refuse its certificates."""

import asyncio
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option, of_sum


@click.command(cls=Command)
@click.argument("owner")
@data_dir_option
@json_option
def evict(owner: str, data_dir: Path, as_json: bool) -> None:
    """Take OWNER's contributions out of the sum and refuse its certificates.

    The sum is exactly what it would be without the owner, and everyone gets the next router. To come back, the owner
    needs a new invitation."""
    from ridgeway.cli.administer import administer
    from ridgeway.proto import messages as m
    from ridgeway.proto import rpc

    response = asyncio.run(administer(data_dir, rpc.EVICT, m.OwnerRequest(owner)))
    if as_json:
        emit({"owner": owner, "sum_digest": response.sum_digest})
    else:
        click.echo(f"{owner} is evicted" + of_sum(response.sum_digest))
