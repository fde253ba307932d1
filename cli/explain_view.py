"""An explanation for a terminal, and as data."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

    from ridgeway.explanation import Explanation, Segment

# Colours that people with any colour vision tell apart (Okabe and Ito 2008), as near as 256 colours come.
COLOURS = ("dark_orange", "deep_sky_blue1", "green3", "yellow3", "dodger_blue2", "orange_red1", "orchid", "grey70")


def explanation_document(explanation: "Explanation") -> dict[str, Any]:
    """An explanation as data; shares of the chosen domain and of the runner-up."""
    winner, second = places(explanation)
    return {
        "runner_up": explanation.runner_up,
        "bias": _pair(explanation.bias.tolist(), winner, second),
        "segments": [
            {
                "text": segment.text,
                "start": segment.start,
                "stop": segment.stop,
                "kept": segment.kept,
                "share": _pair(segment.shares.tolist(), winner, second),
                "tokens": [
                    {
                        "id": token.token_id,
                        "kept": token.kept,
                        "vote": None if token.vote is None else explanation.domains[token.vote],
                        "entropy": token.entropy,
                    }
                    for token in segment.tokens
                ],
            }
            for segment in explanation.segments
        ],
    }


def places(explanation: "Explanation") -> tuple[int, int | None]:
    """Where the chosen domain and the runner-up stand among the domains."""
    runner_up = explanation.runner_up
    return (
        explanation.domains.index(explanation.decision.domain),
        None if runner_up is None else explanation.domains.index(runner_up),
    )


def _pair(shares: list[float], winner: int, second: int | None) -> dict[str, float | None]:
    return {"chosen": shares[winner], "runner_up": None if second is None else shares[second]}


def leaning(segment: "Segment") -> int:
    """The domain that a segment speaks for: its first token's vote, or else the one it adds most to."""
    votes = [token.vote for token in segment.tokens if token.vote is not None]
    return votes[0] if votes else int(segment.shares.argmax())


def print_explanation(explanation: "Explanation") -> None:
    """The prompt in the colours of the domains its words speak for, then a row for each word."""
    from rich.console import Console

    console = Console()
    console.print(_coloured(explanation))
    console.print(_table(explanation))
    if explanation.bias.any():
        winner, second = places(explanation)
        bias = _pair(explanation.bias.tolist(), winner, second)
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
