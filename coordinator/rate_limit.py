"""A token bucket: so many events a second, and a burst at once. The time comes from the caller."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Fills at `rate_per_s` up to `burst`; each event takes one."""

    rate_per_s: float
    burst: float
    _level: float = -1.0
    _filled_at_s: float = 0.0

    def take(self, now_s: float) -> bool:
        """Whether the event may happen; a clock that goes back fills nothing."""
        if self._level < 0:
            self._level = self.burst
        else:
            self._level = min(self.burst, self._level + self.rate_per_s * max(0.0, now_s - self._filled_at_s))
        self._filled_at_s = now_s
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
