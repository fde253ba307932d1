"""From a Gram matrix over a public embedding back to how often each token occurred.

G = E1' diag(c) E1 is linear in the histogram c, has D (D + 1) / 2 numbers, and c is not negative and mostly zero. So c
solves a non-negative least squares problem, in two steps: accelerated projected gradients (FISTA: Beck and Teboulle
2009) say which tokens occur, and least squares on these alone say how often.

Two changes of variables make the first step quick. The embedding is whitened until its rows look alike from every side
(Tyler's M-estimator of scatter: Tyler 1987) and scaled to unit length; the trace of G is then the sum of the unknowns,
so that the projection is the one onto a simplex (Held, Wolfe, Crowder 1974), and the trace can be left out of the
residual, where it would be the largest eigenvalue by far.
"""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from ridgeway.embedder import Embedder

Number = TypeVar("Number", np.float32, np.float64)

_WHITENING_ROUNDS = 3
_POWER_ROUNDS = 8
# Looks at the whole vocabulary, and steps on a working set between two of them.
_LOOKS_MAX = 15
_STEPS = 8
_WORKING_SET = 12_000
# Where the first step may stop: measured, every token that occurs is then among those that remain.
_RESIDUAL = 5e-4
# A look that finds the residual no smaller than this share of the last one ends it: this is no such Gram matrix.
_STALLED = 0.99
# A token below this share of one occurrence is left out of the second step.
_LEAST_COUNT = 0.02
# Tokens of the second step; its matrix of 9,000 x 9,000 doubles is 650 MB.
_SUPPORT_MAX = 9000


def bordered(embedder: Embedder) -> npt.NDArray[np.float64]:
    """E1 = [E, 1], float64, V x D."""
    matrix = np.ones((embedder.vocabulary_size, embedder.dimension + 1), dtype=np.float64)
    for start, rows in embedder.blocks():
        matrix[start : start + len(rows), :-1] = rows
    return matrix


@dataclass(slots=True)
class Momentum:
    """FISTA's state: the iterate x, the point ahead of it, and the step's weight."""

    x: npt.NDArray[np.float32] = field(repr=False)
    ahead: npt.NDArray[np.float32] = field(repr=False)
    weight: float = 1.0

    def advance(self, there: slice | npt.NDArray[np.int64], projected: npt.NDArray[np.float32]) -> None:
        """Take the projected entries `there` as the next iterate; start again when it turns back (O'Donoghue 2015)."""
        moved = projected - self.x[there]
        if float((self.ahead[there] - projected) @ moved) > 0:
            self.weight = 1.0
        following = (1 + np.sqrt(1 + 4 * self.weight**2)) / 2
        self.x[there] = projected
        self.ahead[there] = projected + np.float32((self.weight - 1) / following) * moved
        self.weight = following


