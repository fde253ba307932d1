"""A decision and its explanation as JSON documents: what `route --json` prints and what the status page shows."""

from typing import Any

from ridgeway.explanation import Explanation, Segment
from ridgeway.routing import Decision


def decision_document(decision: Decision) -> dict[str, Any]:
    """A decision as data."""
    expert = decision.expert
    return {
        "domain": decision.domain,
        "confidence": round(decision.confidence, 6),
        "votes": decision.votes,
        "expert": {"owner": expert.owner, "url": expert.url, "model": expert.model} if expert else None,
        "router_version": decision.router_version,
        "fallback": decision.fallback,
    }


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """An explanation as data; shares of the chosen domain and of the runner-up."""
    winner, second = places(explanation)
    return {
        "runner_up": explanation.runner_up,
        "bias": pair(explanation.bias.tolist(), winner, second),
        "segments": [
            {
                "text": segment.text,
                "start": segment.start,
                "stop": segment.stop,
                "kept": segment.kept,
                "speaks_for": explanation.domains[leaning(segment)],
                "share": pair(segment.shares.tolist(), winner, second),
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


def places(explanation: Explanation) -> tuple[int, int | None]:
    """Where the chosen domain and the runner-up stand among the domains."""
    runner_up = explanation.runner_up
    return (
        explanation.domains.index(explanation.decision.domain),
        None if runner_up is None else explanation.domains.index(runner_up),
    )


def pair(shares: list[float], winner: int, second: int | None) -> dict[str, float | None]:
    """The shares of the chosen domain and of the runner-up."""
    return {"chosen": shares[winner], "runner_up": None if second is None else shares[second]}


def leaning(segment: Segment) -> int:
    """The domain that a segment speaks for: its first token's vote, or else the one it adds most to."""
    votes = [token.vote for token in segment.tokens if token.vote is not None]
    return votes[0] if votes else int(segment.shares.argmax())
