"""Where a prompt goes: token votes of lowest entropy (the paper), or the sum of all token scores (DESIGN section 2).

One prompt is routed over plain Python lists and a batch over numpy arrays, since a prompt of fifty tokens is too short
for numpy to pay; both give the same decisions to the bit, which the tests hold against a dense oracle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from ridgeway.calibration import softmax
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import DecisionRule, RoutingSettings
from ridgeway.router import Expert, RouterWeights, served_by
from ridgeway.token_run import TokenRun
from ridgeway.vote_table import VoteTable, score_blocks, softmax_entropy

# Of n prompts: the winner's index (int64[n]; -1: no known token), its confidence (float64[n]), votes (float64, n x K).
Outcomes = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


class NoKnownToken(RidgewayError):
    """A prompt that says nothing to the router."""


class Decision(NamedTuple):
    """Where a prompt goes, and why.

    Attributes:
        domain: the chosen domain.
        confidence: in [0, 1]; the chance of being right that the hold-outs taught. Before there are any, under `votes`
            the winner's share of the kept votes, otherwise the softmax of the scores.
        votes: for each domain its kept votes, or under `scores` its mean score, under pooled features its score.
        expert: who serves the domain; None if nobody does.
        router_version: the router that decided.
        fallback: whether the router was not sure enough, so that `expert` is the generalist, or nobody.
    """

    domain: str
    confidence: float
    votes: dict[str, float]
    expert: Expert | None
    router_version: int
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class TokenView:
    """What one token of a prompt adds to the decision.

    Attributes:
        token_id: its id.
        kept: whether it counts: among the votes that were kept, or at all.
        shares: what it adds to each domain's evidence, float64[K].
        vote: the domain it votes for, by index; None where tokens do not vote, or for one that never does.
        entropy: of the softmax of its scores, in nats; None likewise.
    """

    token_id: int
    kept: bool
    shares: npt.NDArray[np.float64]
    vote: int | None = None
    entropy: float | None = None


def refusal() -> NoKnownToken:
    """Why a prompt cannot be routed."""
    return NoKnownToken("the prompt has no token that the embedder knows; send a prompt with words in it")


class TokenRouter:
    """A router with its embedder, ready to decide.

    Immutable; a new router version is a new TokenRouter. Building it scores the whole vocabulary once.
    """

    def __init__(self, router: RouterWeights, embedder: Embedder, settings: RoutingSettings) -> None:
        self.router = router
        self.embedder = embedder
        self.settings = settings
        self._domains = router.domains
        # -1 is no id, so a tokeniser without an unknown token needs no case of its own.
        self._unknown = -1 if embedder.unknown_id is None else embedder.unknown_id
        self._unknown_rank = -1
        self._experts = served_by(router.experts)
        if settings.rule is DecisionRule.VOTES:
            self._prepare_votes(VoteTable.build(router.weights, embedder))

    def _prepare_votes(self, table: VoteTable) -> None:
        order = np.argsort(table.ranks)
        self._ranks = table.ranks
        self._voters = table.voters
        self._vote_by_rank = table.votes[order]
        self._entropy_by_rank = table.entropies[order]
        # Plain lists for the path of one prompt: indexing an array from Python costs ten times as much.
        self._rank_of = table.ranks.tolist().__getitem__
        if self._unknown >= 0:
            self._unknown_rank = self._rank_of(self._unknown)
        self._vote_list: list[int] = self._vote_by_rank.tolist()
        self._entropy_list: list[float] = self._entropy_by_rank.tolist()

    @cached_property
    def _scores(self) -> npt.NDArray[np.float64]:
        """Scores of the vocabulary, float64, V x (K + 2).

        The last two columns count what votes, so special tokens weigh nothing, and what is known.
        """
        table = np.ones((self.embedder.vocabulary_size, len(self._domains) + 2), dtype=np.float64)
        for start, scores in score_blocks(self.router.weights, self.embedder):
            table[start : start + len(scores), :-2] = scores
        table[self.embedder.special_ids] = 0.0
        if self._unknown >= 0:
            table[self._unknown, -1] = 0.0
        return table

    def with_settings(self, settings: RoutingSettings) -> "TokenRouter":
        """The same router under other settings."""
        return self if settings == self.settings else TokenRouter(self.router, self.embedder, settings)

    def route(self, prompt: str, top_k: int | None = None) -> Decision:
        """Decide about one prompt; `top_k` overrides the settings'.

        Raises:
            NoKnownToken: the prompt is empty or has no known token.
        """
        ids = self.embedder.encode(prompt)
        if self.settings.rule is DecisionRule.SCORES:
            # reduceat adds in the order in which a batch does; a plain sum would differ in the last bit.
            sums = np.add.reduceat(self._scores[ids], [0], axis=0) if ids else np.zeros((1, len(self._domains) + 2))
            (outcome,) = decisions(self.router, self._experts, self._calibrated(_by_scores(sums)))
            if isinstance(outcome, NoKnownToken):
                raise outcome
            return outcome
        kept = sorted(map(self._rank_of, ids))[: top_k or self.settings.top_k]
        while kept and kept[-1] >= self._voters:
            kept.pop()
        if not kept or (kept[0] == kept[-1] == self._unknown_rank and not self._knows_any(ids)):
            raise refusal()
        votes = [0.0] * len(self._domains)
        for rank in kept:
            votes[self._vote_list[rank]] += 1.0
        most = max(votes)
        winner = votes.index(most)
        if votes.count(most) > 1:
            winner = self._break_tie(kept, votes, most)
        confidence = most / len(kept)
        if self.router.calibration is not None:
            confidence = float(self.router.calibration.confidence(self._evidence(np.array([votes])))[0])
        domain = self._domains[winner]
        by_domain = dict(zip(self._domains, votes, strict=True))
        return Decision(domain, confidence, by_domain, self._experts.get(domain), self.router.version)

    def _knows_any(self, ids: list[int]) -> bool:
        return any(i != self._unknown and self._rank_of(i) < self._voters for i in set(ids))

    def _break_tie(self, kept: list[int], votes: list[float], most: float) -> int:
        """The smaller summed entropy, then the smaller domain index."""
        entropy = [0.0] * len(votes)
        for rank in kept:
            entropy[self._vote_list[rank]] += self._entropy_list[rank]
        return min((entropy[i], i) for i in range(len(votes)) if votes[i] == most)[1]

    def route_batch(self, prompts: Sequence[str], top_k: int | None = None) -> list[Decision | NoKnownToken]:
        """Decide about many prompts, in their order; one that cannot be routed stands as its error."""
        return self.route_encodings(self.embedder.encode_batch(prompts), top_k)

    def route_encodings(self, encodings: Sequence[Encoding], top_k: int | None = None) -> list[Decision | NoKnownToken]:
        """Decide about prompts that are tokenised already."""
        if not encodings:
            return []
        lists = (encoding.ids for encoding in encodings)
        return decisions(self.router, self._experts, self._outcomes(lists, top_k or self.settings.top_k))

    def decide(
        self, lists: Sequence[Sequence[int]], way: RoutingSettings
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The winners of prompts given as token ids, decided in some way, and the evidence.

        Returns:
            int64[n] (-1: no known token), and float64, n x K: shares of the kept votes, or mean scores.
        """
        if way.rule is not self.settings.rule:
            return self.with_settings(way).decide(lists, way)
        winners, _, votes = self._outcomes(lists, way.top_k)
        return winners, self._evidence(votes)

    def probabilities(self, decision: Decision) -> dict[str, float]:
        """The chance of each domain, in the order of the domains; before there are hold-outs its share of the votes."""
        evidence = self._evidence(np.array([list(decision.votes.values())]))
        if self.router.calibration is not None:
            evidence = self.router.calibration.probabilities(evidence)
        elif self.settings.rule is DecisionRule.SCORES:
            evidence = softmax(evidence)
        return dict(zip(self._domains, evidence[0].tolist(), strict=True))

    def view(self, ids: Sequence[int], top_k: int | None = None) -> tuple[list[TokenView], npt.NDArray[np.float64]]:
        """What each token adds to the evidence, and what every prompt starts with: nothing; float64[K]."""
        domains = len(self._domains)
        nothing = np.zeros(domains, dtype=np.float64)
        if self.settings.rule is DecisionRule.SCORES:
            rows = self._scores[np.array(ids, dtype=np.int64)]
            counted = max(float(rows[:, -2].sum()), 1.0)
            entropies = softmax_entropy(rows[:, :-2]).tolist()
            return [
                TokenView(i, bool(row[-2]), row[:-2] / counted, int(row[:-2].argmax()), entropy)
                for i, row, entropy in zip(ids, rows, entropies, strict=True)
            ], nothing
        ranks = [self._rank_of(i) for i in ids]
        voting = sorted((rank, place) for place, rank in enumerate(ranks) if rank < self._voters)
        kept = {place for _, place in voting[: top_k or self.settings.top_k]}
        views = []
        for place, (token, rank) in enumerate(zip(ids, ranks, strict=True)):
            if rank >= self._voters:
                views.append(TokenView(token, kept=False, shares=nothing))
                continue
            vote = self._vote_list[rank]
            shares = np.eye(domains)[vote] / len(kept) if place in kept else nothing
            views.append(TokenView(token, place in kept, shares, vote, self._entropy_list[rank]))
        return views, nothing

    def _evidence(self, votes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if self.settings.rule is DecisionRule.SCORES:
            return votes
        shares: npt.NDArray[np.float64] = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1.0)
        return shares

    def _outcomes(self, lists: Iterable[Sequence[int]], top_k: int) -> Outcomes:
        ids, lengths = TokenRun.of(lists)
        match self.settings.rule:
            case DecisionRule.VOTES:
                outcomes = self._vote(ids, lengths, top_k)
            case DecisionRule.SCORES:
                outcomes = self._sum_scores(ids, lengths)
            case _:
                assert_never(self.settings.rule)
        return self._calibrated(outcomes)

    def _calibrated(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes with the confidence that the hold-outs taught, if they did."""
        winners, confidence, votes = outcomes
        if self.router.calibration is not None:
            confidence = self.router.calibration.confidence(self._evidence(votes))
        return winners, confidence, votes

    def _vote(self, ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], top_k: int) -> Outcomes:
        """Winner, confidence and votes of n prompts given as one run of tokens.

        Ranks are unique for each vocabulary entry, so one sort of (prompt, rank) keys orders every prompt's tokens.
        """
        count, domains = lengths.size, len(self._domains)
        vocabulary = self._ranks.size
        owner = np.repeat(np.arange(count), lengths)
        ranks = self._ranks[ids]
        known = np.bincount(owner[(ids != self._unknown) & (ranks < self._voters)], minlength=count)
        keys = owner * vocabulary + ranks
        keys.sort()
        starts = np.cumsum(lengths) - lengths
        kept = np.arange(keys.size) - starts[owner] < top_k
        prompt, rank = np.divmod(keys[kept], vocabulary)
        voting = rank < self._voters
        prompt, rank = prompt[voting], rank[voting]
        cells = prompt * domains + self._vote_by_rank[rank]
        votes = np.bincount(cells, minlength=count * domains).reshape(count, domains).astype(np.float64)
        entropy = np.bincount(cells, self._entropy_by_rank[rank], count * domains).reshape(count, domains).astype(float)
        most = votes.max(axis=1)
        entropy[votes < most[:, None]] = np.inf
        winners = np.where(known > 0, entropy.argmin(axis=1), -1)
        return winners, most / np.maximum(votes.sum(axis=1), 1.0), votes

    def _sum_scores(self, ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Outcomes:
        """See `_by_scores`, for n prompts given as one run of tokens."""
        starts = np.cumsum(lengths) - lengths
        sums = np.zeros((lengths.size, len(self._domains) + 2), dtype=np.float64)
        filled = lengths > 0
        if filled.any():
            sums[filled] = np.add.reduceat(self._scores[ids], starts[filled], axis=0)
        return _by_scores(sums)


def decisions(
    router: RouterWeights, experts: Mapping[str, Expert], outcomes: Outcomes
) -> list[Decision | NoKnownToken]:
    """What came of prompts, in their order; one that cannot be routed stands as its error."""
    domains, version = router.domains, router.version
    served = [experts.get(domain) for domain in domains]
    return [
        Decision(domains[winner], sure, dict(zip(domains, row, strict=True)), served[winner], version)
        if winner >= 0
        else refusal()
        for winner, sure, row in zip(*(column.tolist() for column in outcomes), strict=True)
    ]


def _by_scores(sums: npt.NDArray[np.float64]) -> Outcomes:
    """Decide by the largest mean score, from n rows of summed scores and the two counts behind them."""
    means = sums[:, :-2] / np.maximum(sums[:, -2:-1], 1.0)
    likelihood = np.exp(means - means.max(axis=1, keepdims=True))
    confidence = likelihood.max(axis=1) / likelihood.sum(axis=1)
    return np.where(sums[:, -1] > 0, means.argmax(axis=1), -1), confidence, means
