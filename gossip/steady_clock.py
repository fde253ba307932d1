"""Time that neither goes back nor leaps.

A machine that was suspended for an hour has heard nobody for an hour, and its peers are alive all the same; a clock
that was set back would stop every timer. So each step of the caller's clock counts as between nothing and `STEP_MAX_S`.
"""

from ridgeway.gossip.limits import STEP_MAX_S


class SteadyClock:
    """Turns the caller's clock into a steady one that starts at 0."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._seen_s: float | None = None

    def advance(self, now_s: float) -> float:
        """Take a reading of the caller's clock; the steady time."""
        if self._seen_s is not None:
            self.now_s += min(max(0.0, now_s - self._seen_s), STEP_MAX_S)
        self._seen_s = now_s
        return self.now_s

    def on_callers(self, steady_s: float) -> float:
        """When it will be `steady_s` on the caller's clock, if that behaves."""
        return (self._seen_s or 0.0) + steady_s - self.now_s
