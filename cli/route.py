"""`ridgeway route`: where does a prompt go?"""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import EXIT_NOT_ROUTED, Command, data_dir_option, emit, json_option

if TYPE_CHECKING:
    from ridgeway.explanation import Explanation
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
@click.option(
    "--top-k", type=click.IntRange(1, 10_000), help="How many tokens vote, where they do; the manifest's by default."
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
    help="What the generalist expert serves that gets unsure prompts; none is nobody.",
)
@click.option(
    "--objective",
    default="accuracy",
    show_default=True,
    metavar="accuracy|cost|latency|W1,W2,W3",
    help="Among experts of nearly tied domains: the likeliest, the cheapest, the quickest, or by weights of the three.",
)
@click.option("--explain", "explained", is_flag=True, help="Show what each token adds to the decision.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE",
    help="Write the explanations as a page to send to a colleague; it holds the prompts.",
)
@json_option
@click.pass_context
def route(
    ctx: click.Context,
    prompt: str | None,
    data_dir: Path,
    file: str | None,
    field: str | None,
    top_k: int | None,
    min_confidence: float,
    fallback: str,
    objective: str,
    explained: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Choose the domain and expert for PROMPT, with the newest router in a node's data directory.

    PROMPT may be "-": the whole of standard input is one prompt. With --file every entry is routed; --json prints one
    object a prompt. No daemon has to run, and nothing leaves this machine. A prompt that goes to the fallback, even to
    nobody, is answered: the exit code is 0.
    """
    from ridgeway.expert_choice import Objective
    from ridgeway.fallback import Fallback
    from ridgeway.node.handover import load_router

    if (prompt is None) == (file is None):
        raise click.UsageError("give either PROMPT or --file FILE")
    router = load_router(data_dir)
    unsure, wished = Fallback.named(router.router, min_confidence, fallback), Objective.parse(objective)
    if prompt is not None:
        text = sys.stdin.read() if prompt == "-" else prompt
        outcomes: Iterable[tuple[str, Decision | NoKnownToken]] = [(text, router.route(text, top_k))]
    else:
        outcomes = _outcomes(router, str(file), field, top_k)
    failed, why = 0, _Explaining(router, top_k, explained or html is not None)
    for number, (text, outcome) in enumerate(outcomes):
        failed += isinstance(outcome, Exception)
        _print_one(
            number, text, wished.applied(unsure.applied(outcome), router), why(text, outcome), as_json, explained
        )
    if html is not None:
        why.write(html)
    if failed:
        click.echo(f"{failed} prompts cannot be routed", err=True)
        ctx.exit(EXIT_NOT_ROUTED)


class _Explaining:
    """Explains decisions where that is wished, and keeps the explanations for a page."""

    def __init__(self, router: "Router", top_k: int | None, wished: bool) -> None:
        self._router, self._top_k, self._wished = router, top_k, wished
        self._made: list[Explanation] = []

    def __call__(self, text: str, outcome: "Decision | NoKnownToken") -> "Explanation | None":
        from ridgeway.explanation import explain

        if not self._wished or isinstance(outcome, Exception):
            return None
        self._made.append(explain(self._router, text, self._top_k))
        return self._made[-1]

    def write(self, path: Path) -> None:
        from ridgeway.cli.explain_page import page
        from ridgeway.runtime.data_dir import write_durably

        try:
            write_durably(path.absolute(), page(self._made).encode())
        except OSError as error:
            raise click.UsageError(f"{path} cannot be written: {error.strerror}") from error


def _outcomes(
    router: "Router", file: str, field: str | None, top_k: int | None
) -> "Iterator[tuple[str, Decision | NoKnownToken]]":
    """Read, tokenise and decide in step; at most two batches are held."""
    from ridgeway.ahead import THREADS, encode_ahead
    from ridgeway.node.prompts import PromptSource, batches, read_prompts

    with ThreadPoolExecutor(max_workers=THREADS) as executor:
        prompts = batches(read_prompts(PromptSource(file, field)))
        for batch, encodings in encode_ahead(prompts, router.embedder, executor.submit):
            yield from zip(batch, router.route_encodings(encodings, top_k), strict=True)


def outcome_document(number: int, outcome: "Decision | NoKnownToken") -> dict[str, Any]:
    """A decision, or why there is none, as data."""
    from ridgeway.proto.decision_document import decision_document

    if isinstance(outcome, Exception):
        return {"index": number, "error": type(outcome).__name__, "message": str(outcome)}
    return {"index": number} | decision_document(outcome)


def _print_one(
    number: int,
    text: str,
    outcome: "Decision | NoKnownToken",
    explanation: "Explanation | None",
    as_json: bool,
    explained: bool,
) -> None:
    from ridgeway.cli.explain_view import print_explanation
    from ridgeway.proto.decision_document import explanation_document

    if as_json:
        why = {"explanation": explanation_document(explanation)} if explanation and explained else {}
        emit(outcome_document(number, outcome) | why)
        return
    head = " ".join(text.split())[:SHOWN_CHARACTERS]
    if isinstance(outcome, Exception):
        click.secho(f"{'-':<16} {'':>5}  {head}  ({outcome})", fg="yellow")
        return
    expert = f"  -> {outcome.expert.model or outcome.expert.url}" if outcome.expert else ""
    unsure = f"  (not sure enough: {'fallback' if outcome.expert else 'nobody'})" if outcome.fallback else ""
    click.echo(f"{outcome.domain:<16} {outcome.confidence:5.2f}  {head}{expert}{unsure}")
    if explanation and explained:
        print_explanation(explanation)
