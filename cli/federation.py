"""`ridgeway federation`: found a federation without a coordinator, and say who administers it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.coordinator import coordinator, fingerprint, wishes

UNMASKED = "masking is off: every member can tell which words an owner uses (docs/threat-model.md)"
# What a federation agrees on is the same with a coordinator and without.
_AGREED = {
    "embedder",
    "mass",
    "min_cohort",
    "ridge",
    "prior_correction",
    "features",
    "columns",
    "dp",
    "dp_contributions",
    "top_k",
    "rule",
}


@click.group()
def federation() -> None:
    """Found a federation without a coordinator, and appoint its administrators."""


@federation.command(cls=Command)
@data_dir_option
@click.option(
    "--owner", default="founder", show_default=True, metavar="NAME", help="The founder's name as an owner of data."
)
@click.option(
    "--masking",
    type=click.Choice(["required", "off"]),
    default="required",
    show_default=True,
    help="Whether contributions travel masked, so that nobody sees one owner's sums; off lets every member see them.",
)
@json_option
def create(data_dir: Path, owner: str, masking: str, as_json: bool, **wished: Any) -> None:
    """Found a federation of peers in DIR, which becomes the founder's node.

    It makes the manifest and the authority. The authority's keys stay in DIR: keep a copy of it in a safe place. What
    the federation agrees on (embedder, features, mass, masking, privacy, ridge, top-k, rule) is fixed from here on.
    """
    from ridgeway.manifest import Coordination, Masking
    from ridgeway.peers.founding import found

    agreed = wishes(**wished, masking=masking)
    embedder = wished["embedder"] or "builtin"
    manifest = agreed.manifest(new_id(), agreed.embedder or fingerprint(embedder), Coordination.PEERS)
    founded = found(data_dir, owner, manifest, embedder, datetime.now(UTC))
    if manifest.masking is Masking.OFF:
        click.secho(f"warning: {UNMASKED}", fg="yellow", err=True)
    if as_json:
        emit({"federation_id": founded.federation_id, "owner": owner, "authority_sha256": founded.authority_sha256})
        return
    click.echo(f"founded {founded.federation_id}; {owner} is its founder and first administrator")
    click.echo(f"run its node:        ridgeway node --data-dir {data_dir} --listen HOST:PORT")
    click.echo(f"contribute:          ridgeway join --data-dir {data_dir} --domain NAME=PATH")
    click.echo(f"let an owner in:     ridgeway invite OWNER --data-dir {data_dir}")


create.params[2:2] = [option for option in coordinator.params if option.name in _AGREED]


@federation.command(cls=Command)
@click.argument("owner")
@data_dir_option
@json_option
def appoint(owner: str, data_dir: Path, as_json: bool) -> None:
    """Make the member OWNER an administrator, who can invite, revoke and evict. Run it at the founder's node."""
    from ridgeway.proto import rpc

    _state(data_dir, rpc.APPOINT, owner, as_json, f"{owner} is an administrator")


@federation.command(cls=Command)
@click.argument("owner")
@data_dir_option
@json_option
def dismiss(owner: str, data_dir: Path, as_json: bool) -> None:
    """End OWNER's power as an administrator; whom it let in stays. Run it at the founder's node."""
    from ridgeway.proto import rpc

    _state(data_dir, rpc.DISMISS, owner, as_json, f"{owner} is an administrator no longer")


def _state(data_dir: Path, method: Any, owner: str, as_json: bool, sentence: str) -> None:
    from ridgeway.peers.handover import administer_peers
    from ridgeway.proto import messages as m

    asyncio.run(administer_peers(data_dir, method, m.OwnerRequest(owner)))
    if as_json:
        emit({"owner": owner})
    else:
        click.echo(sentence)


def new_id() -> str:
    import secrets

    return secrets.token_hex(16)
