"""`ridgeway coordinator`: run the process that adds the contributions up and sends everyone the router."""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.cli.duration import seconds
from ridgeway.cli.running import daemon_options, http_settings, run_daemon

if TYPE_CHECKING:
    from ridgeway.coordinator.founding import Wishes
    from ridgeway.embedder import EmbedderFingerprint
    from ridgeway.runtime.supervision import Supervisor


def ridge_or_auto(text: str) -> float | str:
    """`auto`, or a positive number; for click, as the type of an option.

    Raises:
        click.BadParameter: it is neither.
    """
    try:
        value = float(text) if text != "auto" else 1.0
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is neither auto nor a number") from error
    if not 0.0 < value < float("inf"):
        raise click.BadParameter(f"the ridge must be positive and finite, not {text}")
    return text if text == "auto" else value


def budget(text: str) -> tuple[float, float]:
    """EPSILON,DELTA; for click, as the type of an option.

    Raises:
        click.BadParameter: it is not.
    """
    try:
        epsilon, delta = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not EPSILON,DELTA; try 3,1e-6") from error
    if not (0 < epsilon < float("inf") and 0 < delta < 1):
        raise click.BadParameter(f"epsilon must be positive and delta between 0 and 1, not {text}; try 3,1e-6")
    return epsilon, delta


def votes_or_auto(text: str) -> int | str:
    """`auto`, or a number of votes; for click, as the type of an option.

    Raises:
        click.BadParameter: it is neither.
    """
    if text == "auto":
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise click.BadParameter(f"{text!r} is neither auto nor a number from 1 to 10000")
    return int(text)