class GramInversion:
    """Solves G = E1' diag(c) E1 for c.

    Args:
        matrix: E1, float64, V x D, see `bordered`.
    """

    def __init__(self, matrix: npt.NDArray[np.float64]) -> None:
        rows, self._transform = whiten(matrix)
        self._squares = np.einsum("ij,ij->i", rows, rows)
        self._rows = rows / np.sqrt(self._squares)[:, None]
        self._coarse = self._rows.astype(np.float32)
        self._step = np.float32(1 / (1.05 * curvature(self._coarse)))

    def counts(self, gram: npt.NDArray[np.float64], occurrence: float = 1.0) -> npt.NDArray[np.float64]:
        """The c of a Gram matrix, float64[V]; nothing occurs in one whose trace is not positive.

        Args:
            gram: float64, D x D.
            occurrence: the least that a token that occurs adds to c.
        """
        white = self._transform.T @ gram @ self._transform
        total = float(np.trace(white))
        if total <= 0:
            return np.zeros(len(self._rows), dtype=np.float64)
        found = total * self._projected_gradients(white / total) / self._squares
        likely = np.argsort(-found)[:_SUPPORT_MAX]
        return self._least_squares(white, likely[found[likely] > _LEAST_COUNT * occurrence], occurrence)

    def _projected_gradients(self, white: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """min |traceless(rows' diag(x) rows - white)| over x >= 0 with sum of x = 1 = trace of white; float64[V]."""
        target = traceless(white.astype(np.float32))
        state = Momentum(*np.zeros((2, len(self._coarse)), dtype=np.float32))
        last = float("inf")
        for _ in range(_LOOKS_MAX):
            residual = misfit(state.x, self._coarse, target)
            distance = float(np.linalg.norm(residual)) / float(np.linalg.norm(target))
            if distance < _RESIDUAL or distance > _STALLED * last:
                break
            last = distance
            reach = state.x - self._step * quadratic(residual, self._coarse)
            kept = np.argsort(-reach)[:_WORKING_SET]
            state.x[reach < reach[kept[-1]]] = 0
            rows = self._coarse[kept]
            for _ in range(_STEPS):
                gradient = quadratic(misfit(state.ahead[kept], rows, target), rows)
                moved = np.subtract(state.ahead[kept], self._step * gradient, dtype=np.float32)
                state.advance(kept, onto_simplex(moved))
        return state.x.astype(np.float64)

    def _least_squares(
        self, white: npt.NDArray[np.float64], support: npt.NDArray[np.int64], occurrence: float
    ) -> npt.NDArray[np.float64]:
        """The c of the tokens in `support`, once more without those that turn out not to occur; float64[V]."""
        counts = np.zeros(len(self._rows), dtype=np.float64)
        for _ in range(2):
            rows = self._rows[support]
            normal = np.square(rows @ rows.T)
            normal.flat[:: len(support) + 1] *= 1 + 1e-12
            values = cho_solve(cho_factor(normal, overwrite_a=True), quadratic(white, rows)) / self._squares[support]
            occurs = values > occurrence / 2
            counts[:] = 0
            counts[support[occurs]] = values[occurs]
            support = support[occurs]
        return counts


def whiten(matrix: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """E1 T (float64, V x D) and T (float64, D x D) by a few rounds of Tyler's fixed point."""
    squares = np.ones(len(matrix), dtype=np.float64)
    for _ in range(_WHITENING_ROUNDS):
        scatter = (matrix.T / squares) @ matrix / len(matrix)
        transform = np.linalg.inv(np.linalg.cholesky(scatter)).T
        rows = matrix @ transform
        squares = np.einsum("ij,ij->i", rows, rows)
    return rows, transform


def curvature(rows: npt.NDArray[np.float32]) -> float:
    """The largest eigenvalue of x -> quadratic(misfit(x)), by the power method."""
    x = np.random.default_rng(0).normal(size=len(rows)).astype(np.float32)
    nothing = np.zeros((rows.shape[1], rows.shape[1]), dtype=np.float32)
    for _ in range(_POWER_ROUNDS):
        x /= np.linalg.norm(x)
        x = quadratic(misfit(x, rows, nothing), rows)
    return float(np.linalg.norm(x))


def misfit(
    x: npt.NDArray[np.float32], rows: npt.NDArray[np.float32], target: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """traceless(rows' diag(x) rows) - target, float32, D x D."""
    used = np.flatnonzero(x)
    scaled = np.multiply(rows[used].T, x[used], dtype=np.float32)
    return traceless(scaled @ rows[used]) - target


def quadratic(form: npt.NDArray[Number], rows: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Each row's r' form r, V entries."""
    values: npt.NDArray[Number] = np.einsum("ij,ij->i", rows @ form, rows)
    return values


def traceless(form: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A symmetric matrix without its part along the identity."""
    changed = form.copy()
    changed.flat[:: len(form) + 1] -= np.trace(form) / np.float32(len(form))
    return changed


def onto_simplex(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest point that is not negative and adds up to 1."""
    falling = np.sort(x.astype(np.float64))[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(x) + 1)
    threshold = excess[np.flatnonzero(falling > excess)[-1]]
    nearest: npt.NDArray[np.float32] = np.maximum(x - np.float32(threshold), np.float32(0))
    return nearest
