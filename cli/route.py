"""`ridgeway route`: where does a prompt go?"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import EXIT_NOT_ROUTED, Command, data_dir_option, emit, json_option

if TYPE_CHECKING:
    from ridgeway.feature_map import Router
    from ridgeway.routing import Decision, NoKnownToken

SHOWN_CHARACTERS = 60


@click.command(cls=Command)
@click.argument("prompt", required=False)
@data_dir_option
@click.option(
    "--file", "file", metavar="FILE", help="Route every prompt of a file (JSON Lines, CSV, Parquet, text), or of - ."
)
@click.option("--field", help="The field, column or dotted path of the prompt in --file.")
@click.option("--top-k", type=click.IntRange(1, 10_000), help="How many tokens vote; the manifest's by default.")
@json_option
@click.pass_context
def route(
    ctx: click.Context,
    prompt: str | None,
    data_dir: Path,
    file: str | None,
    field: str | None,
    top_k: int | None,
    as_json: bool,
) -> None:
    """Choose the domain and expert for PROMPT, with the newest router in a node's data directory.

    PROMPT may be "-": the whole of standard input is one prompt. With --file every entry is routed; --json prints one
    object a prompt. No daemon has to run, and nothing leaves this machine.
    """
    from ridgeway.node.handover import load_router

    if (prompt is None) == (file is None):
        raise click.UsageError("give either PROMPT or --file FILE")
    router = load_router(data_dir)
    if prompt is not None:
        text = sys.stdin.read() if prompt == "-" else prompt
        _print_one(0, text, router.route(text, top_k), as_json)
        return
    failed = 0
    for number, (text, outcome) in enumerate(_outcomes(router, str(file), field, top_k)):
        failed += isinstance(outcome, Exception)
        _print_one(number, text, outcome, as_json)
    if failed:
        click.echo(f"{failed} prompts cannot be routed", err=True)
        ctx.exit(EXIT_NOT_ROUTED)


def _outcomes(
    router: "Router", file: str, field: str | None, top_k: int | None
) -> "Iterator[tuple[str, Decision | NoKnownToken]]":
    """Read, tokenise and decide in step; at most two batches are held."""
    from ridgeway.ahead import encode_ahead
    from ridgeway.node.prompts import PromptSource, batches, read_prompts

    with ThreadPoolExecutor(max_workers=1) as executor:
        prompts = batches(read_prompts(PromptSource(file, field)))
        for batch, encodings in encode_ahead(prompts, router.embedder, executor.submit):
            yield from zip(batch, router.route_encodings(encodings, top_k), strict=True)


def decision_document(number: int, outcome: "Decision | NoKnownToken") -> dict[str, Any]:
    """A decision, or why there is none, as data."""
    if isinstance(outcome, Exception):
        return {"index": number, "error": type(outcome).__name__, "message": str(outcome)}
    expert = outcome.expert
    return {
        "index": number,
        "domain": outcome.domain,
        "confidence": round(outcome.confidence, 6),
        "votes": outcome.votes,
        "expert": {"owner": expert.owner, "url": expert.url, "model": expert.model} if expert else None,
        "router_version": outcome.router_version,
    }


def _print_one(number: int, text: str, outcome: "Decision | NoKnownToken", as_json: bool) -> None:
    if as_json:
        emit(decision_document(number, outcome))
        return
    head = " ".join(text.split())[:SHOWN_CHARACTERS]
    if isinstance(outcome, Exception):
        click.secho(f"{'-':<16} {'':>5}  {head}  ({outcome})", fg="yellow")
        return
    expert = f"  -> {outcome.expert.model or outcome.expert.url}" if outcome.expert else ""
    click.echo(f"{outcome.domain:<16} {outcome.confidence:5.2f}  {head}{expert}")
