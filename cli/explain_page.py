"""An explanation as a page to send to a colleague: one file, no outside resources."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ridgeway.proto.decision_document import leaning, places

if TYPE_CHECKING:
    from ridgeway.explanation import Explanation, Segment

# Okabe and Ito 2008; each is a background behind dark text in light and in dark mode.
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#6fa8dc", "#d55e00", "#cc79a7", "#bbbbbb")

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { margin-bottom: 3rem; }
.prompt { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1.1rem; }
mark { color: #111; border-radius: 3px; padding: 0 1px; }
mark.out { background: none; color: inherit; opacity: .55; }
table { border-collapse: collapse; }
td, th { padding: .15rem .8rem .15rem 0; text-align: left; font-variant-numeric: tabular-nums; }
td.text { white-space: pre-wrap; font-family: ui-monospace, monospace; }
.legend span { margin-right: 1rem; white-space: nowrap; }
"""


def page(explanations: "Sequence[Explanation]") -> str:
    """The whole page; everything that came from a prompt or a name is escaped."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    sections = "\n".join(_section(explanation) for explanation in explanations)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>Where prompts go, and why</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Where prompts go, and why</h1>\n{sections}\n</body>\n</html>\n"
    )


def _section(explanation: "Explanation") -> str:
    from ridgeway.explanation import pieces

    decision = explanation.decision
    prompt = "".join(
        escape(text) if segment is None else _mark(explanation, segment) for text, segment in pieces(explanation)
    )
    return (
        f"<section>\n<h2>{escape(decision.domain)}</h2>\n"
        f"<p>confidence {decision.confidence:.3f}, router {decision.router_version}</p>\n"
        f'<p class="prompt">{prompt}</p>\n{_legend(explanation)}\n{_table(explanation)}\n</section>'
    )


def _mark(explanation: "Explanation", segment: "Segment") -> str:
    place = leaning(segment)
    title = f"{explanation.domains[place]}: {_numbers(explanation, segment)}"
    look = f'style="background:{_COLOURS[place % len(_COLOURS)]}"' if segment.kept else 'class="out"'
    return f'<mark {look} title="{escape(title)}">{escape(segment.text)}</mark>'


def _legend(explanation: "Explanation") -> str:
    spoken_for = sorted({leaning(segment) for segment in explanation.segments if segment.kept})
    entries = "".join(
        f'<span><mark style="background:{_COLOURS[place % len(_COLOURS)]}">{escape(explanation.domains[place])}</mark>'
        "</span>"
        for place in spoken_for
    )
    return f'<p class="legend">speaks for: {entries}</p>'


def _table(explanation: "Explanation") -> str:
    rows = "\n".join(
        f'<tr><td>{"kept" if segment.kept else ""}</td><td class="text">{escape(segment.text)}</td>'
        f"<td>{escape(explanation.domains[leaning(segment)])}</td>"
        f"<td>{escape(_numbers(explanation, segment))}</td></tr>"
        for segment in explanation.segments
    )
    heads = "".join(f"<th>{head}</th>" for head in ("", "text", "speaks for", "how much"))
    return f"<details><summary>every token</summary><table><tr>{heads}</tr>\n{rows}</table></details>"


def _numbers(explanation: "Explanation", segment: "Segment") -> str:
    entropies = [f"entropy {token.entropy:.3f}" for token in segment.tokens if token.entropy is not None]
    if entropies:
        return ", ".join(entropies)
    winner, second = places(explanation)
    shares = segment.shares.tolist()
    beside = "" if second is None else f", {shares[second]:+.3f} to {explanation.runner_up}"
    return f"{shares[winner]:+.3f} to {explanation.decision.domain}{beside}"
