"""`ridgeway node`: run the daemon of a data owner."""

import asyncio
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds


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
@json_option
@click.pass_context
def node(ctx: click.Context, data_dir: Path, listen: str | None, refresh: float, probe: float, as_json: bool) -> None:
    """Run the daemon of a data owner, until SIGTERM or Ctrl-C.

    It follows the router feed, contributes again when files change, renews its certificate, and answers local programs
    on the socket node.sock in its data directory. Before it has joined it waits for `ridgeway join`.
    """
    from ridgeway.cli.running import run_daemon
    from ridgeway.node.daemon import NodeSettings, serve

    def ready(address: str) -> None:
        if as_json:
            emit({"event": "ready", "socket": str(data_dir.resolve() / "node.sock"), "listen": address or None})
        else:
            click.echo(f"serving on {data_dir / 'node.sock'}" + (f" and {address}" if address else ""))

    async def run(stop: asyncio.Event) -> None:
        await serve(NodeSettings(data_dir, listen, refresh, probe_s=probe), stop, ready)

    run_daemon(run, debug=bool(ctx.find_root().params.get("debug")))
