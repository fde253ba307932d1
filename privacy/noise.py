"""Discrete Gaussian noise in units of fixed point: the one module here that draws random numbers.

OpenDP samples exactly, from the operating system's randomness (Canonne, Kamath, Steinke 2020): about 11 microseconds a
number, so some milliseconds for a moment and 12 seconds for a Gram matrix of 1,409 columns.
"""

from math import ceil, isfinite, sqrt

import numpy as np
import numpy.typing as npt

from ridgeway.fixed_point import UNITS_MAX
from ridgeway.privacy.sensitivity import PrivacyError

# Noise beyond so many deviations has a chance below 2^-180.
_DEVIATIONS = 16


class NoiseTooLarge(PrivacyError):
    """Noise that would leave the head-room of fixed point."""


def noise_for(entries: int, units: float) -> npt.NDArray[np.int64]:
    """Independent noise for so many numbers, int64[entries].

    Args:
        entries: how many.
        units: standard deviation in units of fixed point.

    Raises:
        NoiseTooLarge: the noise would not fit.
        ModuleNotFoundError: the extra `dp` is not installed.
    """
    if not (isfinite(units) and 0 < units < UNITS_MAX / _DEVIATIONS):
        raise NoiseTooLarge(f"noise of {units:g} units does not fit; contribute more prompts, or raise epsilon")
    # Only here: it takes a second to import, and only federations with differential privacy need it.
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64"), size=entries), dp.l2_distance(T="i64")
    return np.array(dp.m.make_gaussian(*space, scale=units)([0] * entries), dtype=np.int64)


def share(units: float, survivors: int, honest: float = 0.5) -> float:
    """The deviation of one node's noise, so that the honest survivors' alone add up to `units`.

    A sum of discrete Gaussians of deviation u is one but for some exp(-pi^2 u^2) (Kairouz, Liu, Steinke 2021), which is
    nothing for the thousands of units and more that noise has here.

    Args:
        units: deviation that the sum must have.
        survivors: the least number of nodes whose noise is in the sum.
        honest: the share of them that is trusted to add it.

    Raises:
        PrivacyError: nobody is left to add noise.
    """
    if survivors < 1 or not 0 < honest <= 1:
        raise PrivacyError("at least one survivor must be honest; raise the cohort's threshold")
    return units / sqrt(ceil(survivors * honest))
