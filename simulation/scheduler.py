"""Virtual time: what is due happens in order of its time, and of its scheduling where times are equal."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], object]


@dataclass(order=True, slots=True)
class Event:
    """Something that will happen; it may be called off."""

    due_s: float
    order: int
    action: Action | None = field(compare=False)

    def cancel(self) -> None:
        """It will not happen."""
        self.action = None


class Scheduler:
    """The one true time of a simulated world, in seconds, and everything that is due in it.

    Attributes:
        now_s: the time; only running events moves it.
        done: how many events have happened.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.done = 0
        self._events: list[Event] = []
        self._scheduled = 0

    def at(self, due_s: float, action: Action) -> Event:
        """Let something happen at a time; at once, after what is due already, if that has passed."""
        event = Event(max(due_s, self.now_s), self._scheduled, action)
        self._scheduled += 1
        heapq.heappush(self._events, event)
        return event

    def after(self, delay_s: float, action: Action) -> Event:
        """Let something happen after a while."""
        return self.at(self.now_s + delay_s, action)

    @property
    def next_due_s(self) -> float | None:
        """When the next event is due; None if nothing is."""
        while self._events and self._events[0].action is None:
            heapq.heappop(self._events)
        return self._events[0].due_s if self._events else None

    def step(self) -> bool:
        """Run the next event; False if there is none."""
        if self.next_due_s is None:
            return False
        event = heapq.heappop(self._events)
        self.now_s = event.due_s
        self.done += 1
        if event.action is not None:
            event.action()
        return True

    def run(self, until_s: float) -> None:
        """Run everything that is due up to a time, and let it become that time."""
        while (due_s := self.next_due_s) is not None and due_s <= until_s:
            self.step()
        self.now_s = max(self.now_s, until_s)
