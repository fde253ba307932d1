"""What an owner sends under differential privacy: its moment with noise."""

import numpy as np
import numpy.typing as npt

from ridgeway import fixed_point
from ridgeway.layout import Layout
from ridgeway.privacy.budget import deviation
from ridgeway.privacy.noise import noise_for
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.statistics import DomainStatistics


def encode_moment(statistics: DomainStatistics, layout: Layout) -> npt.NDArray[np.int64]:
    """The sum of all rows in fixed point, int64[D]; its last entry is their number exactly.

    Raises:
        NonFiniteValue, FixedPointOverflow: the numbers do not fit.
    """
    units = fixed_point.encode(statistics.gram[:, -1], layout.fraction_bits)
    units[-1] = statistics.rows << layout.fraction_bits
    return units


def with_noise(moment: npt.NDArray[np.int64], layout: Layout, cost: float) -> npt.NDArray[np.int64]:
    """An encoded moment with the noise that makes it cost rho = `cost`, on everything but the mass; int64[D].

    Raises:
        NoiseTooLarge: the noise does not fit.
        PrivacyLibraryMissing: the extra `dp` is not installed.
    """
    noisy = moment.copy()
    noisy[:-1] += noise_for(moment.size - 1, deviation(moment_sensitivity(layout), cost))
    return noisy
