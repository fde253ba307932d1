"""`ridgeway gateway`: the router behind OpenAI's API."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds
from ridgeway.cli.listen import split_listen
from ridgeway.cli.running import log_option, run_daemon
from ridgeway.errors import RidgewayError

if TYPE_CHECKING:
    from ridgeway.gateway.daemon import GatewaySettings
    from ridgeway.runtime.supervision import Supervisor

_FILE = click.Path(path_type=Path, dir_okay=False)


class NotInstalled(RidgewayError):
    """The gateway's library is an extra that is not installed."""


@click.command(cls=Command)
@data_dir_option
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:7480", show_default=True, help="Where clients ask.")
@click.option(
    "--token-file", type=_FILE, help="A private file with the API key that clients must send; needed beyond loopback."
)
@click.option("--tls-certificate", type=_FILE, help="Certificate chain of the listener, PEM; needed beyond loopback.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM, a private file.")
@click.option(
    "--keys", type=_FILE, help='A private TOML file with the experts\' API keys: "OWNER/DOMAIN" = "KEY", or "OWNER".'
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0.0, 1.0),
    default=0.0,
    show_default=True,
    metavar="P",
    help="A decision less sure than this goes to the fallback.",
)
@click.option(
    "--fallback",
    default="none",
    show_default=True,
    metavar="NAME|none",
    help="What the generalist expert serves that gets unsure prompts; none refuses them.",
)
@click.option(
    "--objective",
    default="accuracy",
    show_default=True,
    metavar="accuracy|cost|latency|W1,W2,W3",
    help="Among experts of nearly tied domains: the likeliest, the cheapest, the quickest, or by weights of the three.",
)
@click.option(
    "--switch-confidence",
    type=click.FloatRange(0.0, 1.0),
    default=0.95,
    show_default=True,
    metavar="P",
    help="A later turn of a conversation changes the expert only above this; 1 never.",
)
@click.option(
    "--tries", type=click.IntRange(1, 5), default=2, show_default=True, help="How often each expert is asked."
)
@click.option(
    "--stream-timeout",
    type=seconds,
    metavar="TIME",
    default="1m",
    show_default=True,
    help="How long an expert may take to begin a streamed answer, or pause in it.",
)
@click.option(
    "--answer-timeout",
    type=seconds,
    metavar="TIME",
    default="5m",
    show_default=True,
    help="How long an expert may take for an answer that is not streamed.",
)
@click.option(
    "--deadline",
    type=seconds,
    metavar="TIME",
    default="10m",
    show_default=True,
    help="When to give up, over all tries at all experts.",
)
@click.option(
    "--allow-http", is_flag=True, help="Ask experts on other machines over plain http too, readable on the way."
)
@click.option(
    "--allow-origin", multiple=True, metavar="ORIGIN", help="A web page that may ask, like https://chat.example.org."
)
@log_option
@json_option
def gateway(as_json: bool, log_format: str, **options: Any) -> None:
    """Answer clients of OpenAI's API with the experts of the federation, until SIGTERM or Ctrl-C.

    The model "auto" routes each new conversation with the newest router in a node's data directory; OWNER/DOMAIN, a
    domain, or a model's own name goes straight there. An expert that does not answer is asked again, then passed over.
    Keys for the experts come from RIDGEWAY_KEY_OWNER__DOMAIN, RIDGEWAY_KEY_OWNER, or the file of --keys.
    """
    try:
        from ridgeway.gateway.daemon import serve
    except ModuleNotFoundError as error:
        raise NotInstalled("the gateway needs aiohttp; run pip install 'ridgeway[gateway]'") from error

    settings = _settings(**options)

    def ready(url: str) -> None:
        if as_json:
            emit({"event": "ready", "url": url})
        else:
            click.echo(f"OpenAI's API is served on {url}")

    async def run(stop: asyncio.Event, supervisor: "Supervisor") -> None:
        def serving(url: str) -> None:
            ready(url)
            supervisor.ready(f"serving on {url}")

        await serve(settings, stop, serving)

    run_daemon(run, name="gateway", log_format=log_format)


def _settings(
    data_dir: Path,
    listen: str,
    token_file: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    keys: Path | None,
    min_confidence: float,
    fallback: str,
    objective: str,
    switch_confidence: float,
    tries: int,
    stream_timeout: float,
    answer_timeout: float,
    deadline: float,
    allow_http: bool,
    allow_origin: tuple[str, ...],
) -> "GatewaySettings":
    from ridgeway.expert_choice import Objective
    from ridgeway.gateway.attempts import Patience
    from ridgeway.gateway.choice import Policy
    from ridgeway.gateway.daemon import GatewaySettings

    host, port = split_listen(listen)
    if min(stream_timeout, answer_timeout, deadline) <= 0:
        raise click.UsageError("a timeout or deadline of 0 would refuse everything; give more")
    wished = Objective.parse(objective)
    return GatewaySettings(
        data_dir=data_dir,
        host=host,
        port=port,
        policy=Policy(min_confidence, fallback, wished, switch_confidence, allow_http),
        patience=Patience(tries, stream_timeout, answer_timeout, deadline),
        token_file=token_file,
        certificate=tls_certificate,
        key=tls_key,
        keys_file=keys,
        origins=frozenset(allow_origin),
        environment=os.environ,
    )
