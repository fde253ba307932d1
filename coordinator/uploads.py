"""Uploads under way: how many at once, one for each owner and domain, and none that dawdles."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar, cast
from weakref import WeakValueDictionary

from ridgeway.errors import RidgewayError

# Each upload under way holds a few chunks in gRPC's buffers; the others wait before their first chunk, so 200 owners at
# once cost little more memory than these. Two keep two cores busy.
UPLOADS_AT_ONCE = 2
# Chunks of an upload that wait for the disk: enough that its thread never waits for the network in between.
CHUNKS_BEHIND = 2
# A sender that is silent this long makes room for another; it can resume.
CHUNK_WAIT_S = 30.0
# How long the rest of the queue may take before a sender should try again later.
QUEUE_WAIT_S = 600.0


P = ParamSpec("P")
T = TypeVar("T")


class UploadQueueFull(RidgewayError):
    """Too many uploads at once, for too long."""


class UploadTooSlow(RidgewayError):
    """The next chunk did not come in time."""


class Uploads:
    """The places for uploads."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._newest: dict[tuple[str, str], asyncio.Task[object]] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, owner: str, domain: str) -> AsyncIterator[None]:
        """Wait for a place. A newer upload of the same owner and domain ends the older one, whose stream has broken.

        Raises:
            UploadQueueFull: none came free in time.
        """
        slot, task = (owner, domain), cast(asyncio.Task[object], asyncio.current_task())
        older, self._newest[slot] = self._newest.get(slot), task
        try:
            if older is not None:
                older.cancel()
            async with self._turns.setdefault(slot, asyncio.Lock()):
                await self._acquire()
                try:
                    yield
                finally:
                    self._places.release()
        finally:
            if self._newest.get(slot) is task:
                del self._newest[slot]

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(QUEUE_WAIT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise UploadQueueFull("the coordinator is busy with other uploads; try again in a few minutes") from error


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking file work in a thread; a cancellation waits for its end, since the file is closed right after."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
