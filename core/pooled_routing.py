"""Where a prompt goes under the `pooled` feature map: one row, one product, the largest score (DESIGN section 2).

Scores are sums over tokens, so two tables over the vocabulary, made once, replace the product with W: E W_1 for the
embedding and R W_2 / sqrt(h) for the pseudo-random block. A prompt costs the gather of its tokens' table rows and
embeddings; the latter only for their length.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from ridgeway.calibration import Calibration
from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import PooledSettings
from ridgeway.pooled import WeightedTokens, lengths_of, pooled_embedding, weigh
from ridgeway.projection import packed_signs, signs
from ridgeway.router import RouterWeights, served_by
from ridgeway.routing import Decision, NoKnownToken, TokenView, decisions
from ridgeway.vote_table import EmbedderMismatch

# Vocabulary entries whose table rows are made at a time: 2,048 x 1,024 signs are 8 MB.
_BLOCK_ROWS = 2048


class NoTokenVotes(RidgewayError):
    """A number of voting tokens for a router without votes."""


class PooledRouter:
    """A router with its embedder, ready to decide.

    Immutable; a new router version is a new PooledRouter. Building it scores the whole vocabulary once.

    Raises:
        EmbedderMismatch: W has not one row for each column of X.
    """

    def __init__(self, router: RouterWeights, embedder: Embedder, settings: PooledSettings) -> None:
        self.router = router
        self.embedder = embedder
        self._experts = served_by(router.experts)
        self._calibration = router.calibration or Calibration()
        dimension = embedder.dimension + settings.columns + 1
        if router.weights.shape[0] != dimension:
            raise EmbedderMismatch(
                f"the router is for rows of {router.weights.shape[0]}, this embedder makes rows of {dimension}; "
                "use the embedder that the manifest names"
            )
        self._tables = _tables(router.weights, embedder, settings)

    def route(self, prompt: str, top_k: int | None = None) -> Decision:
        """Decide about one prompt.

        Raises:
            NoKnownToken: the prompt is empty or has no known token.
            NoTokenVotes: `top_k` was given.
        """
        _refuse_votes(top_k)
        (outcome,) = self._decide([self.embedder.encode(prompt)])
        if isinstance(outcome, NoKnownToken):
            raise outcome
        return outcome

    def route_batch(self, prompts: Sequence[str], top_k: int | None = None) -> list[Decision | NoKnownToken]:
        """Decide about many prompts, in their order; one that cannot be routed stands as its error.

        Raises:
            NoTokenVotes: `top_k` was given.
        """
        return self.route_encodings(self.embedder.encode_batch(prompts), top_k)

    def route_encodings(self, encodings: Sequence[Encoding], top_k: int | None = None) -> list[Decision | NoKnownToken]:
        """Decide about prompts that are tokenised already.

        Raises:
            NoTokenVotes: `top_k` was given.
        """
        _refuse_votes(top_k)
        return self._decide(encoding.ids for encoding in encodings) if encodings else []

    def probabilities(self, decision: Decision) -> dict[str, float]:
        """The chance of each domain, in the order of the domains."""
        chances = self._calibration.probabilities(np.array([list(decision.votes.values())]))[0]
        return dict(zip(self.router.domains, chances.tolist(), strict=True))

    def view(self, ids: Sequence[int], top_k: int | None = None) -> tuple[list[TokenView], npt.NDArray[np.float64]]:
        """What each token adds to the scores, and the bias, float64[K]. Repetitions of a token share what it adds.

        Raises:
            NoTokenVotes: `top_k` was given.
        """
        _refuse_votes(top_k)
        domains, tokens, counts = len(self.router.domains), weigh([ids], self.embedder), Counter(ids)
        table = self._tables[tokens.ids] * tokens.weights.data.astype(np.float64)[:, None]
        length = lengths_of(pooled_embedding(tokens, self.embedder))[0]
        shares = dict(
            zip(tokens.ids.tolist(), table[:, :domains] / length + table[:, domains:] / tokens.norms[0], strict=True)
        )
        nothing = np.zeros(domains, dtype=np.float64)
        views = [TokenView(i, i in shares, shares[i] / counts[i] if i in shares else nothing) for i in ids]
        return views, self.router.weights[-1]

    def scores(self, tokens: WeightedTokens) -> npt.NDArray[np.float64]:
        """The domains' scores of n prompts, float64, n x K."""
        domains = len(self.router.domains)
        sums = tokens.weights @ self._tables[tokens.ids]
        lengths = lengths_of(pooled_embedding(tokens, self.embedder))
        scores: npt.NDArray[np.float64] = sums[:, :domains] / lengths[:, None]
        scores += sums[:, domains:] / tokens.norms[:, None]
        scores += self.router.weights[-1]
        return scores

    def decide(self, lists: Iterable[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The winners of prompts given as token ids, int64[n] (-1: no known token), and the scores, float64, n x K."""
        tokens = weigh(lists, self.embedder)
        scores = self.scores(tokens)
        return np.where(tokens.known, scores.argmax(axis=1), -1), scores

    def _decide(self, lists: Iterable[Sequence[int]]) -> list[Decision | NoKnownToken]:
        winners, scores = self.decide(lists)
        return decisions(self.router, self._experts, (winners, self._calibration.confidence(scores), scores))


def _refuse_votes(top_k: int | None) -> None:
    if top_k is not None:
        raise NoTokenVotes("under pooled features no tokens vote; leave top_k out")


def _tables(weights: npt.NDArray[np.float64], embedder: Embedder, settings: PooledSettings) -> npt.NDArray[np.float64]:
    """[E W_1 | R W_2 / sqrt(h)], float64, V x 2 K."""
    domains = weights.shape[1]
    tables = np.zeros((embedder.vocabulary_size, 2 * domains), dtype=np.float64)
    packed = packed_signs(settings.seed, embedder.vocabulary_size, settings.columns)
    hashed = (weights[embedder.dimension : -1] / np.sqrt(max(settings.columns, 1))).astype(np.float32)
    for start, rows in embedder.blocks(_BLOCK_ROWS):
        block = slice(start, start + len(rows))
        tables[block, :domains] = rows @ weights[: embedder.dimension]
        tables[block, domains:] = signs(packed[block]) @ hashed
    return tables
