"""The router of a federation, with differential privacy or without, from what its sum holds."""

import numpy as np

from ridgeway.manifest import Manifest, PrivacySettings
from ridgeway.noisy_moments import solve_noisy
from ridgeway.privacy.budget import deviation
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.ridge import Solution, solve
from ridgeway.sums import FederationSum


def solution(total: FederationSum, manifest: Manifest) -> Solution:
    """Router weights, as the manifest wants them solved.

    Raises:
        InconsistentSum, UnsolvableSystem: the sum gives no router.
    """
    if manifest.privacy is not None:
        return private_solution(total, manifest, manifest.privacy)
    return solve(*total.normal_equations(), total.masses, total.rows, manifest.solver)


def private_solution(total: FederationSum, manifest: Manifest, settings: PrivacySettings) -> Solution:
    """Router weights from the noisy moments; how much noise they have is public.

    Raises:
        UnsolvableSystem: the sum gives no router.
    """
    units = deviation(moment_sensitivity(manifest.layout), settings.cost)
    contributions = np.array([held.contributions for held in total.parts.values()], dtype=np.float64)
    deviations = np.ldexp(units * np.sqrt(contributions), -manifest.fraction_bits)
    return solve_noisy(total.moments(), total.masses, deviations)
