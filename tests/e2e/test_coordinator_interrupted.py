"""Callers that go away, come twice, or fill the disk; files that rot: what was committed stays exact."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from light_client import Owner, outcome, random_contribution
from running import Running, refused, running, until

from ridgeway.coordinator import publication
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.payload_store import PARTIALS_PER_OWNER, PayloadDamaged
from ridgeway.coordinator.uploads import Uploads
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router
from ridgeway.ridge import UnsolvableSystem

# A payload of three chunks, the last one short.
LARGE = 520
SLOW_S = 0.5


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


def slowed(monkeypatch: pytest.MonkeyPatch, name: str) -> asyncio.Event:
    """Let a change of the federation take its time, as on a slow disk; the event says that one has begun."""
    original: Callable[..., Any] = getattr(Federation, name)
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def slow(self: Federation, *arguments: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(SLOW_S)
        return original(self, *arguments)

    monkeypatch.setattr(Federation, name, slow)
    return begun


async def open_upload(owner: Owner, record: m.SignedRecord, channel: grpc.aio.Channel) -> Any:
    """A call that was told to send its chunks."""
    call = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=10)
    await call.write(m.ContributeRequest(record=record))
    assert (await call.read()).ready is not None
    return call


async def send(call: Any, payload: bytes, chunks: range) -> None:
    for index in chunks:
        data = payload[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        await call.write(m.ContributeRequest(chunk=m.PayloadChunk(index, data)))


async def test_a_caller_that_goes_during_the_commit_and_comes_again_finds_its_payload_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder, LARGE) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest, rows=30)
        record, payload = alice.sign("law", vector, 30), vector.tobytes()
        committing = slowed(monkeypatch, "commit")
        async with alice.channel() as channel:
            call = await open_upload(alice, record, channel)
            await send(call, payload, range(3))
            await committing.wait()
            call.cancel()
            again = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=10)
            await again.write(m.ContributeRequest(record=record))
            answer = await again.read()
        assert isinstance(answer, m.ContributeResponse)
        assert answer.committed == m.Committed(1, repeated=True)
        (stored,) = (folder / "payloads").iterdir()
        assert stored.read_bytes() == payload


async def test_a_newer_record_during_the_commit_of_an_older_replaces_it(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await coordinator.owner("alice")
    first, second = (random_contribution(seed, alice.manifest) for seed in (1, 2))
    older, newer = alice.sign("law", first), alice.sign("law", second)
    committing = slowed(monkeypatch, "commit")
    async with alice.channel() as channel:
        call = await open_upload(alice, older, channel)
        await send(call, first.tobytes(), range(1))
        await committing.wait()
        await alice.upload(channel, newer, second.tobytes())
    bob = await coordinator.owner("bob")
    both = (await coordinator.status()).sum_digest
    await bob.contribute("law", first)
    assert (await bob.call(rpc.LEAVE, bob.withdrawal())).sum_digest == both


async def test_a_router_comes_of_a_commit_whose_caller_has_gone(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await coordinator.owner("alice")
    vector = random_contribution(1, alice.manifest)
    waiting = asyncio.ensure_future(anext(alice.watch()))
    committing = slowed(monkeypatch, "commit")
    async with alice.channel() as channel:
        call = await open_upload(alice, alice.sign("law", vector), channel)
        await send(call, vector.tobytes(), range(1))
        await committing.wait()
        call.cancel()
    async with asyncio.timeout(SLOW_S + 3):
        assert decode_router(await waiting)[0].domains == ("law",)


async def test_a_feed_ends_by_a_revocation_whose_operator_has_gone(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await coordinator.owner("alice")
    waiting = asyncio.ensure_future(anext(alice.watch()))
    revoking = slowed(monkeypatch, "revoke")
    operator = asyncio.create_task(coordinator.administer(rpc.REVOKE, m.OwnerRequest("alice")))
    await revoking.wait()
    operator.cancel()
    async with asyncio.timeout(SLOW_S + 1), refused(grpc.StatusCode.PERMISSION_DENIED, "was revoked"):
        await waiting


async def test_a_revoked_owner_is_refused_amid_its_upload(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator", LARGE) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest, rows=30)
        async with alice.channel() as channel:
            call = await open_upload(alice, alice.sign("law", vector, 30), channel)
            await send(call, vector.tobytes(), range(1))
            await coordinator.administer(rpc.REVOKE, m.OwnerRequest("alice"))
            before = await coordinator.traceless()
            async with asyncio.timeout(1), refused(grpc.StatusCode.PERMISSION_DENIED, "was revoked"):
                # The refusal may be here before the next chunk is on its way.
                with contextlib.suppress(asyncio.InvalidStateError):
                    await send(call, vector.tobytes(), range(1, 2))
                assert await call.read() is grpc.aio.EOF
                await outcome(call)
        assert await coordinator.traceless() == before


async def test_only_one_of_many_uploads_of_a_contribution_runs() -> None:
    uploads = Uploads()
    inside, most = 0, 0

    async def upload() -> None:
        nonlocal inside, most
        async with uploads.place("alice", "law"):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(10)
            finally:
                # What was begun in a thread is waited for.
                await asyncio.sleep(0.05)
                inside -= 1

    tasks = []
    for _ in range(4):
        tasks.append(asyncio.create_task(upload()))
        await asyncio.sleep(0.01)
    await until(lambda: sum(task.done() for task in tasks) == 3)
    tasks[-1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (most, inside) == (1, 0)


def open_payloads() -> list[str]:
    """The payloads that this process has open."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(descriptor.readlink()))
    return [link for link in links if "/payloads/" in link]


