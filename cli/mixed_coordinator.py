"""`ridgeway coordinator --if-lost gossip`: the coordinator is a member of a federation of peers, dialled first."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ridgeway.cli.command import emit
from ridgeway.cli.listen import split_peer_listen
from ridgeway.cli.running import run_daemon

if TYPE_CHECKING:
    from ridgeway.coordinator.founding import Wishes
    from ridgeway.peers.daemon import Serving
    from ridgeway.runtime.supervision import Supervisor
    from ridgeway.web.settings import HttpSettings

# Options of a coordinator that keeps a ledger and issues certificates by itself, which this one does not.
_ONLY_IF_WAITED_FOR = ("ledger", "certificate_lifetime")


def run_mixed_coordinator(
    data_dir: Path,
    listen: str,
    advertise: str | None,
    if_lost: str | None,
    wishes: "Wishes",
    embedder: str | None,
    http: "HttpSettings | None",
    log_format: str,
    as_json: bool,
) -> None:
    """Found the federation at the first start, and run its coordinator until SIGTERM or Ctrl-C.

    Args:
        data_dir: the coordinator's, which is a peer's like any other's.
        listen: HOST:PORT where members dial; newcomers ask one port above.
        advertise: the host that others are told, if it is not that of `listen`.
        if_lost: as asked for; None: as the federation was founded.
        wishes: what is asked of the manifest.
        embedder: as asked for.
        http: where the status page is served.
        log_format: console or json.
        as_json: say in JSON that it runs.

    Raises:
        UsageError: an option that only other coordinators have.
        ManifestIsFixed: the directory is of a federation that was founded otherwise.
    """
    from ridgeway.peers.daemon import PeerSettings, serve

    _check_options()
    host, port = split_peer_listen(listen)
    settings = PeerSettings(data_dir, host, port, advertise, http=http)
    settings.addresses  # noqa: B018 - an address that nobody could dial is told before anything is founded
    _found_or_check(data_dir, if_lost, wishes, embedder)

    async def run(stop: asyncio.Event, supervisor: "Supervisor") -> None:
        def serving(at: "Serving") -> None:
            _say_ready(at, data_dir, as_json=as_json)
            supervisor.ready(f"members dial {at.members}")

        await serve(settings, stop, serving)

    run_daemon(run, name="coordinator", log_format=log_format)


def _check_options() -> None:
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    for name in _ONLY_IF_WAITED_FOR:
        if context.get_parameter_source(name) is not default:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is for a coordinator with --if-lost wait; with gossip every peer keeps"
                " all records, and certificates live 90 days"
            )


def _found_or_check(data_dir: Path, if_lost: str | None, wishes: "Wishes", embedder: str | None) -> None:
    from ridgeway.cli.coordinator import fingerprint
    from ridgeway.cli.federation import UNMASKED, new_id
    from ridgeway.cli.handover import is_peer
    from ridgeway.coordinator.founding import ManifestIsFixed
    from ridgeway.manifest import COORDINATOR, Coordination, Masking
    from ridgeway.peers.founding import found
    from ridgeway.peers.keyring import read_charter
    from ridgeway.runtime.data_dir import DataDirectory, role_of

    if is_peer(data_dir):
        manifest = read_charter(DataDirectory(data_dir, "node")).manifest
        if manifest.coordination is not Coordination.MIXED:
            raise ManifestIsFixed(f"the federation in {data_dir} has no coordinator; run `ridgeway node` there")
        if if_lost == "wait":
            raise ManifestIsFixed(_otherwise("--if-lost wait", "--if-lost gossip"))
        wishes.check_against(manifest)
        return
    if role_of(data_dir) == "coordinator":
        raise ManifestIsFixed(_otherwise("--if-lost gossip", "--if-lost wait"))
    manifest = wishes.manifest(new_id(), wishes.embedder or fingerprint("builtin"), Coordination.MIXED)
    found(data_dir, COORDINATOR, manifest, embedder or "builtin", datetime.now(UTC))
    if manifest.masking is Masking.OFF:
        click.secho(f"warning: {UNMASKED}", fg="yellow", err=True)


def _otherwise(asked: str, agreed: str) -> str:
    return (
        f"{asked} differs from {agreed}, which this federation was founded with; leave it out, or found another"
        " federation in another --data-dir"
    )


def _say_ready(at: "Serving", data_dir: Path, *, as_json: bool) -> None:
    if as_json:
        emit({"event": "ready", "members": at.members, "enrolment": at.newcomers, "http": at.http or None})
        return
    click.echo(f"members dial {at.members}, newcomers {at.newcomers}")
    if at.http:
        click.echo(f"status page at {at.http}")
    click.echo(f"to let an owner in: ridgeway invite OWNER --data-dir {data_dir}")
