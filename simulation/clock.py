"""A host's clocks: they run a little fast or slow, and the one on the wall jumps."""

from ridgeway.simulation.scheduler import Action, Event, Scheduler

EPOCH_S = 1_750_000_000.0


class Clock:
    """The clocks of one host.

    Args:
        scheduler: of the world.
        drift: how many seconds the host's clocks gain in a true one; 1e-4 is a bad quartz.
        offset_s: how far the wall clock is ahead at first.
    """

    def __init__(self, scheduler: Scheduler, drift: float = 0.0, offset_s: float = 0.0) -> None:
        self._scheduler = scheduler
        self._rate = 1.0 + drift
        self._offset_s = offset_s

    def monotonic_s(self) -> float:
        """Seconds since the world began, as this host counts them; never goes back."""
        return self._scheduler.now_s * self._rate

    def wall_s(self) -> float:
        """Seconds since 1970, as this host believes."""
        return EPOCH_S + self._offset_s + self.monotonic_s()

    def jump(self, by_s: float) -> None:
        """Set the wall clock forward, or back with a negative number."""
        self._offset_s += by_s

    def true_s(self, monotonic_s: float) -> float:
        """The true time at which the monotonic clock will show this."""
        return monotonic_s / self._rate

    def after(self, delay_s: float, action: Action) -> Event:
        """Let something happen when this host has counted so many seconds."""
        return self._scheduler.after(delay_s / self._rate, action)
