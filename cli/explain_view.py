"""An explanation for a terminal."""

from typing import TYPE_CHECKING, Any

from ridgeway.proto.decision_document import leaning, pair, places

if TYPE_CHECKING:
    from rich.text import Text

    from ridgeway.explanation import Explanation, Segment

# Colours that people with any colour vision tell apart (Okabe and Ito 2008), as near as 256 colours come.
COLOURS = ("dark_orange", "deep_sky_blue1", "green3", "yellow3", "dodger_blue2", "orange_red1", "orchid", "grey70")


def print_explanation(explanation: "Explanation") -> None:
    """The prompt in the colours of the domains its words speak for, then a row for each word."""
    from rich.console import Console

    console = Console()
    console.print(_coloured(explanation))
    console.print(_table(explanation))
    if explanation.bias.any():
        winner, second = places(explanation)
        bias = pair(explanation.bias.tolist(), winner, second)
        beside = "" if bias["runner_up"] is None else f", {bias['runner_up']:+.3f} for {explanation.runner_up}"
        console.print(f"bias {bias['chosen']:+.3f} for {explanation.decision.domain}{beside}", highlight=False)


def _coloured(explanation: "Explanation") -> "Text":
    from rich.text import Text

    from ridgeway.explanation import pieces

    text = Text()
    for piece, segment in pieces(explanation):
        if segment is None:
            text.append(piece)
        else:
            colour = COLOURS[leaning(segment) % len(COLOURS)]
            text.append(piece, style=f"bold {colour}" if segment.kept else "dim")
    return text


def _table(explanation: "Explanation") -> Any:
    from rich.table import Table
    from rich.text import Text

    decision, votes = explanation.decision, any(t.vote is not None for s in explanation.segments for t in s.tokens)
    winner, second = places(explanation)
    table = Table(
        "kept", "text", title=f"{decision.domain}, confidence {decision.confidence:.2f}", title_justify="left"
    )
    for name in ("vote", "entropy") if votes else (decision.domain, explanation.runner_up or ""):
        table.add_column(name, justify="left" if name == "vote" else "right")
    for segment in explanation.segments:
        style = COLOURS[leaning(segment) % len(COLOURS)] if segment.kept else "dim"
        row = _vote_cells(explanation, segment) if votes else _share_cells(segment, winner, second)
        table.add_row("*" if segment.kept else "", Text(visible(segment.text)), *row, style=style)
    return table


def _vote_cells(explanation: "Explanation", segment: "Segment") -> list[str]:
    votes = [explanation.domains[t.vote] for t in segment.tokens if t.vote is not None]
    entropies = [f"{t.entropy:.3f}" for t in segment.tokens if t.entropy is not None]
    return [", ".join(votes) or "-", ", ".join(entropies) or "-"]


def _share_cells(segment: "Segment", winner: int, second: int | None) -> list[str]:
    shares = segment.shares.tolist()
    return [f"{shares[winner]:+.3f}", "" if second is None else f"{shares[second]:+.3f}"]


def visible(text: str) -> str:
    """Text for a cell: what would break the line or the terminal shown as its escape, and nothing as a sign for it."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown or "(none)"
