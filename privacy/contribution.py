"""What an owner sends under differential privacy: its moment with noise."""

import numpy as np
import numpy.typing as npt

from ridgeway import fixed_point
from ridgeway.manifest import MassRule
from ridgeway.privacy.budget import deviation
from ridgeway.privacy.noise import noise_for
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.statistics import DomainStatistics, mass


def encode_moment(statistics: DomainStatistics, rule: MassRule, fraction_bits: int) -> npt.NDArray[np.int64]:
    """The last column of G / rows * mass in fixed point, int64[D]; its last entry is the mass exactly.

    Raises:
        NonFiniteValue, FixedPointOverflow: the numbers do not fit.
    """
    weight = mass(rule, statistics.rows)
    units = fixed_point.encode(statistics.gram[:, -1] * (weight / statistics.rows), fraction_bits)
    units[-1] = weight << fraction_bits
    return units


def moment_deviation(rule: MassRule, rows: int, dimension: int, fraction_bits: int, cost: float) -> float:
    """The deviation of the noise that a contribution of so many rows needs to cost rho = `cost`, in units."""
    return deviation(moment_sensitivity(mass(rule, rows), rows, dimension, fraction_bits), cost)


def private_moment(
    statistics: DomainStatistics, rule: MassRule, fraction_bits: int, units: float
) -> npt.NDArray[np.int64]:
    """The encoded moment with noise of this deviation on everything but the mass, int64[D].

    Raises:
        NonFiniteValue, FixedPointOverflow, NoiseTooLarge: the numbers do not fit.
    """
    moment = encode_moment(statistics, rule, fraction_bits)
    moment[:-1] += noise_for(moment.size - 1, units)
    return moment
