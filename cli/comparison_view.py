"""A comparison of routers as data and as a table."""

from collections.abc import Sequence
from typing import Any

from ridgeway.cli.comparison_run import Compared
from ridgeway.evaluation import bootstrap_interval


def comparison_document(result: Compared) -> dict[str, Any]:
    """One method's result as data."""
    if result.evaluation is None:
        return {"method": result.name, "left_out": result.left_out}
    outcome, sent = result.evaluation, result.sent_bytes or {}
    return {
        "method": result.name,
        "balanced_accuracy": outcome.balanced_accuracy,
        "interval_95": list(bootstrap_interval(outcome)),
        "per_domain": outcome.per_domain,
        "domains": list(outcome.domains),
        "confusion": outcome.confusion.tolist(),
        "prompts_per_s": round(result.prompts_per_s, 1),
        "router_bytes": result.router_bytes,
        "sent_bytes": sent,
    }


def print_comparison(results: Sequence[Compared]) -> None:
    """All results as a table, and why a method was left out."""
    from rich.console import Console
    from rich.table import Table

    table = Table("method", title="balanced accuracy on the test prompts", title_justify="left")
    for heading in ("balanced", "95 % interval", "worst domain", "prompts/s", "router", "sent by an owner"):
        table.add_column(heading, justify="right")
    for result in results:
        if result.evaluation is None:
            continue
        low, high = bootstrap_interval(result.evaluation)
        worst = min(result.evaluation.per_domain.items(), key=lambda pair: pair[1])
        sent = sorted((result.sent_bytes or {"": 0}).values())
        table.add_row(
            result.name,
            f"{100 * result.evaluation.balanced_accuracy:.2f}",
            f"{100 * low:.2f} to {100 * high:.2f}",
            f"{worst[0]} {100 * worst[1]:.1f}",
            f"{result.prompts_per_s:,.0f}",
            size(result.router_bytes),
            size(sent[-1]) if sent[0] == sent[-1] else f"{size(sent[0])} to {size(sent[-1])}",
        )
    console = Console()
    console.print(table)
    for result in results:
        if result.left_out:
            console.print(f"left out: {result.name}: {result.left_out}", style="yellow", highlight=False, markup=False)


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
