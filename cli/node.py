"""`ridgeway node`: run the daemon of a data owner."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds
from ridgeway.cli.running import daemon_options, http_settings, run_daemon

if TYPE_CHECKING:
    from ridgeway.runtime.supervision import Supervisor


@click.command(cls=Command)
@data_dir_option
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve routing there too, over mutual TLS, to holders of this node's certificate.",
)
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
    listen: str | None,
    refresh: float,
    probe: float,
    log_format: str,
    as_json: bool,
    **http: Any,
) -> None:
    """Run the daemon of a data owner, until SIGTERM or Ctrl-C.

    It follows the router feed, contributes again when files change, renews its certificate, and answers local programs
    on the socket node.sock in its data directory. Before it has joined it waits for `ridgeway join`.
    """
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
