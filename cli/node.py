"""`ridgeway node`: run the daemon of a data owner."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds
from ridgeway.cli.listen import split_peer_listen
from ridgeway.cli.running import daemon_options, http_settings, run_daemon

if TYPE_CHECKING:
    from ridgeway.runtime.supervision import Supervisor
    from ridgeway.web.settings import HttpSettings


@click.command(cls=Command)
@data_dir_option
@click.option(
    "--peers",
    is_flag=True,
    help="Take part in a federation without a coordinator; a node that has joined one knows by itself.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve routing there too, over mutual TLS, to holders of this node's certificate. Among peers: where members"
    " dial; newcomers ask one port above. Without it a peer takes part through connections that it opens.",
)
@click.option("--advertise", metavar="HOST[:PORT]", help="Among peers: what others dial, if it is not --listen.")
@click.option(
    "--refresh",
    type=seconds,
    metavar="TIME",
    default="10m",
    show_default=True,
    help="How often to look for changed files; 0 never.",
)
@click.option(
    "--probe",
    type=seconds,
    metavar="TIME",
    default="1m",
    show_default=True,
    help="How often to time the answers of this node's experts, for `route --objective latency`; 0 never.",
)
@daemon_options
@json_option
def node(
    data_dir: Path,
    peers: bool,
    listen: str | None,
    advertise: str | None,
    refresh: float,
    probe: float,
    log_format: str,
    as_json: bool,
    **http: Any,
) -> None:
    """Run the daemon of a data owner, until SIGTERM or Ctrl-C.

    It follows the router feed, contributes again when files change, renews its certificate, and answers local programs
    on the socket node.sock in its data directory. Before it has joined it waits for `ridgeway join`. Among peers it
    adds the contributions up and solves the router itself.
    """
    from ridgeway.cli.handover import is_peer

    if peers or is_peer(data_dir):
        _run_peer(data_dir, listen, advertise, refresh, probe, log_format, as_json=as_json, http=http_settings(**http))
        return
    if advertise is not None:
        raise click.UsageError("--advertise is for peers; a node with a coordinator is dialled by its own owner only")
    from ridgeway.node.daemon import Addresses, NodeSettings, serve

    settings = NodeSettings(data_dir, listen, refresh, probe_s=probe, http=http_settings(**http))

    def ready(at: Addresses) -> None:
        if as_json:
            socket = str(data_dir.resolve() / "node.sock")
            emit({"event": "ready", "socket": socket, "listen": at.routing or None, "http": at.http or None})
            return
        click.echo(f"serving on {data_dir / 'node.sock'}" + (f" and {at.routing}" if at.routing else ""))
        if at.http:
            click.echo(f"status page at {at.http}")

    async def run(stop: asyncio.Event, supervisor: "Supervisor") -> None:
        def serving(at: Addresses) -> None:
            ready(at)
            supervisor.ready("serving on node.sock" + (f" and {at.routing}" if at.routing else ""))

        await serve(settings, stop, serving)

    run_daemon(run, name="node", log_format=log_format)


def _run_peer(
    data_dir: Path,
    listen: str | None,
    advertise: str | None,
    refresh: float,
    probe: float,
    log_format: str,
    *,
    as_json: bool,
    http: "HttpSettings | None",
) -> None:
    from ridgeway.peers.daemon import PeerSettings, Serving, serve

    host, port = split_peer_listen(listen) if listen else (None, 0)
    settings = PeerSettings(data_dir, host, port, advertise, refresh, probe, http=http)

    def ready(at: Serving) -> None:
        socket = data_dir.resolve() / "node.sock"
        if as_json:
            emit(
                {
                    "event": "ready",
                    "socket": str(socket),
                    "listen": at.members or None,
                    "enrolment": at.newcomers or None,
                    "http": at.http or None,
                }
            )
            return
        click.echo(f"serving on {socket}" + (f"; members dial {at.members}" if at.members else ""))
        if at.http:
            click.echo(f"status page at {at.http}")

    async def run(stop: asyncio.Event, supervisor: "Supervisor") -> None:
        def serving(at: Serving) -> None:
            ready(at)
            supervisor.ready("serving on node.sock" + (f" and {at.members}" if at.members else ""))

        await serve(settings, stop, serving)

    run_daemon(run, name="node", log_format=log_format)
