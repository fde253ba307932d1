"""Many light owners in one process, for `bench_load.py`: commands come as JSON lines on standard input, answers too.

Times are of the machine's monotonic clock, which all processes share.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ridgeway  # noqa: F401 - before anything imports gRPC

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from coordinator_process import toy_fingerprint
from light_client import Owner, random_contribution
from threadpoolctl import threadpool_limits

from ridgeway.narrow_integers import pack
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.open_files import allow_open_files

AT_ONCE = 16
WIDTH = 5
DOMAINS = 8


class Crowd:
    """The owners of this process."""

    def __init__(self, first: int, dimension: int) -> None:
        self._first = first
        self._embedder = toy_fingerprint(dimension)
        self._owners: list[Owner] = []
        self._channels: list[Any] = []
        self._arrived: dict[int, dict[int, float]] = {}
        self._feeds: list[asyncio.Task[None]] = []

    async def join(self, tokens: list[str]) -> None:
        """Enrol an owner for each invitation."""
        self._owners = [Owner(f"owner-{self._first + i}") for i in range(len(tokens))]
        await self._each(lambda i: self._owners[i].enrol(tokens[i], self._embedder))

    async def watch(self) -> None:
        """Connect each owner and follow the router feed."""
        self._channels = [owner.channel() for owner in self._owners]
        await self._each(lambda i: self._channels[i].channel_ready())
        self._feeds = [asyncio.create_task(self._follow(i)) for i in range(len(self._owners))]

    async def _follow(self, i: int) -> None:
        received = 0
        async for piece in rpc.watch(self._channels[i], rpc.WATCH_ROUTER, m.WatchRouterRequest(0)):
            received += len(piece.data)
            if received == piece.total_bytes:
                self._arrived.setdefault(piece.version, {})[i] = time.monotonic()
                received = 0

    async def upload(self) -> None:
        """Contribute once for each owner."""

        async def contribute(i: int) -> None:
            owner = self._owners[i]
            vector = random_contribution(self._first + i, owner.manifest)
            record = owner.sign(f"domain-{(self._first + i) % DOMAINS}", vector, 20, WIDTH)
            await owner.upload(self._channels[i], record, pack(vector, WIDTH).tobytes())

        await self._each(contribute)

    async def arrival(self, version: int) -> float:
        """When the last owner had a router of at least this version."""
        while True:
            seen: dict[int, float] = {}
            for newer in (v for v in self._arrived if v >= version):
                for i, when in self._arrived[newer].items():
                    seen[i] = min(when, seen.get(i, when))
            if len(seen) == len(self._owners):
                return max(seen.values())
            await asyncio.sleep(0.01)

    async def _each(self, do: Callable[[int], Awaitable[None]]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(i: int) -> None:
            async with places:
                await do(i)

        await asyncio.gather(*(one(i) for i in range(len(self._owners))))


async def serve(first: int, dimension: int) -> None:
    """Do what the lines say, one after another."""
    allow_open_files(16_384)
    # Threads of the BLAS spin while they wait for more, and take the cores from the coordinator.
    threadpool_limits(limits=1, user_api="blas")
    crowd = Crowd(first, dimension)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        began = time.monotonic()
        answer = await getattr(crowd, command["do"])(**command.get("with", {}))
        print(json.dumps({"began": began, "ended": time.monotonic(), "answer": answer}), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
