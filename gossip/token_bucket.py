"""A bound on how much somebody may ask for: so much a second, and so much at once."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Fills by `per_s` up to `burst`; starts full.

    Attributes:
        per_s: tokens a second.
        burst: tokens at most.
    """

    per_s: float
    burst: float
    _level: float = -1.0
    _seen_s: float = 0.0

    def take(self, now_s: float, amount: float = 1.0) -> bool:
        """Take tokens out, if there are so many."""
        if self._level < 0:
            self._level = self.burst
        else:
            self._level = min(self.burst, self._level + (now_s - self._seen_s) * self.per_s)
        self._seen_s = now_s
        if self._level < amount:
            return False
        self._level -= amount
        return True
