"""kill -9 of the coordinator at random moments: nothing acknowledged is lost, nothing is counted twice."""

import asyncio
import contextlib
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from free_port import free_port
from light_client import Owner, random_contribution
from toy import write_toy_embedder

from ridgeway.cli.administer import administer
from ridgeway.cli.local_federation import Process
from ridgeway.embedders import load_embedder
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.sums import FederationSum

KILLS = 50
OWNERS = 3
DOMAINS = ("law", "math")
# A payload of three chunks, so that many kills fall into an upload.
DIMENSION = 520
SEED = 20260


@dataclass
class Worker:
    """An owner that keeps replacing and withdrawing, and sends each record until it is acknowledged, as a node does."""

    owner: Owner
    draw: random.Random
    holds: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    operations: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            domain = self.draw.choice(DOMAINS)
            if domain in self.holds and self.draw.random() < 0.3:
                await self.withdraw(domain)
            else:
                await self.contribute(domain)
            self.operations += 1

    async def contribute(self, domain: str) -> None:
        sequence = self.owner.sequence
        vector = random_contribution(self.draw.getrandbits(32), self.owner.manifest)
        record = self.owner.sign(domain, vector)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with self.owner.channel() as channel:
                    await self.owner.upload(channel, record, vector.tobytes())
                break
            await asyncio.sleep(0.02)
        self.holds[domain] = vector
        self.acknowledged[domain] = sequence

    async def withdraw(self, domain: str) -> None:
        sequence = self.owner.sequence
        record = self.owner.withdrawal(domain)
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self.owner.call(rpc.WITHDRAW, record)
                break
            await asyncio.sleep(0.02)
        del self.holds[domain]
        self.acknowledged[domain] = sequence

    async def nothing_acknowledged_is_lost(self) -> bool:
        acknowledged = dict(self.acknowledged)
        membership = await self.owner.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        return membership.next_sequence > max(acknowledged.values(), default=0)


async def start(folder: Path, port: int, *options: str) -> Process:
    arguments = ("coordinator", "--data-dir", str(folder / "coordinator"), "--listen", f"127.0.0.1:{port}", "--json")
    process = await Process.start("coordinator", folder / "log", *arguments, *options)
    await process.ready()
    return process


async def survive(folder: Path, seed: int) -> tuple[bytes, bytes, int]:
    """The whole scenario: the coordinator's digest at the end, the expected one, and how many operations there were."""
    draw = random.Random(seed)  # noqa: S311 - a test's scenario
    embedder = load_embedder(str(write_toy_embedder(folder / "toy", dimension=DIMENSION - 1)))
    port = free_port()
    process = await start(folder, port, "--embedder", str(folder / "toy"), "--masking", "off")
    workers = []
    for i in range(OWNERS):
        owner = Owner(f"owner-{i}")
        invitation = await administer(folder / "coordinator", rpc.INVITE, m.InviteRequest(owner.name, 600))
        await owner.enrol(invitation.token, embedder.fingerprint)
        workers.append(Worker(owner, random.Random(draw.getrandbits(32))))  # noqa: S311
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(stop)) for worker in workers]
    for _ in range(KILLS):
        await asyncio.sleep(draw.uniform(0.0, 0.25))
        process.child.kill()
        await process.child.wait()
        process = await start(folder, port)
        assert all([await worker.nothing_acknowledged_is_lost() for worker in workers])
    stop.set()
    await asyncio.gather(*running)
    status = await administer(folder / "coordinator", rpc.ADMIN_STATUS, m.GetStatusRequest())
    assert await process.stop() == 0
    manifest = workers[0].owner.manifest
    assert manifest is not None
    expected = FederationSum(manifest.layout)
    for worker in workers:
        for domain, vector in worker.holds.items():
            expected.add(domain, vector, 20)
    return status.sum_digest, expected.digest(manifest.digest()), sum(worker.operations for worker in workers)


@pytest.mark.timeout(300)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    print(f"seed {SEED}, python {sys.version_info[:2]}")
    digest, expected, operations = asyncio.run(survive(tmp_path, SEED))
    assert digest == expected, f"seed {SEED}"
    assert operations >= KILLS // 2
