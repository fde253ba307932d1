"""`ridgeway members`: see the federation from a coordinator's or a node's data directory."""

from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, json_option


@click.command(cls=Command)
@data_dir_option
@json_option
def members(data_dir: Path, as_json: bool) -> None:
    """List the members of the federation, past and present, and the invitations that are out."""
    from ridgeway.cli.federation_view import show

    show(data_dir, as_json=as_json, members_only=True)
