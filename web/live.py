"""The newest document for everyone who watches, as it changes.

One task asks for it while anybody watches, however many they are. A watcher is given the newest document only and is
never waited for, so a slow one costs one document and holds up nobody.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable


class Live:
    """A document that is watched.

    Args:
        make: makes the document as it is now; the same bytes if nothing changed.
        look_s: how often to ask.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]], look_s: float) -> None:
        self._make = make
        self._look_s = look_s
        self._newest: bytes | None = None
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.watchers = 0

    async def watch(self, quiet_s: float) -> AsyncGenerator[bytes | None, None]:
        """The document now, and again whenever it changed; None after each `quiet_s` without a change."""
        self.watchers += 1
        task = self._looking()
        seen: bytes | None = None
        try:
            while not self._closing and not task.done():
                turn, newest = self._turn, self._newest
                if newest is not None and newest is not seen:
                    seen = newest
                    yield newest
                elif not await _came(turn, quiet_s):
                    yield None
            if task.done():
                task.result()
        finally:
            self.watchers -= 1
            if self.watchers == 0:
                task.cancel()
                self._task = self._newest = None

    def _looking(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        return self._task

    async def _look(self) -> None:
        try:
            while True:
                made = await self._make()
                if made != self._newest:
                    self._newest = made
                    self._wake()
                await asyncio.sleep(self._look_s)
        finally:
            self._wake()

    def close(self) -> None:
        """End every watcher's stream."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()


async def _came(turn: asyncio.Event, quiet_s: float) -> bool:
    try:
        async with asyncio.timeout(quiet_s):
            await turn.wait()
    except TimeoutError:
        return False
    return True
