"""From the last byte of a contribution to the new router in every watcher's hands, and memory while many owners send.

The limit of the first is what cannot be avoided: a bare LAPACK solve of the same system, one fsync, and one round trip
over loopback, measured in turn with it. The second counts how far the coordinator process grows while 200 owners
contribute at once, in units of one vector.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ridgeway import triangle

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import grpc
import light_client
import numpy as np
from bench_report import Row, at_most, report
from coordinator_process import CoordinatorProcess, toy_fingerprint
from scipy.linalg import lapack

from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router

OWNERS, DIMENSION = 8, 385
CROWD, CROWD_DIMENSION = 200, 1025
RIDGE = 0.01


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="ridgeway-bench-") as name:
        yield Path(name)


async def enrolled(coordinator: CoordinatorProcess, count: int, dimension: int) -> list[light_client.Owner]:
    """Light owners with certificates."""
    owners = [light_client.Owner(f"owner-{i}") for i in range(count)]
    for owner in owners:
        await owner.enrol(await coordinator.invite(owner.name), toy_fingerprint(dimension))
    return owners


class Watcher:
    """One owner's feed: when each router version was whole in its hands."""

    def __init__(self, owner: light_client.Owner) -> None:
        self._owner = owner
        self.version = 0
        self.arrived = 0.0
        self.came = asyncio.Event()

    async def run(self) -> None:
        """Follow the feed for ever."""
        async for artifact in self._owner.watch():
            self.arrived = time.perf_counter()
            self.version = decode_router(artifact)[0].version
            self.came.set()

    async def newer_than(self, version: int) -> float:
        """When a newer router arrived."""
        while self.version <= version:
            self.came.clear()
            await self.came.wait()
        return self.arrived


async def last_byte_to_router(repetitions: int) -> tuple[float, float]:
    """Median seconds from the last byte to the router at all watchers, and of solve, fsync and a bare round trip."""
    bare = Bare()
    with fresh_folder() as folder:
        coordinator = CoordinatorProcess(folder, DIMENSION)
        await coordinator.start()
        owners = await enrolled(coordinator, OWNERS, DIMENSION)
        for i, owner in enumerate(owners):
            await owner.contribute(f"domain-{i}", light_client.random_contribution(i, owner.manifest))
        watchers = [Watcher(owner) for owner in owners]
        tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
        taken, limits = [], []
        async with owners[0].channel() as channel:
            for i in range(repetitions):
                version = (await coordinator.status()).router_version
                await asyncio.gather(*(watcher.newer_than(version - 1) for watcher in watchers))
                vector = light_client.random_contribution(100 + i, owners[0].manifest)
                sent = await send_timed(channel, owners[0].sign("domain-0", vector), vector.tobytes())
                arrivals = await asyncio.gather(*(watcher.newer_than(version) for watcher in watchers))
                taken.append(max(arrivals) - sent)
                begin = time.perf_counter()
                await rpc.call(channel, rpc.GET_MEMBERSHIP, m.GetMembershipRequest(), timeout_s=10)
                limits.append(time.perf_counter() - begin + await asyncio.to_thread(bare.seconds))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await coordinator.stop()
    return statistics.median(taken), statistics.median(limits)


async def send_timed(channel: grpc.aio.Channel, record: m.SignedRecord, payload: bytes) -> float:
    """Upload, and tell when the last byte was handed over."""
    call = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=30)
    await call.write(m.ContributeRequest(record=record))
    await call.read()
    chunks = list(light_client.chunks(payload))
    for chunk in chunks[:-1]:
        await call.write(m.ContributeRequest(chunk=chunk))
    sent = time.perf_counter()
    await call.write(m.ContributeRequest(chunk=chunks[-1]))
    await call.read()
    await call.done_writing()
    return sent


class Bare:
    """A Cholesky solve of the same size and one fsync of a small file."""

    def __init__(self) -> None:
        x = np.random.default_rng(0).normal(size=(2 * DIMENSION, DIMENSION))
        self._a, self._b = x.T @ x / len(x) + RIDGE * np.eye(DIMENSION), x[:OWNERS].T.copy()

    def seconds(self) -> float:
        """How long both take."""
        with tempfile.NamedTemporaryFile() as file:
            begin = time.perf_counter()
            lapack.dposv(self._a, self._b, lower=1)
            file.write(bytes(512))
            file.flush()
            os.fsync(file.fileno())
            return time.perf_counter() - begin


async def growth_in_vectors() -> float:
    """How far the coordinator's peak memory grows, in vectors, while all owners contribute at once."""
    with fresh_folder() as folder:
        coordinator = CoordinatorProcess(folder, CROWD_DIMENSION)
        await coordinator.start()
        owners = await enrolled(coordinator, CROWD, CROWD_DIMENSION)
        # The first contribution brings what is there once: the sum, the solver's libraries, the router.
        await owners[0].contribute("domain-0", light_client.random_contribution(0, owners[0].manifest))
        await asyncio.sleep(2.0)
        before = peak_bytes(coordinator.pid)
        vector = light_client.random_contribution(1, owners[0].manifest)
        await asyncio.gather(*(owner.contribute(f"domain-{i % 8}", vector) for i, owner in enumerate(owners)))
        after = peak_bytes(coordinator.pid)
        await coordinator.stop()
    return (after - before) / (8 * triangle.length(CROWD_DIMENSION))


def peak_bytes(pid: int) -> int:
    """The largest resident size that a process had."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(repetitions: int) -> Iterator[Row]:
    """Both claims."""
    taken, limit = asyncio.run(last_byte_to_router(repetitions))
    yield at_most("last byte to the router at 8 watchers, D = 385, ms", 1e3 * taken, 1e3 * limit, 5.0)
    yield at_most("growth while 200 owners contribute, D = 1025, vectors", asyncio.run(growth_in_vectors()), 1.0, 20.0)


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--repetitions", type=int, default=25)
    arguments = parser.parse_args()
    report(measure(arguments.repetitions), as_json=arguments.json)


if __name__ == "__main__":
    main()
