"""Router weights from moments with noise, where nobody releases a Gram matrix.

A is modelled instead: the mean rows M explain what differs between domains, and what is left of the rows' unit length
spreads evenly over all directions, A = M M' + s I. So W = (M M' + s I)^-1 M = M (M'M + s I)^-1: a K x K system,
positive definite for any s > 0. Noise of variance v adds (D - 1) v to each diagonal entry of M'M, which would shrink
noisy domains and tilt the bias; it is taken out again, as in errors-in-variables regression (Fuller 1987), which is
worth 2 points at epsilon 1 (measured). What is then negative is cut off: the nearest matrix without negative
eigenvalues. As in AdaSSP (Wang 2018) the ridge s also grows with the noise, which is an estimate of what the
subtraction got wrong.
"""

import numpy as np
import numpy.typing as npt

from ridgeway.ridge import Solution, UnsolvableSystem

# Rows are not spread evenly; twice the even share is best or equal to the best from epsilon 0.5 to 8 (measured).
_CAUTION = 2.0
# The part of the noisiest domain's energy that goes into the ridge: without it, accuracy falls by 2 points at epsilon
# 0.5 and by 19 at 0.3; from 0.1 to 1 it is alike there, and at epsilon 1 and above nothing depends on it (measured).
_CARE = 0.25
# Keeps s positive where the mean rows are as long as rows can be.
_LEAST_SPREAD = 1e-3


def solve_noisy(
    moments: npt.NDArray[np.float64], masses: npt.NDArray[np.float64], deviations: npt.NDArray[np.float64]
) -> Solution:
    """Router weights for pooled rows without the pseudo-random block.

    Args:
        moments: B with noise, float64, D x K; the last row holds the masses without noise.
        masses: mass of each domain, float64[K].
        deviations: standard deviation of the noise of each column of B, float64[K]; 0 is allowed.

    Returns:
        W (float64, D x K), and s as the ridge.

    Raises:
        UnsolvableSystem: no domain, no mass, or numbers that are not finite.
    """
    if moments.shape[1] == 0 or not (masses > 0).all():
        raise UnsolvableSystem("no domain has a contribution yet; a router needs at least one")
    if not (np.isfinite(moments).all() and np.isfinite(deviations).all()):
        raise UnsolvableSystem("the sums are not finite; rebuild them from the ledger")
    means = moments[:-1] / masses
    energies = len(means) * np.square(deviations / masses)
    products = without_noise(means.T @ means, energies)
    spread = _CAUTION * float(np.maximum(1 - np.diag(products), _LEAST_SPREAD).sum()) / len(means)
    ridge = spread + _CARE * float(energies.max())
    mixing = np.linalg.inv(products + ridge * np.eye(len(products)))
    bias = -(mixing @ products).mean(axis=1)
    return Solution(np.vstack([means @ mixing, bias]), ridge)


def without_noise(products: npt.NDArray[np.float64], energies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """M'M (float64, K x K) less the noise's expected energy in each column, without negative eigenvalues."""
    values, vectors = np.linalg.eigh(products - np.diag(energies))
    nearest: npt.NDArray[np.float64] = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return nearest
