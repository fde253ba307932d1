"""The router of a federation with differential privacy, from what its sum holds."""

import numpy as np

from ridgeway.manifest import Manifest, PrivacySettings
from ridgeway.noisy_moments import solve_noisy
from ridgeway.privacy.budget import deviation
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.ridge import Solution
from ridgeway.sums import FederationSum


def private_solution(total: FederationSum, manifest: Manifest, settings: PrivacySettings) -> Solution:
    """Router weights from the noisy moments; how much noise they have is public.

    Raises:
        UnsolvableSystem: the sum gives no router.
    """
    units = deviation(moment_sensitivity(manifest.layout), settings.cost)
    contributions = np.array([held.contributions for held in total.parts.values()], dtype=np.float64)
    deviations = np.ldexp(units * np.sqrt(contributions), -manifest.fraction_bits)
    return solve_noisy(total.moments(), total.masses, deviations)
