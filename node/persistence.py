"""Try again while it may help: with backoff and jitter, telling why, and within a bound."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ridgeway.errors import RidgewayError
from ridgeway.node.link import is_transient
from ridgeway.protocol.backoff import Backoff

T = TypeVar("T")

# A command that a person waits for gives up after ten tries, some two minutes; what it began stays and goes on later.
TRIES_MAX = 10


async def persist(attempt: Callable[[], Awaitable[T]], on_wait: Callable[[RidgewayError], None]) -> T:
    """The first success of an attempt.

    Args:
        attempt: tried again after a failure that may pass by itself.
        on_wait: told of each such failure.

    Raises:
        RidgewayError: a failure that will not pass, or the last one of `TRIES_MAX`.
    """
    backoff = Backoff()
    while True:
        try:
            return await attempt()
        except RidgewayError as error:
            if not is_transient(error) or backoff.failures + 1 == TRIES_MAX:
                raise
            on_wait(error)
            await asyncio.sleep(jittered(backoff))


def jittered(backoff: Backoff) -> float:
    """The seconds to wait after one more failure."""
    return backoff.failed(random.random())  # noqa: S311 - spreads retries, protects nothing  # nosec B311
