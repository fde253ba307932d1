"""What the coordinator does for members: exact sums, resumed uploads, a router feed that nobody can hold up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import light_client
import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from light_client import Owner, random_contribution
from running import Running, refused, running

from ridgeway.coordinator.daemon import CoordinatorSettings, serve
from ridgeway.coordinator.founding import ManifestIsFixed, Wishes
from ridgeway.crypto.certificates import new_tls_key, read_peer_certificate, signing_request
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.manifest import FeatureMap
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router
from ridgeway.runtime.data_dir import DataDirectoryInUse
from ridgeway.runtime.tls import MemberTls
from ridgeway.sums import FederationSum

# A payload of three chunks.
LARGE = 520


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


async def test_the_sum_is_exactly_that_of_the_contributions_in_whatever_order(coordinator: Running) -> None:
    owners = [await coordinator.owner(f"owner-{i}") for i in range(8)]
    vectors = [random_contribution(seed, owners[0].manifest) for seed in range(8)]
    await asyncio.gather(
        *(o.contribute(f"domain-{i % 3}", v) for i, (o, v) in enumerate(zip(owners, vectors, strict=True)))
    )
    manifest = owners[0].manifest
    assert manifest is not None
    expected = FederationSum(manifest.layout)
    for i, vector in reversed(list(enumerate(vectors))):
        expected.add(f"domain-{i % 3}", vector, 20)
    assert (await coordinator.status()).sum_digest == expected.digest(manifest.digest())


async def test_two_hundred_owners_at_once(coordinator: Running) -> None:
    owners = [await coordinator.owner(f"owner-{i}") for i in range(40)]
    manifest = owners[0].manifest
    assert manifest is not None
    expected = FederationSum(manifest.layout)
    work = []
    for i, owner in enumerate(owners):
        for j in range(5):
            vector = random_contribution(5 * i + j, manifest)
            expected.add(f"domain-{j}", vector, 20)
            work.append(owner.contribute(f"domain-{j}", vector))
    await asyncio.gather(*work)
    status = await coordinator.status()
    assert status.sum_digest == expected.digest(manifest.digest())
    assert sum(domain.rows for domain in status.domains) == 200 * 20


async def test_replacing_withdrawing_and_leaving_restore_earlier_bits(coordinator: Running) -> None:
    alice, bob = await coordinator.owner("alice"), await coordinator.owner("bob")
    one, two = (random_contribution(seed, alice.manifest) for seed in (1, 2))
    first = await alice.contribute("law", one)
    second = await bob.contribute("law", two)
    replaced = await bob.contribute("law", one)
    assert (await bob.contribute("law", two)).sum_digest == second.sum_digest != replaced.sum_digest
    with_math = await bob.contribute("math", one)
    assert (await bob.call(rpc.WITHDRAW, bob.withdrawal("math"))).sum_digest == second.sum_digest
    assert (await bob.contribute("math", one)).sum_digest == with_math.sum_digest
    record = bob.withdrawal()
    left = await bob.call(rpc.LEAVE, record)
    assert (left.sum_digest, left.repeated) == (first.sum_digest, False)
    again = await bob.call(rpc.LEAVE, record)
    assert (again.sum_digest, again.repeated) == (first.sum_digest, True)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "has left the federation"):
        await bob.contribute("law", two)


async def test_an_owner_that_left_comes_back_only_by_a_new_invitation_and_with_higher_numbers(
    coordinator: Running,
) -> None:
    bob = await coordinator.owner("bob")
    await bob.contribute("law", random_contribution(1, bob.manifest))
    await bob.contribute("law", random_contribution(2, bob.manifest))
    await bob.call(rpc.LEAVE, bob.withdrawal())
    returned = await coordinator.owner("bob")
    assert returned.sequence > 2
    await returned.contribute("law", random_contribution(3, bob.manifest))
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "was replaced"):
        await bob.call(rpc.GET_STATUS, m.GetStatusRequest())


async def test_eviction_takes_the_owner_out_and_revocation_leaves_it_in(coordinator: Running) -> None:
    alice, bob = await coordinator.owner("alice"), await coordinator.owner("bob")
    first = await alice.contribute("law", random_contribution(1, alice.manifest))
    second = await bob.contribute("math", random_contribution(2, alice.manifest))
    revoked = await coordinator.administer(rpc.REVOKE, m.OwnerRequest("bob"))
    assert revoked.sum_digest == second.sum_digest
    evicted = await coordinator.administer(rpc.EVICT, m.OwnerRequest("bob"))
    assert evicted.sum_digest == first.sum_digest
    states = {member.owner: member.state.name for member in (await coordinator.status()).members}
    assert states == {"alice": "ACTIVE", "bob": "EVICTED"}


async def partial_upload(owner: Owner, record: m.SignedRecord, payload: bytes, chunks: int) -> int:
    """Send some chunks and break the stream; where the coordinator wanted to begin."""
    async with owner.channel() as channel:
        call = rpc.converse(channel, rpc.CONTRIBUTE)
        await call.write(m.ContributeRequest(record=record))
        answer = await call.read()
        assert isinstance(answer, m.ContributeResponse)
        assert answer.ready is not None
        begin = answer.ready.next_chunk
        for index in range(begin, begin + chunks):
            data = payload[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            await call.write(m.ContributeRequest(chunk=m.PayloadChunk(index, data)))
        await asyncio.sleep(0.3)
        call.cancel()
    return begin


async def test_an_upload_is_resumed_after_a_broken_stream_and_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder, LARGE) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest, rows=30)
        record, payload = alice.sign("law", vector, 30), vector.tobytes()
        assert len(payload) > 2 * CHUNK_BYTES
        assert await partial_upload(alice, record, payload, 1) == 0
        assert await partial_upload(alice, record, payload, 1) == 1
        port = int(coordinator.endpoints.members.rpartition(":")[2])
    async with running(folder, LARGE, port=port):
        assert await partial_upload(alice, record, payload, 0) == 2
        async with alice.channel() as channel:
            assert not (await alice.upload(channel, record, payload)).repeated


async def test_what_a_crash_damaged_of_a_partial_upload_is_sent_again(tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder, LARGE) as coordinator:
        alice = await coordinator.owner("alice")
        vector = random_contribution(1, alice.manifest, rows=30)
        record, payload = alice.sign("law", vector, 30), vector.tobytes()
        await partial_upload(alice, record, payload, 2)
        (staged,) = (folder / "payloads").iterdir()
        data = bytearray(staged.read_bytes())
        data[CHUNK_BYTES + 5] ^= 1
        staged.write_bytes(data)
        assert await partial_upload(alice, record, payload, 0) == 1
        async with alice.channel() as channel:
            await alice.upload(channel, record, payload)
        digest = (await coordinator.status()).sum_digest
    manifest = alice.manifest
    assert manifest is not None
    expected = FederationSum(manifest.layout)
    expected.add("law", vector, 30)
    assert digest == expected.digest(manifest.digest())


async def test_a_restart_keeps_members_sum_router_and_experts(tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder) as coordinator:
        alice = await coordinator.owner("alice")
        await alice.contribute("law", random_contribution(1, alice.manifest))
        expert = m.Expert("", "law", "https://llm.example/v1", "law-8b")
        await alice.call(rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest((expert,)))
        before = decode_router(await anext(alice.watch(1)))[0]
        status = await coordinator.status()
        port = int(coordinator.endpoints.members.rpartition(":")[2])
    async with running(folder, port=port) as coordinator:
        after = decode_router(await anext(alice.watch()))[0]
        again = await coordinator.status()
    assert (after.version, after.weights.tobytes(), after.experts) == (
        before.version,
        before.weights.tobytes(),
        before.experts,
    )
    assert after.experts[0].owner == "alice"
    assert (again.sum_digest, again.domains) == (status.sum_digest, status.domains)
    assert [member.owner for member in again.members] == ["alice"]


async def test_the_router_is_solved_from_the_sum_it_names(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    committed = await alice.contribute("law", random_contribution(1, alice.manifest))
    router = decode_router(await anext(alice.watch()))[0]
    assert router.sum_digest == committed.sum_digest
    assert router.domains == ("law",)
    assert alice.manifest is not None
    assert router.manifest_digest == alice.manifest.digest()
    assert np.isfinite(router.weights).all()


async def test_a_watcher_gets_the_newest_router_only_and_nothing_it_has(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    for seed in range(4):
        await alice.contribute("law", random_contribution(seed, alice.manifest))
    async with asyncio.timeout(10):
        while decode_router(await anext(alice.watch()))[0].version < 4:  # noqa: ASYNC110 - the solver may coalesce
            await asyncio.sleep(0.01)
    feed = alice.watch(4)
    waiting = asyncio.ensure_future(anext(feed))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await alice.contribute("law", random_contribution(9, alice.manifest))
    assert decode_router(await waiting)[0].version == 5
    await feed.aclose()


async def test_a_watcher_that_does_not_read_holds_up_nobody(coordinator: Running) -> None:
    slow, quick = await coordinator.owner("slow"), await coordinator.owner("quick")
    await quick.contribute("law", random_contribution(0, quick.manifest))
    async with slow.channel() as channel:
        stuck = rpc.watch(channel, rpc.WATCH_ROUTER, m.WatchRouterRequest())
        feed = quick.watch(1)
        versions: list[int] = []
        for seed in range(1, 30):
            await quick.contribute("law", random_contribution(seed, quick.manifest))
        async with asyncio.timeout(10):
            while not versions or versions[-1] < 30:
                versions.append(decode_router(await anext(feed))[0].version)
        assert versions == sorted(set(versions))
        stuck.cancel()
        await feed.aclose()


@pytest.mark.parametrize("method", [rpc.REVOKE, rpc.EVICT])
async def test_an_open_feed_ends_at_once_when_its_owner_is_sent_away(
    coordinator: Running, method: rpc.Method[m.OwnerRequest, m.OwnerResponse]
) -> None:
    alice = await coordinator.owner("alice")
    waiting = asyncio.ensure_future(anext(alice.watch()))
    await asyncio.sleep(0.3)
    await coordinator.administer(method, m.OwnerRequest("alice"))
    async with asyncio.timeout(1), refused(grpc.StatusCode.PERMISSION_DENIED, "new invitation"):
        await waiting


async def test_one_owner_cannot_open_feeds_without_end(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    waiting = [asyncio.ensure_future(anext(alice.watch())) for _ in range(4)]
    await asyncio.sleep(0.5)
    async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "4 times already"):
        await anext(alice.watch())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_renewed_certificate_works_and_the_old_one_until_it_ends(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    old, key = alice.tls, new_tls_key()
    assert old is not None
    response = await alice.call(rpc.RENEW_CERTIFICATE, m.RenewCertificateRequest(signing_request(key, "mallory")))
    assert read_peer_certificate(response.certificate_pem).owner == "alice"
    for tls in (MemberTls(old.authority_pem, response.certificate_pem, key), old):
        alice.tls = tls
        membership = await alice.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        assert membership.next_sequence == 1


async def test_certificates_live_as_long_as_the_operator_says(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator", certificate_lifetime=timedelta(minutes=3)) as coordinator:
        alice = await coordinator.owner("alice")
    assert alice.tls is not None
    certificate = read_peer_certificate(alice.tls.certificate_pem)
    assert timedelta(minutes=3) <= certificate.not_after - certificate.not_before <= timedelta(minutes=9)


async def test_membership_tells_a_restored_node_where_to_go_on(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    await alice.contribute("math", random_contribution(2, alice.manifest))
    membership = await alice.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
    assert membership.next_sequence == 3
    assert [(c.domain, c.sequence, c.rows) for c in membership.contributions] == [("law", 1, 20), ("math", 2, 20)]


async def test_health_and_reflection_answer(coordinator: Running) -> None:
    alice = await coordinator.owner("alice")
    async with alice.channel() as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=rpc.FEDERATION))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=rpc.FEDERATION)
        call = stub.ServerReflectionInfo(iter([request]))
        async for answer in call:
            files = [
                descriptor_pb2.FileDescriptorProto.FromString(f)
                for f in answer.file_descriptor_response.file_descriptor_proto
            ]
            break
        call.cancel()
    assert "Federation" in {service.name for file in files for service in file.service}


async def test_a_second_coordinator_on_the_same_directory_is_refused(coordinator: Running) -> None:
    with pytest.raises(DataDirectoryInUse, match="in use by process"):
        async with running(coordinator.data_dir):
            pass


async def test_a_restart_with_other_settings_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    async with running(folder):
        pass
    for wishes in (
        Wishes(features=FeatureMap.POOLED),
        Wishes(top_k=3),
        Wishes(ridge="auto"),
        Wishes(embedder=light_client.fingerprint(77)),
    ):
        settings = CoordinatorSettings(folder, lambda: light_client.fingerprint(9), wishes, port=0)
        with pytest.raises(ManifestIsFixed, match="founded with"):
            await serve(settings, asyncio.Event())
