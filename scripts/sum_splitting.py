"""Whose share of a sum is whose: from a sum of histograms, each divided by its public number of rows, to its parts.

Under mass 1 an owner with n rows adds count / n. Fractions with different denominators are a code: s = sum of c_k / n_k
has, up to the precision to which s is known, few solutions in whole numbers, for rare tokens one.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

# Combinations of one half of the owners; above it a token occurs too often to be told apart anyway.
_COMBINATIONS_MAX = 2_000_000


def even_shares(total: npt.NDArray[np.float64], rows: Sequence[int]) -> npt.NDArray[np.int64]:
    """The counts if every owner used every token equally often, round(total / K * rows), int64, K x V."""
    guess: npt.NDArray[np.int64] = np.rint(np.outer(rows, total) / len(rows)).astype(np.int64)
    return guess


def split(total: npt.NDArray[np.float64], rows: Sequence[int], precision: float) -> npt.NDArray[np.int64]:
    """Every owner's counts, int64, K x V: the solution nearest to even shares, and even shares where there is none.

    Args:
        total: the sum of the owners' count / rows, float64[V].
        rows: each owner's number of rows.
        precision: to which `total` is known.
    """
    counts = even_shares(total, rows)
    for token in np.flatnonzero(total):
        found = decompositions(float(total[token]), rows, precision)
        if len(found):
            distances = np.square(found - counts[:, token]).sum(axis=1)
            counts[:, token] = found[int(np.argmin(distances))]
    return counts


def decompositions(value: float, rows: Sequence[int], precision: float) -> npt.NDArray[np.int64]:
    """All whole numbers c with |sum of c_k / rows_k - value| <= precision, int64, n x K; none if too many to try.

    The owners are halved, and every combination of one half looks for the rest among those of the other.
    """
    most = [int((value + precision) * n) for n in rows]
    order = np.argsort(most)
    halves = [order[0::2], order[1::2]]
    sizes = [tuple(most[k] + 1 for k in half) for half in halves]
    if max(prod(size) for size in sizes) > _COMBINATIONS_MAX:
        return np.zeros((0, len(rows)), dtype=np.int64)
    near, far = (_sums(size, [rows[k] for k in half]) for size, half in zip(sizes, halves, strict=True))
    sorting = np.argsort(far)
    first, end = (np.searchsorted(far[sorting], value - near + d) for d in (-precision, precision))
    left = np.repeat(np.arange(near.size), end - first)
    right = [sorting[start:stop] for start, stop in zip(first[end > first], end[end > first], strict=True)]
    found = np.zeros((left.size, len(rows)), dtype=np.int64)
    if left.size:
        found[:, halves[0]] = np.stack(np.unravel_index(left, sizes[0]), axis=1)
        found[:, halves[1]] = np.stack(np.unravel_index(np.concatenate(right), sizes[1]), axis=1)
    return found


def _sums(size: tuple[int, ...], rows: Sequence[int]) -> npt.NDArray[np.float64]:
    """The sum of c_k / rows_k for every combination of c_k < size_k, in C order."""
    sums = np.zeros(1, dtype=np.float64)
    for most, n in zip(size, rows, strict=True):
        sums = np.add.outer(sums, np.arange(most) / n).ravel()
    return sums
