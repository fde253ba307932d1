"""The pooled feature map: one row for each prompt (DESIGN section 2).

With the weights w = 1 + log(count) of a prompt's tokens its row is [sum of w E, to unit length | sum of w R / (sqrt(h)
|w|) | 1], where E is the embedding and R the pseudo-random signs. The second block's norm is 1 in expectation, since
E|sum of w R|^2 = h |w|^2; dividing by that instead of the norm itself routes as well (measured) and keeps a token's
share of a score a look-up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ridgeway.embedder import Embedder
from ridgeway.exact_gram import BLOCK_ROWS, ExactGram
from ridgeway.manifest import PooledSettings
from ridgeway.projection import packed_signs, signs
from ridgeway.statistics import DomainStatistics, NoTokens, Sums, Tokenised
from ridgeway.token_run import TokenRun


@dataclass(frozen=True, slots=True)
class WeightedTokens:
    """The distinct tokens of n prompts with their weights.

    Attributes:
        ids: int64, ascending: the ids that occur, special ones excepted.
        weights: float32, sparse n x ids.size: 1 + log(count); the columns of a row ascend.
        known: bool[n]: whether a prompt has a token that the vocabulary knows.
    """

    ids: npt.NDArray[np.int64]
    weights: sparse.csr_matrix = field(repr=False)
    known: npt.NDArray[np.bool_]

    @property
    def norms(self) -> npt.NDArray[np.float64]:
        """The length |w| of each prompt's weights, float64[n]; 1 for a prompt without tokens."""
        weights, starts = self.weights.data.astype(np.float64), self.weights.indptr[:-1]
        squares = np.zeros(starts.size, dtype=np.float64)
        filled = np.diff(self.weights.indptr) > 0
        if filled.any():
            squares[filled] = np.add.reduceat(np.square(weights), starts[filled])
        return np.sqrt(np.where(filled, squares, 1.0))


def weigh(lists: Iterable[Sequence[int]], embedder: Embedder) -> WeightedTokens:
    """Count and weigh the tokens of prompts, given as ids."""
    vocabulary = embedder.vocabulary_size
    tokens, lengths = TokenRun.of(lists)
    keys = np.repeat(np.arange(lengths.size) * vocabulary, lengths) + tokens
    if embedder.special_ids.size:
        special = np.zeros(vocabulary, dtype=np.bool_)
        special[embedder.special_ids] = True
        keys = keys[~special[tokens]]
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    prompt, token = np.divmod(keys[first], vocabulary)
    counts = np.diff(first, append=keys.size)
    known = np.zeros(lengths.size, dtype=np.bool_)
    known[prompt if embedder.unknown_id is None else prompt[token != embedder.unknown_id]] = True
    ids, columns = np.unique(token, return_inverse=True)
    ends = np.concatenate(([0], np.cumsum(np.bincount(prompt, minlength=lengths.size))))
    weights = (1.0 + np.log(counts)).astype(np.float32)
    shape = (lengths.size, ids.size)
    return WeightedTokens(ids, sparse.csr_matrix((weights, columns, ends), shape=shape), known)


def pooled_embedding(tokens: WeightedTokens, embedder: Embedder) -> npt.NDArray[np.float32]:
    """The weighted sums of the tokens' embeddings, float32[n, d], not yet of unit length."""
    pooled: npt.NDArray[np.float32] = tokens.weights @ embedder.rows(tokens.ids)
    return pooled


def lengths_of(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The Euclidean length of each row, float64[n]; 1 where it is zero."""
    # Row by row in one order, so that a length does not depend on what else is in the batch.
    squares = np.square(vectors, dtype=np.float64).sum(axis=1)
    return np.sqrt(np.where(squares > 0, squares, 1.0))


def pooled_rows(tokens: WeightedTokens, embedder: Embedder, settings: PooledSettings) -> npt.NDArray[np.float64]:
    """The rows of X, float64[n, d + h + 1]."""
    pooled = pooled_embedding(tokens, embedder)
    rows = np.ones((pooled.shape[0], embedder.dimension + settings.columns + 1), dtype=np.float64)
    rows[:, : embedder.dimension] = pooled / lengths_of(pooled)[:, None]
    if settings.columns:
        packed = packed_signs(settings.seed, embedder.vocabulary_size, settings.columns)
        scale = np.sqrt(settings.columns) * tokens.norms
        rows[:, embedder.dimension : -1] = (tokens.weights @ signs(packed[tokens.ids])) / scale[:, None]
    return rows


class PooledGram:
    """Adds up the Gram matrix of one domain's pooled rows. Private: it never leaves the owner as it is.

    A row depends on its prompt alone, and the rows are added exactly; so the sum does not depend on their order, nor on
    how they are divided into batches and partitions.
    """

    def __init__(self, embedder: Embedder, settings: PooledSettings) -> None:
        self._embedder = embedder
        self._settings = settings
        self._gram = ExactGram(embedder.dimension + settings.columns + 1)
        self._waiting: list[Sequence[int]] = []

    def add(self, encodings: Iterable[Tokenised]) -> None:
        """Add the rows of a batch of prompts; those without a known token give no row."""
        self._waiting += [encoding.ids for encoding in encodings]
        while len(self._waiting) >= BLOCK_ROWS:
            self._multiply(self._waiting[:BLOCK_ROWS])
            del self._waiting[:BLOCK_ROWS]

    def sums(self) -> Sums:
        """Everything added, so that it can be merged elsewhere."""
        self._multiply(self._waiting)
        self._waiting = []
        return Sums(self._gram.sums(), self._gram.rows)

    def merge(self, sums: Sums) -> None:
        """Add what another accumulator's `sums` were."""
        self._gram.merge(sums.numbers, sums.rows)

    def statistics(self) -> DomainStatistics:
        """The Gram matrix of everything added.

        Raises:
            NoTokens: nothing was.
        """
        self.sums()
        if self._gram.rows == 0:
            raise NoTokens("no prompt of this domain has a token that the embedder knows; check its files and --field")
        return DomainStatistics(self._gram.matrix(), self._gram.rows)

    def _multiply(self, lists: list[Sequence[int]]) -> None:
        tokens = weigh(lists, self._embedder)
        rows = pooled_rows(tokens, self._embedder, self._settings)
        self._gram.add((rows if tokens.known.all() else rows[tokens.known])[:, :-1])
