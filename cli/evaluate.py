"""`ridgeway eval`: how well would a federation of these domains route?"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ridgeway.cli.command import Command, emit, json_option
from ridgeway.cli.coordinator import ridge_or_auto

if TYPE_CHECKING:
    from ridgeway.evaluation import Evaluation

DIRECTORY = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("eval", cls=Command)
@click.option("--train", required=True, type=DIRECTORY, help="A directory with DOMAIN.jsonl for each domain.")
@click.option("--test", required=True, type=DIRECTORY, help="A directory with the same names, held out.")
@click.option("--domains", help="Only these, separated by commas; all of --train by default.")
@click.option(
    "--embedder", default="builtin", show_default=True, metavar="builtin|DIR|ID", help="Tokeniser and matrix."
)
@click.option(
    "--mass",
    type=click.Choice(["owner", "tokens"]),
    default="owner",
    show_default=True,
    help="Weight of a domain: 1, or its tokens.",
)
@click.option(
    "--ridge",
    type=ridge_or_auto,
    metavar="auto|X",
    help="auto or a positive number; the default of a new federation if not given.",
)
@click.option(
    "--prior-correction", type=click.Choice(["on", "off"]), help="The default of a new federation if not given."
)
@click.option(
    "--features",
    type=click.Choice(["pooled", "tokens"]),
    default="pooled",
    show_default=True,
    help="A row of X for each prompt, or for each token (the paper).",
)
@click.option(
    "--columns", type=click.IntRange(0, 8192), help="Pseudo-random columns of pooled features; 1024 if not given."
)
@click.option("--top-k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many tokens vote.")
@click.option(
    "--rule",
    type=click.Choice(["votes", "scores"]),
    default="votes",
    show_default=True,
    help="Votes of the surest tokens, or the sum of all scores.",
)
@click.option(
    "--compare",
    "compared",
    is_flag=True,
    help="Compare all ways to route with chance, nearest neighbours and classifiers that see all data.",
)
@click.option(
    "--plot",
    "plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --compare: write the figures as PNG and SVG.",
)
@json_option
def evaluate(
    train: Path,
    test: Path,
    domains: str | None,
    embedder: str,
    mass: str,
    features: str,
    columns: int | None,
    ridge: float | str | None,
    prior_correction: str | None,
    top_k: int,
    rule: str,
    compared: bool,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Compute a router from TRAIN as a federation would, in one process, and route TEST with it.

    Each domain is one owner: counted, encoded in fixed point, added, solved. The paper's own setting is --features
    tokens --mass tokens --ridge 0.01 --prior-correction off --top-k 10.
    """
    from ridgeway.cli.evaluation_run import evaluate_directories
    from ridgeway.coordinator.founding import Wishes
    from ridgeway.embedders import load_embedder
    from ridgeway.manifest import FeatureMap, MassRule

    wishes = Wishes(
        mass=MassRule(mass),
        features=FeatureMap(features),
        columns=columns,
        ridge=ridge,
        prior_correction=None if prior_correction is None else prior_correction == "on",
        top_k=top_k,
        rule=rule,
    )
    names = domains.split(",") if domains else sorted(path.stem for path in train.glob("*.jsonl"))
    if plots is not None and not compared:
        raise click.UsageError("--plot draws a comparison; add --compare")
    if compared:
        _compare(train, test, names, embedder, plots, as_json)
        return
    outcome, used = evaluate_directories(train, test, names, load_embedder(embedder), wishes)
    document = evaluation_document(outcome) | {
        "features": features,
        "ridge": used,
        "mass": mass,
        "top_k": top_k if features == "tokens" else None,
        "rule": rule if features == "tokens" else None,
    }
    if as_json:
        emit(document)
    else:
        print_evaluation(outcome)


def _compare(train: Path, test: Path, names: list[str], embedder: str, plots: Path | None, as_json: bool) -> None:
    from ridgeway.cli.comparison_plots import plot
    from ridgeway.cli.comparison_run import accuracy_by_top_k, compare, read_domains
    from ridgeway.cli.comparison_view import comparison_document, print_comparison
    from ridgeway.embedders import load_embedder

    learned, asked, loaded = read_domains(train, names), read_domains(test, names), load_embedder(embedder)
    results = []
    for result in compare(learned, asked, loaded, lambda name: click.echo(f"{name} ...", err=True)):
        results.append(result)
        if as_json:
            emit(comparison_document(result))
    if not as_json:
        print_comparison(results)
    if plots is not None:
        for file in plot(plots, results, accuracy_by_top_k(learned, asked, loaded)):
            click.echo(f"wrote {file}", err=True)


def evaluation_document(outcome: "Evaluation") -> dict[str, Any]:
    """An evaluation as data."""
    return {
        "balanced_accuracy": outcome.balanced_accuracy,
        "accuracy": outcome.accuracy,
        "per_domain": outcome.per_domain,
        "domains": list(outcome.domains),
        "confusion": outcome.confusion.tolist(),
    }


def print_evaluation(outcome: "Evaluation") -> None:
    """An evaluation as a table: a row for each true domain, a column for each chosen one."""
    from rich.console import Console
    from rich.table import Table

    table = Table("domain", "accuracy", *outcome.domains, "not routed", title="prompts by true and chosen domain")
    for index, domain in enumerate(outcome.domains):
        counts = [str(n) if n else "·" for n in outcome.confusion[index].tolist()]
        table.add_row(domain, f"{outcome.per_domain.get(domain, 0.0):.1%}", *counts)
    Console().print(table)
    click.echo(f"balanced accuracy {outcome.balanced_accuracy:.2%}, accuracy {outcome.accuracy:.2%}")
