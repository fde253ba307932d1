"""kill -9 of the coordinator at random moments: nothing acknowledged is lost, nothing is counted twice."""

import asyncio
import random
import sys
from pathlib import Path

import pytest
from free_port import free_port
from light_client import Owner
from tireless_owner import TirelessOwner
from toy import write_toy_embedder

from ridgeway.cli.administer import administer
from ridgeway.cli.local_federation import Process
from ridgeway.embedders import load_embedder
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.sums import FederationSum

KILLS = 50
OWNERS = 3
# A payload of three chunks, so that many kills fall into an upload.
DIMENSION = 520
SEED = 20260


async def start(folder: Path, port: int, *options: str) -> Process:
    arguments = ("coordinator", "--data-dir", str(folder / "coordinator"), "--listen", f"127.0.0.1:{port}", "--json")
    process = await Process.start("coordinator", folder / "log", *arguments, *options)
    await process.ready()
    return process


async def survive(folder: Path, seed: int) -> tuple[bytes, bytes, int]:
    """The whole scenario: the coordinator's digest at the end, the expected one, and how many operations there were."""
    draw = random.Random(seed)
    embedder = load_embedder(str(write_toy_embedder(folder / "toy", dimension=DIMENSION - 1)))
    port = free_port()
    process = await start(folder, port, "--embedder", str(folder / "toy"), "--masking", "off")
    workers = []
    for i in range(OWNERS):
        owner = Owner(f"owner-{i}")
        invitation = await administer(folder / "coordinator", rpc.INVITE, m.InviteRequest(owner.name, 600))
        await owner.enrol(invitation.token, embedder.fingerprint)
        workers.append(TirelessOwner(owner, random.Random(draw.getrandbits(32))))
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