async def test_uploads_that_are_cut_off_leave_no_file_open(tmp_path: Path) -> None:
    draw = random.Random(20261125)
    async with running(tmp_path / "coordinator", LARGE) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest)
        async with alice.channel() as channel:
            for i in range(200):
                record = alice.sign(f"domain-{i % 4}", vector)
                sending = asyncio.create_task(alice.upload(channel, record, vector.tobytes()))
                await asyncio.sleep(draw.uniform(0.0, 0.02))
                sending.cancel()
                await asyncio.wait([sending])
        await alice.contribute("law", vector)
        await until(lambda: not open_payloads())


async def test_an_owner_cannot_fill_the_disk_with_unfinished_uploads(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    vector = random_contribution(1, alice.manifest)
    await alice.contribute("kept", vector)
    async with alice.channel() as channel:
        for i in range(3 * PARTIALS_PER_OWNER):
            call = await open_upload(alice, alice.sign(f"domain-{i}", vector), channel)
            await call.done_writing()
            await call.code()
    assert len(list((coordinator.data_dir / "payloads").iterdir())) == 1 + PARTIALS_PER_OWNER
    assert (await alice.call(rpc.WITHDRAW, alice.withdrawal("kept"))).repeated is False


async def test_a_payload_that_rotted_on_disk_is_found_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder) as coordinator:
        alice = await coordinator.owner("alice")
        await alice.contribute("law", random_contribution(1, alice.manifest))
    (payload,) = (folder / "payloads").iterdir()
    data = np.fromfile(payload, dtype="<i8")
    for damaged in (data + 1, data[:-1]):
        damaged.tofile(payload)
        with pytest.raises(PayloadDamaged, match="of alice for law is damaged"):
            async with running(folder):
                raise AssertionError
    data.tofile(payload)
    async with running(folder):
        pass


async def test_without_contributions_there_is_no_router_and_versions_go_on(coordinator: Running) -> None:
    alice, bob = await coordinator.owner("alice"), await coordinator.owner("bob")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    first = decode_router(await anext(bob.watch()))[0]
    await alice.call(rpc.LEAVE, alice.withdrawal())
    waiting = asyncio.ensure_future(anext(bob.watch()))
    await asyncio.sleep(0.3)
    assert (await coordinator.status()).router_version == 0
    assert not waiting.done()
    await bob.contribute("math", random_contribution(2, alice.manifest))
    second = decode_router(await waiting)[0]
    assert (second.version > first.version, second.domains) == (True, ("math",))


async def test_a_solver_that_fails_ends_the_coordinator_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnsolvableSystem("no numbers today")

    monkeypatch.setattr(publication, "solve_router", fail)
    with pytest.raises(UnsolvableSystem, match="no numbers today"):
        async with running(tmp_path / "coordinator") as coordinator:
            alice = await coordinator.owner("alice")
            await alice.contribute("law", random_contribution(1, alice.manifest))


async def test_leaving_takes_a_record_of_its_own(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    before = await coordinator.traceless()
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "withdraws 'law' only"):
        await alice.call(rpc.LEAVE, alice.withdrawal("law"))
    assert await coordinator.traceless() == before
