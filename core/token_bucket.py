"""Token buckets: so many events a second, and a burst at once. The time comes from the caller."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Fills at `rate_per_s` up to `burst`; each event takes what it costs."""

    rate_per_s: float
    burst: float
    _level: float = -1.0
    _filled_at_s: float = 0.0

    def take(self, now_s: float, cost: float = 1.0) -> bool:
        """Whether the event may happen; a clock that goes back fills nothing."""
        self._fill(now_s)
        if self._level < cost:
            return False
        self._level -= cost
        return True

    def is_empty(self, now_s: float) -> bool:
        """Whether the next event would have to wait."""
        self._fill(now_s)
        return self._level < 1.0

    def _fill(self, now_s: float) -> None:
        if self._level < 0:
            self._level = self.burst
        else:
            self._level = min(self.burst, self._level + self.rate_per_s * max(0.0, now_s - self._filled_at_s))
        self._filled_at_s = now_s


@dataclass(slots=True)
class TokenBuckets:
    """A bucket for each of those who come; of more than `kept` the longest away is forgotten."""

    rate_per_s: float
    burst: float
    kept: int
    _buckets: OrderedDict[str, TokenBucket] = field(default_factory=OrderedDict)

    def of(self, name: str) -> TokenBucket:
        """The bucket of this one."""
        bucket = self._buckets.setdefault(name, TokenBucket(self.rate_per_s, self.burst))
        self._buckets.move_to_end(name)
        if len(self._buckets) > self.kept:
            self._buckets.popitem(last=False)
        return bucket
