"""A thousand owners against one coordinator, and ten thousand watchers of a router feed.

The thousand are light owners (no embedder, no prompts) in a few processes, over real gRPC and TLS on loopback, against
a coordinator process: joins a second, uploads a second, the time from the last upload to the router at the last
watcher, memory and open files. They share the machine's cores with the coordinator, so the figures are of both.

The ten thousand are tasks in one process that follow the coordinator's own publisher, without sockets: what is measured
is that part of the feed that is Ridgeway's, not gRPC's. A tenth of them stop reading after their first piece.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import ridgeway  # noqa: F401 - before anything imports gRPC

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import light_client
from bench_report import Row, at_least, at_most, report
from coordinator_process import CoordinatorProcess, toy_fingerprint

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.founding import Wishes, open_federation
from ridgeway.coordinator.invitations import Door
from ridgeway.coordinator.publication import Publisher
from ridgeway.coordinator.schema import open_ledger
from ridgeway.crypto.certificates import new_tls_key, signing_request
from ridgeway.crypto.labels import ENROLMENT_SIGNATURE
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.runtime.data_dir import DataDirectory

DIMENSION = 385
PROCESSES = 3
MIB = 1 << 20
CROWD = Path(__file__).with_name("load_owners.py")


@dataclass
class Crowd:
    """One process of light owners."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, first: int) -> "Crowd":
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, str(CROWD), str(first), str(DIMENSION)]
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=MIB))

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Have it do something; what it answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": command, "with": arguments}).encode() + b"\n")
        line = await self.process.stdout.readline()
        assert line, f"a process of owners failed in {command}"
        answer: dict[str, Any] = json.loads(line)
        return answer


async def together(crowds: list[Crowd], command: str, arguments: list[dict[str, Any]]) -> tuple[float, list[Any]]:
    """Have all do something at once: the seconds from the first's beginning to the last's end, and their answers."""
    done = await asyncio.gather(*(c.do(command, **a) for c, a in zip(crowds, arguments, strict=True)))
    return max(d["ended"] for d in done) - min(d["began"] for d in done), [d["answer"] for d in done]


@dataclass(frozen=True, slots=True)
class Load:
    """What the thousand cost."""

    join_s: float
    watch_s: float
    upload_s: float
    last_upload_to_last_watcher_s: float
    one_upload_to_last_watcher_s: float
    peak_bytes: int
    status_bytes: int
    files: int


def peak_bytes(pid: int) -> int:
    """The largest resident size that a process had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def open_files(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def thousand(owners: int) -> Load:
    """Run the owners through joining, watching and uploading."""
    nothing: list[dict[str, Any]] = [{} for _ in range(PROCESSES)]
    with tempfile.TemporaryDirectory(prefix="ridgeway-load-") as name:
        coordinator = CoordinatorProcess(Path(name), DIMENSION)
        await coordinator.start()
        tokens = [await coordinator.invite(f"owner-{i}") for i in range(owners)]
        cuts = [owners * i // PROCESSES for i in range(PROCESSES + 1)]
        crowds = [await Crowd.start(first) for first in cuts[:-1]]
        parts = [{"tokens": tokens[a:b]} for a, b in pairwise(cuts)]
        join_s, _ = await together(crowds, "join", parts)
        watch_s, _ = await together(crowds, "watch", nothing)
        began = time.monotonic()
        upload_s, _ = await together(crowds, "upload", nothing)
        committed = began + upload_s
        version = await coordinator_version(coordinator)
        _, arrivals = await together(crowds, "arrival", [{"version": version}] * PROCESSES)
        single = await one_more(coordinator, crowds)
        status = await coordinator.status()
        load = Load(
            *(join_s, watch_s, upload_s, max(arrivals) - committed, single),
            *(
                peak_bytes(coordinator.pid),
                status_bytes(status),
                open_files(coordinator.pid),
            ),
        )
        for crowd in crowds:
            crowd.process.kill()
            await crowd.process.wait()
        await coordinator.stop()
        return load


def status_bytes(status: m.FederationStatus) -> int:
    """How large a status is as a message."""
    return len(encode(status))


async def coordinator_version(coordinator: CoordinatorProcess) -> int:
    """The router's version once it is solved from the present sum."""
    while True:
        status = await coordinator.status()
        if status.router_version and status.router_sum_digest == status.sum_digest:
            return status.router_version
        await asyncio.sleep(0.01)


async def one_more(coordinator: CoordinatorProcess, crowds: list[Crowd]) -> float:
    """One more contribution while nothing else happens: seconds from its acknowledgement to the last watcher."""
    owner = light_client.Owner("last")
    await owner.enrol(await coordinator.invite(owner.name), toy_fingerprint(DIMENSION))
    vector = light_client.random_contribution(1, owner.manifest)
    before = await coordinator_version(coordinator)
    async with owner.channel() as channel:
        record = owner.sign("domain-0", vector)
        await channel.channel_ready()
        await owner.upload(channel, record, vector.tobytes())
        committed = time.monotonic()
    _, arrivals = await together(crowds, "arrival", [{"version": before + 1}] * PROCESSES)
    return float(max(arrivals)) - committed


@dataclass(frozen=True, slots=True)
class Feed:
    """What the ten thousand cost."""

    seconds: float
    bytes_per_watcher: float


