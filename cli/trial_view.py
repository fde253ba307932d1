"""What the private hold-outs say of the routers, as data and as tables."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ridgeway.proto import messages as m

# A domain of fewer rows is not to be trusted: its accuracy on real prompts was still rising steeply there.
PROMPTS_TRUSTED = 50
TOKENS_TRUSTED = 2000
VERSIONS_SHOWN = 5


def is_too_small(domain: "m.DomainStatus", feature_map: str) -> bool:
    """Whether a domain has too few rows for its decisions to be trusted."""
    return domain.rows < (PROMPTS_TRUSTED if feature_map == "pooled" else TOKENS_TRUSTED)


def trial_document(trial: "m.RouterTrial") -> dict[str, Any]:
    """The trials of one router version as data."""
    return {
        "router_version": trial.router_version,
        "prompts": trial.prompts,
        "balanced_accuracy": trial.balanced_accuracy,
        "expected_calibration_error": trial.calibration_error,
        "inverse_temperature": trial.inverse_temperature,
        "rule": trial.rule,
        "top_k": trial.top_k,
        "domains": list(trial.domains),
        "confusion": confusion_rows(trial),
    }


def confusion_rows(trial: "m.RouterTrial") -> list[list[int]]:
    """A row for each true domain, a column for each chosen one, and one for prompts that could not be routed."""
    width = len(trial.domains) + 1
    return [list(trial.confusion[start : start + width]) for start in range(0, len(trial.confusion), width)]


def trial_tables(status: "m.FederationStatus") -> list[Any]:
    """The newest router's confusion on the hold-outs, and how accuracy went over versions; nothing without a trial."""
    from rich.table import Table

    if not status.trials:
        return []
    newest = status.trials[0]
    confusion = Table(
        "domain",
        "prompts",
        "accuracy",
        *newest.domains,
        "not routed",
        title=f"hold-outs by true and chosen domain, router {newest.router_version}",
        title_justify="left",
    )
    for place, (domain, row) in enumerate(zip(newest.domains, confusion_rows(newest), strict=True)):
        total = sum(row)
        accuracy = f"{row[place] / total:.1%}" if total else "-"
        confusion.add_row(domain, str(total), accuracy, *(str(n) if n else "·" for n in row))
    history = Table(
        "router", "hold-out prompts", "balanced accuracy", "calibration error", title="routers", title_justify="left"
    )
    for trial in status.trials[:VERSIONS_SHOWN]:
        history.add_row(
            str(trial.router_version),
            f"{trial.prompts:,}",
            f"{trial.balanced_accuracy:.1%}",
            f"{trial.calibration_error:.1%}",
        )
    return [confusion, history]
