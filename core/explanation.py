"""Why a prompt goes where it goes: what each of its tokens adds, at the very text that the token came from.

Tokenisers cut bytes or normalised text, so a token's own string is not what the reader wrote. The tokeniser's offsets
lead back to the prompt: tokens that share a character (the bytes of an emoji, a letter and its accent) form one
segment, and segments with the gaps between them are the prompt, character by character.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from ridgeway.feature_map import Router
from ridgeway.routing import Decision, TokenView


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the prompt and the tokens that it became.

    Attributes:
        text: the prompt's characters from `start` to `stop`; empty for tokens that the tokeniser put in by itself.
        start: first character.
        stop: one past the last.
        tokens: what they add.
    """

    text: str
    start: int
    stop: int
    tokens: tuple[TokenView, ...]

    @property
    def kept(self) -> bool:
        """Whether one of the tokens counts in the decision."""
        return any(token.kept for token in self.tokens)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """What the tokens together add to each domain's evidence, float64[K]."""
        total: npt.NDArray[np.float64] = np.sum([token.shares for token in self.tokens], axis=0)
        return total


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and what each token adds to it.

    Attributes:
        prompt: the prompt.
        decision: where it goes.
        domains: the K domains, in the order of the shares.
        segments: in the order of the prompt; gaps between them (white space) became no token.
        bias: what every prompt starts with, float64[K]; the shares and the bias add up to the evidence: shares of the
            votes, mean scores, or pooled scores.
        runner_up: the domain with the next most evidence; None if there is one domain only.
    """

    prompt: str
    decision: Decision
    domains: tuple[str, ...]
    segments: tuple[Segment, ...]
    bias: npt.NDArray[np.float64] = field(repr=False)
    runner_up: str | None

    @property
    def evidence(self) -> npt.NDArray[np.float64]:
        """What the decision was made from, float64[K]."""
        total: npt.NDArray[np.float64] = np.sum([segment.shares for segment in self.segments], axis=0) + self.bias
        return total


def explain(router: Router, prompt: str, top_k: int | None = None) -> Explanation:
    """Decide about a prompt and say why.

    Raises:
        NoKnownToken: the prompt is empty or has no known token.
        NoTokenVotes: `top_k` was given to a router without votes.
        UnreadablePrompt: it is no text.
    """
    decision = router.route(prompt, top_k)
    encoding = router.embedder.tokenizer.encode(prompt, add_special_tokens=False)
    views, bias = router.view(encoding.ids, top_k)
    segments = _segments(prompt, encoding.offsets, views)
    domains = router.router.domains
    evidence = np.sum([view.shares for view in views], axis=0) + bias
    others = [place for place in np.argsort(-evidence, kind="stable").tolist() if domains[place] != decision.domain]
    return Explanation(prompt, decision, domains, segments, bias, domains[others[0]] if others else None)


def _segments(prompt: str, offsets: Sequence[tuple[int, int]], views: Sequence[TokenView]) -> tuple[Segment, ...]:
    """Join tokens whose characters overlap; one without characters of its own goes with the one after it."""
    groups: list[tuple[int, int, list[TokenView]]] = []
    waiting: list[TokenView] = []
    for (start, stop), view in sorted(zip(offsets, views, strict=True), key=lambda pair: pair[0][0]):
        waiting.append(view)
        if start == stop:
            continue
        if groups and start < groups[-1][1]:
            first, last, tokens = groups[-1]
            groups[-1] = (first, max(last, stop), [*tokens, *waiting])
        else:
            groups.append((start, stop, waiting))
        waiting = []
    if waiting:
        groups.append((len(prompt), len(prompt), waiting))
    return tuple(Segment(prompt[start:stop], start, stop, tuple(tokens)) for start, stop, tokens in groups)


def pieces(explanation: Explanation) -> list[tuple[str, Segment | None]]:
    """The whole prompt in order, as text with its segment, or with None for a gap; joined, the texts are the prompt."""
    ends = [0, *(segment.stop for segment in explanation.segments)]
    gaps = [explanation.prompt[end : segment.start] for end, segment in zip(ends, explanation.segments, strict=False)]
    made = chain.from_iterable(
        ((gap, None), (segment.text, segment)) for gap, segment in zip(gaps, explanation.segments, strict=True)
    )
    return [(text, segment) for text, segment in [*made, (explanation.prompt[ends[-1] :], None)] if text or segment]
