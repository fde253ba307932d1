"""When to try again: exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015).

Full jitter spreads a thousand nodes that lost the same coordinator evenly, so its restart is not met by a wave.
"""

from dataclasses import dataclass

FIRST_DELAY_S = 0.25
# A node notices within half a minute that its coordinator is back; more saves nothing worth having.
LONGEST_DELAY_S = 30.0


@dataclass(slots=True)
class Backoff:
    """Delays between tries; `random` numbers come from the caller."""

    first_s: float = FIRST_DELAY_S
    longest_s: float = LONGEST_DELAY_S
    failures: int = 0

    def failed(self, random: float) -> float:
        """Count a failure; the seconds to wait, for a number drawn evenly from [0, 1).

        The delay lies between half of the first step and the whole current step, so a retry is never immediate.
        """
        step = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self.first_s / 2 + random * (step - self.first_s / 2)

    def succeeded(self) -> None:
        """Start over with the first delay."""
        self.failures = 0
