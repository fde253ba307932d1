"""What pooled statistics and the router made of them give away: prompts that were guessed, words, means."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from ridgeway.embedder import Embedder
from ridgeway.manifest import PooledSettings
from ridgeway.pooled import pooled_rows, weigh
from ridgeway.projection import packed_signs, signs

# What fixed point with 36 fraction bits adds to eigenvalues, at most; for a few contributions of some thousand columns.
_ROUNDING = 2.0**-30
_BLOCK_ROWS = 2048


def rows_of(prompts: Sequence[str], embedder: Embedder, settings: PooledSettings) -> npt.NDArray[np.float64]:
    """The pooled rows of prompts with a known token, float64, n x D."""
    tokens = weigh([encoding.ids for encoding in embedder.encode_batch(prompts)], embedder)
    return pooled_rows(tokens, embedder, settings)[tokens.known]


def range_of(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """An orthonormal basis of the rows that a Gram matrix was made of, float64, D x rank."""
    values, vectors = np.linalg.eigh(gram)
    basis: npt.NDArray[np.float64] = vectors[:, values > _ROUNDING]
    return basis


def recognised(gram: npt.NDArray[np.float64], rows: npt.NDArray[np.float64], weight: float) -> npt.NDArray[np.bool_]:
    """Which guessed rows (float64, n x D) a Gram matrix may have been made of, bool[n].

    If G has weight * x x' among its terms then weight * x' G^-1 x <= 1 (G - weight * x x' has no negative eigenvalue).
    With fewer rows than columns hardly any other row does; with many more, nearly every row does.
    """
    factor = cho_factor(gram + _ROUNDING * np.eye(len(gram)))
    leverages = weight * np.einsum("ij,ji->i", rows, cho_solve(factor, rows.T))
    possible: npt.NDArray[np.bool_] = leverages <= 1
    return possible


def tokens_by_likelihood(
    gram: npt.NDArray[np.float64], embedder: Embedder, settings: PooledSettings
) -> npt.NDArray[np.int64]:
    """The vocabulary, those tokens first whose signs lie most within the range of the pseudo-random block; int64[V]."""
    block = slice(embedder.dimension, embedder.dimension + settings.columns)
    basis = range_of(gram[block, block]).astype(np.float32)
    packed = packed_signs(settings.seed, embedder.vocabulary_size, settings.columns)
    within = [
        np.square(signs(packed[start : start + _BLOCK_ROWS]) @ basis).sum(axis=1)
        for start in range(0, embedder.vocabulary_size, _BLOCK_ROWS)
    ]
    return np.argsort(-np.concatenate(within))


def moments_from(a: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], ridge: float) -> npt.NDArray[np.float64]:
    """B = (A + ridge I) W, float64, D x K: exact with the federation's A, a guess with that of other prompts.

    The prior correction moved each bias by some number; the last row of B, which is the mass 1, says by which.
    """
    regularised = a + ridge * np.eye(len(a))
    moments: npt.NDArray[np.float64] = regularised @ weights
    moments += np.outer(regularised[:, -1], (1 - moments[-1]) / regularised[-1, -1])
    return moments


def likeness(guess: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    """The mean cosine between the columns of two D x K matrices, each without the columns' mean."""
    centred = [matrix - matrix.mean(axis=1, keepdims=True) for matrix in (guess, truth)]
    unit = [matrix / np.linalg.norm(matrix, axis=0) for matrix in centred]
    return float(np.einsum("ij,ij->j", *unit).mean())
