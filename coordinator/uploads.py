"""Uploads under way: how many at once, one for each owner and domain, and none that dawdles."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from ridgeway.errors import RidgewayError

# Each upload under way holds a few chunks in gRPC's buffers; the others wait before their first chunk, so 200 owners at
# once cost little more memory than these. Two keep two cores busy.
UPLOADS_AT_ONCE = 2
# Chunks of an upload that wait for the disk: enough that its thread never waits for the network in between.
CHUNKS_BEHIND = 2
# Contributions that one owner may have under way, waiting ones included; one at a time has a place. A node sends one.
UPLOADS_PER_OWNER = 16
# While others wait a place is for this long; whole chunks are kept, so the sender goes on when its turn comes again.
TURN_S = 60.0
# A sender that is silent this long makes room for another; it can resume.
CHUNK_WAIT_S = 30.0
# How long the rest of the queue may take before a sender should try again later.
QUEUE_WAIT_S = 600.0


class Closable(Protocol):
    """What has to be closed."""

    def close(self) -> None:
        """Close it."""


P = ParamSpec("P")
C = TypeVar("C", bound=Closable)


class UploadQueueFull(RidgewayError):
    """Too many uploads at once, for too long."""


class UploadTooSlow(RidgewayError):
    """The next chunk did not come in time, or the whole not before others should have their turn."""


class TooManyUploads(RidgewayError):
    """One owner sends more at once than it can need."""


@dataclass(slots=True)
class Turn:
    """One upload's time in its place."""

    began_s: float
    others_wait: Callable[[], bool]

    def check(self, now_s: float) -> None:
        """Nothing, if the upload may go on.

        Raises:
            UploadTooSlow: it had its turn, and others wait.
        """
        if now_s - self.began_s > TURN_S and self.others_wait():
            raise UploadTooSlow(f"others wait, and this upload had its {TURN_S:.0f} s; resume it for its next turn")


class Uploads:
    """The places for uploads."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._newest: dict[tuple[str, str], asyncio.Task[object]] = {}
        self._owners: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: Counter[str] = Counter()
        self._waiting = 0

    @asynccontextmanager
    async def place(self, owner: str, domain: str) -> AsyncIterator[Turn]:
        """Wait for a place. A newer upload of the same owner and domain ends the older one, whose stream has broken.

        Places are given in the order in which owners ask, and an owner has one at a time.

        Raises:
            UploadQueueFull: none came free in time.
            TooManyUploads: the owner waits for so many already.
        """
        slot, task = (owner, domain), cast(asyncio.Task[object], asyncio.current_task())
        older = self._newest.get(slot)
        if older is None and self._under_way[owner] >= UPLOADS_PER_OWNER:
            raise TooManyUploads(f"{owner} sends {UPLOADS_PER_OWNER} contributions already; wait for one of them")
        self._newest[slot] = task
        self._under_way[owner] += 1
        try:
            if older is not None:
                older.cancel()
            async with self._owners.setdefault(owner, asyncio.Lock()):
                await self._acquire()
                try:
                    yield Turn(asyncio.get_running_loop().time(), lambda: self._waiting > 0)
                finally:
                    self._places.release()
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]
            if self._newest.get(slot) is task:
                del self._newest[slot]

    async def _acquire(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(QUEUE_WAIT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise UploadQueueFull("the coordinator is busy with other uploads; try again in a few minutes") from error
        finally:
            self._waiting -= 1


async def opened(function: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
    """Open something in a thread. A cancellation waits for its end, and closes what nobody will close any more."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(_close)
        await asyncio.wait([work])
        raise


def _close(work: "asyncio.Future[C]") -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().close()
