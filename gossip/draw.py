"""Where randomness comes from: the caller. A seeded `random.Random` makes a run repeatable."""

from collections.abc import MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Draw(Protocol):
    """What the protocol asks of a random generator; `random.Random` and `random.SystemRandom` offer it."""

    def random(self) -> float:
        """A number drawn evenly from [0, 1)."""

    def sample(self, population: Sequence[T], k: int) -> list[T]:
        """So many different elements in random order."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Bring the elements into random order in place."""
