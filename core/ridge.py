"""Router weights from the sums: W = (A + ridge I)^-1 B, and the two steps after it (DESIGN section 2).

The model is a weighted ridge regression: row i of a contribution with `rows` rows and mass m weighs m / rows. With the
rows X, one-hot labels Y and the diagonal of weights O, A = X'OX, B = X'OY, and the masses are the diagonal of Y'OY; so
everything here needs the sums only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from ridgeway.errors import RidgewayError
from ridgeway.manifest import SolverSettings

# Candidates of ridge=auto, relative to the mean eigenvalue of A: from next to no shrinkage to next to nothing else.
_CANDIDATES = np.logspace(-8.0, 2.0, 61)
# What each degree of freedom costs in generalised cross-validation.
_CAUTION = 1.4


class UnsolvableSystem(RidgewayError):
    """Sums from which no router can be solved."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Router weights (float64, D x K) and the ridge they were solved with."""

    weights: npt.NDArray[np.float64] = field(repr=False)
    ridge: float


def solve(
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    masses: npt.NDArray[np.float64],
    rows: Sequence[int],
    settings: SolverSettings,
) -> Solution:
    """Solve for the router weights and apply the steps that the settings name.

    Args:
        a: A, float64, D x D, symmetric.
        b: B, float64, D x K.
        masses: mass of each domain, float64[K].
        rows: rows of X of each domain; only ridge=auto needs them.
        settings: ridge and steps.

    Raises:
        UnsolvableSystem: no domain, or numbers that are not finite.
    """
    if b.shape[1] == 0:
        raise UnsolvableSystem("no domain has a contribution yet; a router needs at least one")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UnsolvableSystem("the sums are not finite; rebuild them from the ledger")
    ridge = chosen_ridge(a, b, masses, rows, settings)
    weights = ridge_regression(a, b, ridge)
    if settings.normalise_columns:
        weights = normalise_columns(weights)
    if settings.prior_correction:
        weights = prior_correction(weights, b / masses)
    return Solution(weights, ridge)


def ridge_regression(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], ridge: float) -> npt.NDArray[np.float64]:
    """(A + ridge I)^-1 B by Cholesky; by eigenvalues if A has lost its definiteness to rounding; D x K."""
    regularised = a.copy(order="F")
    regularised.flat[:: a.shape[0] + 1] += ridge
    _, solution, info = lapack.dposv(regularised, b, lower=1, overwrite_a=1)
    if info == 0:
        return np.ascontiguousarray(solution)
    values, vectors = eigh(a)
    shrunk: npt.NDArray[np.float64] = (vectors.T @ b) / (np.maximum(values, 0.0) + ridge)[:, None]
    weights: npt.NDArray[np.float64] = vectors @ shrunk
    return weights


def chosen_ridge(
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    masses: npt.NDArray[np.float64],
    rows: Sequence[int],
    settings: SolverSettings,
) -> float:
    """The ridge that the settings name: a number, so many pseudo-rows, or what generalised cross-validation picks.

    In a plain sum over n rows a ridge of p is what p further rows would add; in ours, where the rows weigh as much as
    the total mass, that is p (sum of masses) / n with the effective number of rows.
    """
    if settings.pseudo_rows is not None:
        return float(settings.pseudo_rows * masses.sum() / effective_rows(masses, rows))
    return generalised_cross_validation(a, b, masses, rows) if settings.ridge is None else settings.ridge


def effective_rows(masses: npt.NDArray[np.float64], rows: Sequence[int]) -> float:
    """The number of equally weighted rows that say as much as ours (Kish 1965, Survey Sampling).

    A domain of mass m with k rows adds m^2 / k to the sum of squared weights: n = (sum of m)^2 / (sum of m^2 / k).
    """
    return float(masses.sum() ** 2 / np.square(masses).dot(1.0 / np.asarray(rows, dtype=np.float64)))


def generalised_cross_validation(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], masses: npt.NDArray[np.float64], rows: Sequence[int]
) -> float:
    """The ridge r that minimises RSS(r) / (1 - c tr H(r) / n)^2 (Golub, Heath, Wahba 1979, equation 1.4).

    Two changes keep it from choosing next to no ridge where D exceeds the rows, which plain GCV does (measured:
    accuracy of pairs of small domains fell by up to 14 points). c is 1.4 instead of 1 (Kim and Gu 2004, Smoothing
    spline Gaussian regression), and n is the effective number of rows.

    With A = Q S Q' and C = Q'B: tr H(r) = sum of s_i / (s_i + r), and the weighted residual sum of squares is
    sum of masses - sum of |c_i|^2 (s_i + 2 r) / (s_i + r)^2. One eigendecomposition serves all candidates. Of equally
    good ones the largest wins.
    """
    values, vectors = eigh(a)
    spectrum = np.maximum(values, 0.0)
    energy = np.square(vectors.T @ b).sum(axis=1)
    candidates = (_CANDIDATES * (np.trace(a) / a.shape[0]))[::-1, None]
    shrunk = spectrum + candidates
    residual = masses.sum() - (energy * (spectrum + 2 * candidates) / np.square(shrunk)).sum(axis=1)
    freedom = 1.0 - _CAUTION * (spectrum / shrunk).sum(axis=1) / effective_rows(masses, rows)
    score = np.where(freedom > 0, np.maximum(residual, 0.0) / np.square(np.maximum(freedom, 1e-12)), np.inf)
    return float(candidates[int(np.argmin(score)), 0])


def normalise_columns(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Divide each column by the norm of its non-bias part, as the paper's reference code does; a zero column stays."""
    norms = np.linalg.norm(weights[:-1], axis=0)
    return weights / np.where(norms > 0, norms, 1.0)


def prior_correction(weights: npt.NDArray[np.float64], mean_rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Subtract from each bias the mean over domains of the column's score at every domain's mean row (D x K).

    So a domain with more mass or more owners is not favoured. Each mean row ends in 1.
    """
    corrected = weights.copy()
    corrected[-1] -= (weights.T @ mean_rows).mean(axis=1)
    return corrected
