"""How much of requests and answers may be held in memory at once."""

from ridgeway.gateway.api_error import Overloaded

# Some sixty requests of the largest size, or a hundred thousand ordinary ones.
BYTES_HELD_MAX = 256 * 1024 * 1024


class ByteBudget:
    """Counts the bytes that are held for all requests together."""

    def __init__(self, limit: int = BYTES_HELD_MAX) -> None:
        self._left = limit

    def lease(self) -> "Lease":
        """What one request holds; a context that gives everything back."""
        return Lease(self)

    def take(self, count: int) -> None:
        """Take some.

        Raises:
            Overloaded: so many are not left.
        """
        if count > self._left:
            raise Overloaded("the gateway holds as much as it may; try again in a moment", retry_after_s=1)
        self._left -= count

    def give_back(self, count: int) -> None:
        """Give some back."""
        self._left += count


class Lease:
    """The part of a budget that one request holds."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    def take(self, count: int) -> None:
        """Hold some more.

        Raises:
            Overloaded: so many are not left.
        """
        self._budget.take(count)
        self._held += count

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give_back(self._held)
        self._held = 0
