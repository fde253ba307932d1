"""What the private hold-outs say of the routers, as tables."""

from typing import TYPE_CHECKING, Any

from ridgeway.proto.status_document import confusion_rows

if TYPE_CHECKING:
    from ridgeway.proto import messages as m

VERSIONS_SHOWN = 5


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
