"""What an owner's privacy budget buys and how much of it is left.

Accounting is in zero-concentrated differential privacy (Bun and Steinke 2016): the discrete Gaussian of deviation s
costs rho = sensitivity^2 / (2 s^2), as the continuous one does (Canonne, Kamath, Steinke 2020), and costs add up, also
where a contribution depends on earlier ones (Whitehouse et al. 2023). dp-accounting says which total stands for
(epsilon, delta). A prompt belongs to one domain, so each of an owner's domains has a budget of its own.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, sqrt

from ridgeway.privacy.errors import PrivacyError, PrivacyLibraryMissing

# Costs are thirds, fifths ... of the limit; their sum may exceed it by rounding.
_ROUNDING = 1e-9


class BudgetSpent(PrivacyError):
    """A contribution that would reveal more than was agreed."""


@lru_cache(maxsize=16)
def affordable(epsilon: float, delta: float) -> float:
    """The largest rho whose Gaussian mechanism is (epsilon, delta)-differentially private, by way of Renyi divergences.

    Raises:
        PrivacyError: epsilon is not positive, or delta no probability below 1.
        PrivacyLibraryMissing: the extra `dp` is not installed.
    """
    if not (isfinite(epsilon) and epsilon > 0 and 0 < delta < 1):
        raise PrivacyError(f"epsilon must be positive and delta between 0 and 1, not {epsilon:g},{delta:g}; try 3,1e-6")
    # Only here: it takes a second to import, and only federations with differential privacy need it.
    try:
        import dp_accounting  # noqa: PLC0415
        from dp_accounting.rdp import RdpAccountant  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PrivacyLibraryMissing from error

    multiplier = dp_accounting.calibrate_dp_mechanism(RdpAccountant, dp_accounting.GaussianDpEvent, epsilon, delta)
    return float(1 / (2 * multiplier**2))


def deviation(sensitivity: float, cost: float) -> float:
    """The standard deviation of the noise with which a release costs rho = `cost`; in the sensitivity's unit."""
    return sensitivity / sqrt(2 * cost)


@dataclass(frozen=True, slots=True)
class Budget:
    """What one owner may still reveal about one domain.

    Attributes:
        limit: rho in all, see `affordable`.
        spent: rho.
    """

    limit: float
    spent: float = 0.0

    @property
    def left(self) -> float:
        """The rho that is left, not below 0."""
        return max(0.0, self.limit - self.spent)

    def spend(self, cost: float) -> "Budget":
        """The budget after a contribution that costs this rho.

        Raises:
            BudgetSpent: not so much is left.
            PrivacyError: the cost is not positive.
        """
        if not (isfinite(cost) and cost > 0):
            raise PrivacyError(f"a contribution with a cost of {cost:g} is not private; the cost must be positive")
        if self.spent + cost > self.limit * (1 + _ROUNDING):
            raise BudgetSpent(
                "this domain's privacy budget is spent, so its prompts cannot be contributed again; keep the present"
                " contribution, or found a federation with a larger budget"
            )
        return Budget(self.limit, self.spent + cost)
