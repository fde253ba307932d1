"""Timers as data: what is due when, earliest first."""

import heapq
from collections.abc import Callable, Iterator
from itertools import count

Action = Callable[[float], None]

# Sums of times differ in the last bits; who wakes a little early is not to wake twice.
GRAIN_S = 1e-6


class Timers:
    """Actions that are due at a time. Whoever sets one checks, when it comes, whether it still matters."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, due_s: float, action: Action) -> None:
        """Call the action with the time, at `due_s` or later."""
        heapq.heappush(self._heap, (due_s, next(self._order), action))

    @property
    def next_s(self) -> float:
        """When the next one is due; infinite if none is."""
        return self._heap[0][0] if self._heap else float("inf")

    def due(self, now_s: float) -> Iterator[tuple[float, Action]]:
        """Take out what is due, in order, each with the time it was due at or now, whichever is later."""
        while self._heap and self._heap[0][0] <= now_s + GRAIN_S:
            due_s, _, action = heapq.heappop(self._heap)
            yield max(due_s, now_s), action
