"""Discrete Gaussian noise in units of fixed point: the one module here that draws random numbers.

OpenDP samples exactly, from the operating system's randomness (Canonne, Kamath, Steinke 2020): about 11 microseconds a
number, so some milliseconds for a moment and 12 seconds for a Gram matrix of 1,409 columns.
"""

from math import isfinite

import numpy as np
import numpy.typing as npt

from ridgeway.fixed_point import UNITS_MAX
from ridgeway.privacy.errors import PrivacyError, PrivacyLibraryMissing

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
        PrivacyLibraryMissing: the extra `dp` is not installed.
    """
    if not (isfinite(units) and 0 < units < UNITS_MAX / _DEVIATIONS):
        raise NoiseTooLarge(f"noise of {units:g} units does not fit; contribute more prompts, or raise epsilon")
    # Only here: it takes a second to import, and only federations with differential privacy need it.
    try:
        import opendp.prelude as dp  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PrivacyLibraryMissing from error

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64"), size=entries), dp.l2_distance(T="i64")
    return np.array(dp.m.make_gaussian(*space, scale=units)([0] * entries), dtype=np.int64)