async def ten_thousand(watchers: int) -> Feed:
    """Publish one router to so many followers of a real publisher, a tenth of whom stop reading."""
    with tempfile.TemporaryDirectory(prefix="ridgeway-load-") as name:
        directory = DataDirectory(Path(name) / "coordinator", "coordinator", create=True)
        database = SqliteDatabase(open_ledger(str(directory.path / "ledger.db")))
        wishes = Wishes(features=FeatureMap.TOKENS, masking=Masking.OFF)
        lifetime = timedelta(hours=24)
        founded = open_federation(
            directory, database, wishes, lambda: toy_fingerprint(DIMENSION), datetime.now(UTC), lifetime
        )
        exclusive = Exclusive()
        publisher = Publisher(founded.federation, exclusive)
        running = asyncio.create_task(publisher.run())
        owner = enrolled(Door(founded.federation, founded.authority, lifetime))
        before, arrived = resident_bytes(), [0.0] * watchers
        tasks = [asyncio.create_task(follow(publisher, i, arrived)) for i in range(watchers)]
        await asyncio.sleep(0)
        took = await published(publisher, founded.federation, owner, arrived)
        grown = resident_bytes() - before
        publisher.close()
        for task in [*tasks, running]:
            task.cancel()
        await asyncio.gather(*tasks, running, return_exceptions=True)
        exclusive.close()
        founded.federation.close()
        return Feed(took, grown / watchers)


def resident_bytes() -> int:
    """The resident size of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def enrolled(door: Door) -> light_client.Owner:
    """An owner let in at the door itself."""
    owner, now, secret = light_client.Owner("alice"), datetime.now(UTC), bytes(range(32))
    door.invite(owner.name, timedelta(hours=1), "nowhere:1", secret, now)
    request, embedder = signing_request(new_tls_key(), owner.name), toy_fingerprint(DIMENSION)
    owner.manifest = door.federation.manifest
    door.enrol(
        m.EnrolRequest(
            m.Credential(owner.manifest.federation_id, owner.name, secret),
            request,
            owner.key.public_bytes,
            owner.key.sign(ENROLMENT_SIGNATURE, request),
            m.EmbedderFingerprint(
                *(embedder.name, embedder.tokenizer_sha256, embedder.matrix_sha256),
                *(embedder.vocabulary_size, embedder.dimension),
            ),
        ),
        now,
    )
    return owner


async def follow(publisher: Publisher, i: int, arrived: list[float]) -> None:
    """One watcher; each tenth reads one piece and no more."""
    with suppress(asyncio.CancelledError):
        received = 0
        async for piece in publisher.follow((0, 0), lambda: None):
            if i % 10 == 9:
                await asyncio.Event().wait()
            received += len(piece.data)
            if received == piece.total_bytes:
                arrived[i], received = time.monotonic(), 0


async def published(publisher: Publisher, federation: Any, owner: light_client.Owner, arrived: list[float]) -> float:
    """Commit a contribution; seconds until everybody who reads has its router."""
    vector = light_client.random_contribution(1, owner.manifest)
    record, payload = owner.sign("law", vector), vector.tobytes()
    offer = federation.take_in(federation.membership.members[owner.name], record)
    staged = federation.stage(offer)
    for chunk in light_client.chunks(payload):
        staged.write(chunk.index, chunk.data)
    federation.finish(offer, staged)
    staged.close()
    began = time.monotonic()
    await publisher.changing(federation.commit, offer)
    readers = [i for i in range(len(arrived)) if i % 10 != 9]
    while not all(arrived[i] for i in readers):  # noqa: ASYNC110 - ten thousand events would be measured too
        await asyncio.sleep(0.005)
    return max(arrived) - began


def measure(owners: int, watchers: int) -> Iterator[Row]:
    """Both loads. The limits are what we promise ourselves on two cores that the load shares."""
    load = asyncio.run(thousand(owners))
    yield at_least(f"joins a second, {owners} owners", owners / load.join_s, 20.0, 1.0)
    yield at_least("connections with a feed a second", owners / load.watch_s, 100.0, 1.0)
    yield at_least(f"uploads a second, D = {DIMENSION}, all watching", owners / load.upload_s, 20.0, 1.0)
    yield at_most("last upload of all to the last watcher, s", load.last_upload_to_last_watcher_s, 5.0, 1.0)
    yield at_most("one more upload to the last watcher, s", load.one_upload_to_last_watcher_s, 2.0, 1.0)
    yield at_most("coordinator's peak memory, MiB", load.peak_bytes / MIB, 1024.0, 1.0)
    yield at_most("its open files", float(load.files), 3.0 * owners, 1.0)
    yield at_most("the status as a message, KiB", load.status_bytes / 1024, 4096.0, 1.0)
    feed = asyncio.run(ten_thousand(watchers))
    yield at_most(f"a commit to {watchers} watchers in one process, s", feed.seconds, 5.0, 1.0)
    yield at_most("memory of each, KiB", feed.bytes_per_watcher / 1024, 32.0, 1.0)


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--owners", type=int, default=1000)
    parser.add_argument("--watchers", type=int, default=10_000)
    arguments = parser.parse_args()
    report(measure(arguments.owners, arguments.watchers), as_json=arguments.json)


if __name__ == "__main__":
    main()
