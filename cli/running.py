"""Run a daemon from the command line: its options for logs and HTTP, signals, traces."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ridgeway.runtime.supervision import Supervisor
    from ridgeway.web.settings import HttpSettings

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--http",
        metavar="HOST:PORT",
        help="Serve the status page and Prometheus metrics there; without it there is no HTTP at all. Addresses beyond"
        " this machine need a token, a certificate and a key.",
    ),
    click.option(
        "--http-token-file",
        type=_FILE,
        metavar="FILE",
        help="A secret that callers must show, as a Bearer token or at the page's login: openssl rand -hex 32.",
    ),
    click.option(
        "--http-certificate", type=_FILE, metavar="FILE", help="Serve HTTPS: the certificate and its chain, PEM."
    ),
    click.option("--http-key", type=_FILE, metavar="FILE", help="The certificate's key, PEM, without a password."),
)

log_option = click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    help="Lines for people, or a JSON object a line.",
)


def daemon_options(function: F) -> F:
    """--http and what belongs to it, --log-format."""
    return reduce(lambda decorated, option: option(decorated), reversed((*_OPTIONS, log_option)), function)


def http_settings(
    http: str | None, http_token_file: Path | None, http_certificate: Path | None, http_key: Path | None
) -> "HttpSettings | None":
    """What the options say of HTTP.

    Raises:
        BadHttpSettings, HttpExtraMissing: it cannot be served so.
    """
    from ridgeway.web.settings import BadHttpSettings, read_settings

    if http is not None:
        return read_settings(http, http_token_file, http_certificate, http_key)
    if http_token_file or http_certificate or http_key:
        raise BadHttpSettings("options for HTTP are given, but not where to serve it; add --http HOST:PORT")
    return None


def run_daemon(serve: "Callable[[asyncio.Event, Supervisor], Awaitable[None]]", *, name: str, log_format: str) -> None:
    """Run until SIGTERM or SIGINT; logs go to standard error, traces where OTEL_ variables say, and the service manager
    is told how it goes."""
    from ridgeway.runtime.logs import LogFormat, configure_logs
    from ridgeway.runtime.shutdown import stop_event
    from ridgeway.runtime.tracing import traced

    debug = bool(click.get_current_context().find_root().params.get("debug"))
    configure_logs(LogFormat(log_format), debug=debug)

    async def run() -> None:
        stop = stop_event()
        async with _supervised(stop) as supervisor:
            await serve(stop, supervisor)

    with traced(f"ridgeway-{name}", os.environ):
        asyncio.run(run())


@asynccontextmanager
async def _supervised(stop: asyncio.Event) -> "AsyncIterator[Supervisor]":
    from ridgeway.runtime.supervision import Supervisor

    supervisor = Supervisor()

    watching = asyncio.create_task(supervisor.watch())

    async def tell_of_stop() -> None:
        await stop.wait()
        watching.cancel()
        supervisor.stopping()

    tasks = [watching, asyncio.create_task(tell_of_stop())]
    try:
        yield supervisor
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        supervisor.close()