@click.command(cls=Command)
@data_dir_option
@click.option(
    "--listen",
    default="127.0.0.1:7443",
    show_default=True,
    metavar="HOST:PORT",
    help="Where members dial; enrolment is one port above. Port 0 chooses both.",
)
@click.option("--advertise", metavar="HOST", help="The host that invitations name, if it is not that of --listen.")
@click.option(
    "--embedder",
    metavar="builtin|DIR|ID",
    help="Tokeniser and embedding matrix: built in, a model directory, or a model id. [new federation: builtin]",
)
@click.option(
    "--mass",
    type=click.Choice(["owner", "tokens"]),
    help="Weight of a contribution: 1 for each owner and domain, or its number of tokens."
    " [new federation: owner; tokens with --features tokens under masking, where mass 1 would give owners away]",
)
@click.option(
    "--ridge",
    type=ridge_or_auto,
    metavar="auto|X",
    help="The ridge; auto chooses it by generalised cross-validation."
    " [new federation: half a row's weight with pooled features, 0.01 with tokens]",
)
@click.option(
    "--prior-correction",
    type=click.Choice(["on", "off"]),
    help="Do not favour domains with more mass. [new federation: on]",
)
@click.option(
    "--features",
    type=click.Choice(["pooled", "tokens"]),
    help="A row of X for each prompt, or for each token (the paper). [new federation: pooled]",
)
@click.option(
    "--columns",
    type=click.IntRange(0, 8192),
    help="Pseudo-random columns of pooled features beside the embedding, a multiple of 8. [new federation: 1024]",
)
@click.option(
    "--masking",
    type=click.Choice(["required", "off"]),
    help="Whether contributions travel masked, so that nobody sees one owner's sums; off lets the coordinator see them."
    " [new federation: required]",
)
@click.option(
    "--min-cohort",
    type=click.IntRange(3),
    help="With --masking required: owners with a change that a round needs before it starts. [new federation: 3]",
)
@click.option(
    "--dp",
    type=budget,
    metavar="EPSILON,DELTA",
    help="Differential privacy of each owner's prompts: noise is added to what leaves a node, by a budget for all that"
    " an owner ever contributes to a domain. Needs the extra dp. [new federation: none]",
)
@click.option(
    "--dp-contributions",
    type=click.IntRange(1),
    metavar="N",
    help="With --dp: for how many contributions to a domain the budget is. [new federation: 1]",
)
@click.option(
    "--top-k",
    type=votes_or_auto,
    metavar="auto|K",
    help="With --features tokens: how many tokens vote; auto chooses on the private hold-outs. [new federation: 10]",
)
@click.option(
    "--rule",
    type=click.Choice(["votes", "scores", "auto"]),
    help="With --features tokens: the votes of the surest tokens, the sum of all scores, or what does better on the"
    " private hold-outs. [new federation: votes]",
)
@click.option(
    "--ledger",
    metavar="postgresql://...",
    envvar="RIDGEWAY_LEDGER",
    help="A PostgreSQL database that several replicas share, one of which leads; needs the extra postgres. The password"
    " comes from PGPASSFILE or PGPASSWORD. [default: a file in the data directory]",
)
@click.option(
    "--if-lost",
    type=click.Choice(["wait", "gossip"]),
    help="What nodes do while this coordinator is away: wait, and route with what they have; or go on by gossip, in a"
    " federation of peers who dial the coordinator first. [new federation: wait]",
)
@click.option(
    "--certificate-lifetime",
    type=seconds,
    metavar="TIME",
    default="24h",
    show_default=True,
    help="How long members' certificates live; they renew themselves.",
)
@daemon_options
@json_option
def coordinator(
    data_dir: Path,
    listen: str,
    advertise: str | None,
    certificate_lifetime: float,
    ledger: str | None,
    if_lost: str | None,
    http: str | None,
    http_token_file: Path | None,
    http_certificate: Path | None,
    http_key: Path | None,
    log_format: str,
    as_json: bool,
    **wished: Any,
) -> None:
    """Run the coordinator of a federation; the first start founds it.

    What the federation agrees on (embedder, features, mass, masking, privacy, ridge, top-k, rule) is fixed by the first
    start. It runs until SIGTERM or Ctrl-C.
    """
    from ridgeway.cli.handover import is_peer

    if if_lost == "gossip" or is_peer(data_dir):
        from ridgeway.cli.mixed_coordinator import run_mixed_coordinator

        page = http_settings(http, http_token_file, http_certificate, http_key)
        asked = wishes(**wished)
        run_mixed_coordinator(
            data_dir, listen, advertise, if_lost, asked, wished["embedder"], page, log_format, as_json
        )
        return
    from ridgeway.coordinator.daemon import CoordinatorSettings, Endpoints, serve

    def ready(endpoints: Endpoints) -> None:
        if as_json:
            emit({"event": "ready", **asdict(endpoints), "http": endpoints.http or None})
            return
        click.echo(f"members dial {endpoints.members}, newcomers {endpoints.enrolment}")
        if endpoints.http:
            click.echo(f"status page at {endpoints.http}")
        click.echo(f"to let an owner in: ridgeway invite OWNER --data-dir {data_dir}")

    host, port = _split(listen)
    settings = CoordinatorSettings(
        data_dir=data_dir,
        default_embedder=lambda: fingerprint("builtin"),
        wishes=wishes(**wished),
        host=host,
        port=port,
        advertise=advertise,
        certificate_lifetime=timedelta(seconds=certificate_lifetime),
        http=http_settings(http, http_token_file, http_certificate, http_key),
        ledger=ledger,
    )

    async def run(stop: asyncio.Event, supervisor: "Supervisor") -> None:
        await serve(settings, stop, ready, supervisor)

    run_daemon(run, name="coordinator", log_format=log_format)


def wishes(
    embedder: str | None,
    mass: str | None,
    ridge: float | str | None,
    prior_correction: str | None,
    top_k: int | str | None,
    rule: str | None,
    features: str | None,
    columns: int | None,
    masking: str | None,
    min_cohort: int | None,
    dp: tuple[float, float] | None,
    dp_contributions: int | None,
) -> "Wishes":
    """What the options ask of the manifest."""
    from ridgeway.coordinator.founding import Wishes
    from ridgeway.manifest import FeatureMap, Masking, MassRule

    return Wishes(
        embedder=fingerprint(embedder) if embedder else None,
        mass=MassRule(mass) if mass else None,
        features=FeatureMap(features) if features else None,
        columns=columns,
        masking=Masking(masking) if masking else None,
        min_cohort=min_cohort,
        ridge=ridge,
        prior_correction=None if prior_correction is None else prior_correction == "on",
        top_k=top_k,
        rule=rule,
        privacy=dp,
        privacy_contributions=dp_contributions,
    )


def fingerprint(name: str) -> "EmbedderFingerprint":
    """The fingerprint of an embedder by name."""
    from ridgeway.embedders import load_embedder

    return load_embedder(name).fingerprint


def _split(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdigit() or int(port) > 65534:
        raise click.BadParameter(f"{listen!r} is no HOST:PORT with a port up to 65534", param_hint="--listen")
    return host, int(port)
