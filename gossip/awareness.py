"""Lifeguard's local health multiplier: who misses answers doubts itself first and waits longer before it accuses
others.

Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (2018), section IV-A;
as in memberlist's awareness.go.
"""


class Awareness:
    """A score from 0, healthy, to below `maximum`.

    Args:
        maximum: the score stays below it.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.score = 0

    def apply(self, delta: int) -> None:
        """Raise or lower the score."""
        self.score = min(max(0, self.score + delta), self._maximum - 1)

    def scaled(self, timeout_s: float) -> float:
        """A timeout as the present health wants it."""
        return timeout_s * (self.score + 1)
