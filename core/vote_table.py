"""The vote table: for each vocabulary entry the domain it votes for and how sure it is, derived from W once.

A token's vote depends on the token alone, so routing is a look-up (DESIGN section 2).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError

# Vocabulary entries scored at a time: 8,192 rows of 4,096 doubles are 268 MB at most, 25 MB for the built-in embedder.
_BLOCK_ROWS = 8192


class EmbedderMismatch(RidgewayError):
    """A router for rows of another length."""


@dataclass(frozen=True, slots=True, eq=False)
class VoteTable:
    """Votes of a vocabulary of V entries over K domains.

    Attributes:
        votes: int64[V], the domain with the largest score; the smaller index of equals.
        entropies: float64[V], Shannon entropy in nats of the softmax of the scores.
        ranks: int64[V], the place of each entry in the order of ascending entropy, then ascending id; entries that
            never vote come last.
        voters: how many entries may vote; ranks below it do.
    """

    votes: npt.NDArray[np.int64] = field(repr=False)
    entropies: npt.NDArray[np.float64] = field(repr=False)
    ranks: npt.NDArray[np.int64] = field(repr=False)
    voters: int

    @classmethod
    def build(cls, weights: npt.NDArray[np.float64], embedder: Embedder) -> "VoteTable":
        """Score every vocabulary entry with W (float64, D x K), in float64.

        Raises:
            EmbedderMismatch: W has not one row for each embedding dimension and the bias.
        """
        votes = np.empty(embedder.vocabulary_size, dtype=np.int64)
        entropies = np.empty(embedder.vocabulary_size, dtype=np.float64)
        for start, scores in score_blocks(weights, embedder):
            votes[start : start + len(scores)] = scores.argmax(axis=1)
            entropies[start : start + len(scores)] = softmax_entropy(scores)
        silent = np.zeros(embedder.vocabulary_size, dtype=bool)
        silent[embedder.special_ids] = True
        order = np.lexsort((entropies, silent))
        ranks = np.empty_like(votes)
        ranks[order] = np.arange(order.size)
        return cls(votes, entropies, ranks, int(order.size - silent.sum()))


def score_blocks(weights: npt.NDArray[np.float64], embedder: Embedder) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """The scores of the whole vocabulary by block: first id and float64, block x K.

    Raises:
        EmbedderMismatch: W has not one row for each embedding dimension and the bias.
    """
    if weights.shape[0] != embedder.dimension + 1:
        raise EmbedderMismatch(
            f"the router is for rows of {weights.shape[0]}, this embedder makes rows of {embedder.dimension + 1}; "
            "use the embedder that the manifest names"
        )
    for start, rows in embedder.blocks(_BLOCK_ROWS):
        yield start, rows @ weights[:-1] + weights[-1]


def softmax_entropy(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shannon entropy in nats of the softmax of each row: log Z - E[shifted score]; float64, one for each row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    partition = exponentials.sum(axis=1)
    entropy: npt.NDArray[np.float64] = np.log(partition) - (exponentials * shifted).sum(axis=1) / partition
    return entropy
