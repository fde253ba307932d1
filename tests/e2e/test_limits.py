"""One owner, or somebody without a certificate, does as much as it can: it is refused, and the others go on."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess, toy_fingerprint
from grpc_health.v1 import health_pb2, health_pb2_grpc
from light_client import Owner, chunks, random_contribution
from running import Running, refused, running

from ridgeway.coordinator import daemon as coordinator_daemon
from ridgeway.coordinator import enrolment_service, federation, federation_service, publication, uploads
from ridgeway.coordinator.caller import peer_network
from ridgeway.coordinator.founding import Wishes
from ridgeway.crypto.invitation import Invitation
from ridgeway.crypto.owner_name import DOMAINS_PER_OWNER, TooManyDomains, check_domains
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router
from ridgeway.rounds import hall as rounds
from ridgeway.rounds.hall import Connection
from ridgeway.runtime import bystanders, channel_options, serving
from ridgeway.runtime.local_socket import bind, connect
from ridgeway.runtime.open_files import allow_open_files
from ridgeway.sums import FederationSum
from ridgeway.token_bucket import TokenBuckets

Code = grpc.StatusCode
LARGE = 520


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


async def status(owner: Owner, channel: grpc.aio.Channel) -> m.FederationStatus:
    return await rpc.call(channel, rpc.GET_STATUS, m.GetStatusRequest(), timeout_s=10)


# Calls


async def test_an_owner_that_calls_too_often_is_refused_and_others_are_not(coordinator: Running) -> None:
    alice, mallory = await coordinator.owner("alice"), await coordinator.owner("mallory")
    allowed = int(federation_service.CALLS_AT_ONCE / federation_service.STATUS_COST)
    async with mallory.channel() as noisy, alice.channel() as quiet:
        outcomes: list[object] = []
        for _ in range(4):
            calls = (status(mallory, noisy) for _ in range(allowed // 2))
            outcomes += await asyncio.gather(*calls, return_exceptions=True)
        codes = [o.code() for o in outcomes if isinstance(o, grpc.aio.AioRpcError)]
        assert set(codes) == {Code.RESOURCE_EXHAUSTED}
        assert allowed <= len(outcomes) - len(codes) < 2 * allowed
        assert await status(alice, quiet)
        coordinator.clock.ahead = timedelta(seconds=60)
        assert await status(mallory, noisy)


def test_buckets_of_those_who_come_are_bounded_in_number() -> None:
    buckets = TokenBuckets(1.0, 2.0, kept=3)
    assert [buckets.of("a").take(0.0) for _ in range(3)] == [True, True, False]
    for name in ("b", "c", "a", "d"):
        buckets.of(name)
    assert buckets.of("a").is_empty(0.5)
    for name in ("b", "c", "d"):
        buckets.of(name)
    assert not buckets.of("a").is_empty(0.5)


# Uploads


@asynccontextmanager
async def opened(owner: Owner, domain: str, seed: int = 1, rows: int = 20) -> AsyncIterator[Any]:
    """An upload that has said what it would send, and the payload."""
    vector = random_contribution(seed, owner.manifest, rows)
    async with owner.channel() as channel:
        call = rpc.converse(channel, rpc.CONTRIBUTE, timeout_s=30)
        await call.write(m.ContributeRequest(record=owner.sign(domain, vector, rows)))
        try:
            yield call, vector.tobytes()
        finally:
            call.cancel()


async def test_an_owner_with_many_uploads_takes_one_place_and_only_so_many_may_wait(coordinator: Running) -> None:
    mallory, alice = await coordinator.owner("mallory"), await coordinator.owner("alice")
    async with AsyncExitStack() as stack:
        for i in range(uploads.UPLOADS_PER_OWNER):
            await stack.enter_async_context(opened(mallory, f"domain-{i}"))
        async with asyncio.timeout(10):
            await alice.contribute("law", random_contribution(2, alice.manifest))
            sentence = "sends 16 contributions already"
            async with refused(Code.RESOURCE_EXHAUSTED, sentence), opened(mallory, "more") as (call, _):
                await call.read()


async def test_an_upload_has_its_turn_while_others_wait_and_goes_on_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "TURN_S", 0.2)
    async with running(tmp_path / "coordinator", LARGE) as coordinator:
        slow = [await coordinator.owner(name) for name in ("mallory", "trudy")]
        alice = await coordinator.owner("alice")
        async with AsyncExitStack() as stack:
            calls = [await stack.enter_async_context(opened(owner, "law", 1, 30)) for owner in slow]
            for call, _ in calls:
                assert (await call.read()).ready is not None
            contributing = asyncio.create_task(alice.contribute("law", random_contribution(2, alice.manifest, 30), 30))
            await asyncio.sleep(0.4)
            ended = 0
            for call, payload in calls:
                # The rest would only race with the refusal: gRPC then tells of a broken stream instead.
                await call.write(m.ContributeRequest(chunk=next(iter(chunks(payload)))))
                with suppress(TimeoutError):
                    try:
                        async with asyncio.timeout(1.0):
                            await call.read()
                    except grpc.aio.AioRpcError as error:
                        assert (error.code(), "others wait" in str(error.details())) == (Code.ABORTED, True)
                        ended += 1
            async with asyncio.timeout(20):
                await contributing
            assert ended >= 1
        for owner in slow:
            await owner.contribute("law", random_contribution(1, owner.manifest, 30), 30)
        assert alice.manifest is not None
        expected = FederationSum(alice.manifest.layout)
        for seed in (1, 1, 2):
            expected.add("law", random_contribution(seed, alice.manifest, 30), 30)
        assert (await coordinator.status()).sum_digest == expected.digest(alice.manifest.digest())


async def test_a_sender_that_stalls_is_ended(coordinator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federation_service, "CHUNK_WAIT_S", 0.2)
    mallory = await coordinator.owner("mallory")
    async with opened(mallory, "law") as (call, _):
        assert (await call.read()).ready is not None
        async with refused(Code.ABORTED, "no chunk came"):
            await call.read()


async def test_who_waits_too_long_for_a_place_is_told_to_come_again(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "QUEUE_WAIT_S", 0.2)
    names = [f"owner-{i}" for i in range(uploads.UPLOADS_AT_ONCE)]
    async with AsyncExitStack() as stack:
        for owner in [await coordinator.owner(name) for name in names]:
            call, _ = await stack.enter_async_context(opened(owner, "law"))
            assert (await call.read()).ready is not None
        alice = await coordinator.owner("alice")
        async with opened(alice, "law") as (call, _), refused(Code.UNAVAILABLE, "busy with other uploads"):
            await call.read()


async def test_an_owner_that_changes_all_the_time_does_not_have_every_router_sent_to_everybody(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "WATCHERS_UNPACED", 0)
    monkeypatch.setattr(publication, "PACE_S", 1.0)
    alice = await coordinator.owner("alice")
    changes = 12

    async def versions_until_the_last() -> list[int]:
        seen: list[int] = []
        async with aclosing(alice.watch()) as artifacts:
            async for artifact in artifacts:
                seen.append(decode_router(artifact)[0].version)
                if seen[-1] >= changes:
                    break
        return seen

    watching = asyncio.create_task(versions_until_the_last())
    for seed in range(changes):
        await alice.contribute("law", random_contribution(seed, alice.manifest))
    async with asyncio.timeout(30):
        versions = await watching
    assert len(versions) < changes - 4
    assert versions == sorted(versions)


# Domains and experts


async def test_domains_are_bounded_for_an_owner_and_for_all(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federation, "DOMAINS_PER_OWNER", 2)
    monkeypatch.setattr(federation, "NAMES_PER_OWNER", 4)
    monkeypatch.setattr(federation, "DOMAINS_MAX", 3)
    mallory, alice = await coordinator.owner("mallory"), await coordinator.owner("alice")
    vector = random_contribution(1, mallory.manifest)

    async def come_and_go(names: str) -> None:
        for name in names:
            await mallory.contribute(name, vector)
            await mallory.call(rpc.WITHDRAW, mallory.withdrawal(name))

    await come_and_go("ab")
    await mallory.contribute("c", vector)
    await mallory.contribute("d", vector)
    before = await coordinator.traceless()
    for name in ("a", "e"):
        async with refused(Code.OUT_OF_RANGE, "2 domains at a time"):
            await mallory.contribute(name, vector)
    await mallory.call(rpc.WITHDRAW, mallory.withdrawal("d"))
    async with refused(Code.OUT_OF_RANGE, "4 ever"):
        await mallory.contribute("e", vector)
    await mallory.contribute("d", vector)
    assert await coordinator.traceless() == before
    await alice.contribute("law", vector)
    async with refused(Code.RESOURCE_EXHAUSTED, "has 3 domains"):
        await alice.contribute("math", vector)
    await alice.contribute("c", vector)


async def test_contributions_are_bounded_in_number(coordinator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federation, "ENTRIES_MAX", 2)
    mallory, alice = await coordinator.owner("mallory"), await coordinator.owner("alice")
    vector = random_contribution(1, mallory.manifest)
    for domain in ("a", "b"):
        await mallory.contribute(domain, vector)
    before = await coordinator.traceless()
    async with refused(Code.RESOURCE_EXHAUSTED, "holds 2 contributions, its limit"):
        await alice.contribute("law", vector)
    assert await coordinator.traceless() == before
    await mallory.contribute("a", random_contribution(2, mallory.manifest))


def test_a_round_takes_no_more_domains_of_an_owner_than_it_may_have() -> None:
    check_domains([f"domain-{i}" for i in range(DOMAINS_PER_OWNER)])
    with pytest.raises(TooManyDomains):
        check_domains([f"domain-{i}" for i in range(DOMAINS_PER_OWNER + 1)])


async def test_an_owner_s_experts_are_bounded_in_number_and_length(coordinator: Running) -> None:
    mallory = await coordinator.owner("mallory")
    long = tuple(m.Expert("", "law", f"https://x/{i}/{'y' * 1900}", "m") for i in range(9))
    many = tuple(m.Expert("", "law", f"https://x/{i}", "m") for i in range(federation_service.EXPERTS_PER_OWNER + 1))
    model = (m.Expert("", "law", "https://x", "m" * (federation_service.MODEL_CHARACTERS_MAX + 1)),)
    for experts, sentence in ((long, "16384 characters in all"), (many, "256 experts"), (model, "too long")):
        async with refused(Code.INVALID_ARGUMENT, sentence):
            await mallory.call(rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest(experts))


# Rounds


async def test_a_member_of_rounds_that_says_too_much_or_too_often_is_sent_away(tmp_path: Path) -> None:
    wishes = Wishes(features=FeatureMap.TOKENS, masking=Masking.REQUIRED)
    async with running(tmp_path / "coordinator", wishes=wishes) as coordinator:
        mallory = await coordinator.owner("mallory")
        domains = tuple(f"domain-{i}" for i in range(DOMAINS_PER_OWNER + 1))
        strange = [
            (m.Intention(domains), Code.OUT_OF_RANGE),
            (m.Intention(("No Name",)), Code.INVALID_ARGUMENT),
            (m.Intention(exposed=("x" * 64,)), Code.INVALID_ARGUMENT),
            (m.Intention(open_round=bytes(33)), Code.INVALID_ARGUMENT),
        ]
        async with mallory.channel() as channel:
            for intention, code in strange:
                assert await told(channel, [intention]) is code
            many = [m.Intention()] * (int(rounds.INTENTIONS_AT_ONCE) + 5)
            assert await told(channel, many) is Code.RESOURCE_EXHAUSTED


async def told(channel: grpc.aio.Channel, intentions: list[m.Intention]) -> grpc.StatusCode:
    """The status that a stream ends with once it has said these."""
    call = rpc.converse(channel, rpc.TAKE_PART, timeout_s=10)
    with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
        for intention in intentions:
            await call.write(m.RoundReply(intention=intention))
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code()


def test_a_member_that_reads_nothing_holds_only_so_many_orders() -> None:
    connection = Connection("mallory", asyncio.Queue(rounds.ORDERS_HELD))
    for _ in range(rounds.ORDERS_HELD + 1):
        connection.send(m.RoundOrder())
    assert connection.orders.qsize() == 1
    assert connection.orders.get_nowait() is None


# Enrolment


async def test_an_address_whose_secrets_open_nothing_is_refused_for_a_while(coordinator: Running) -> None:
    invitation = Invitation.from_token(await coordinator.invite("bob"))
    forged = replace(invitation, secret=bytes(32)).to_token()
    for _ in range(int(enrolment_service.FAILURES_AT_ONCE)):
        async with refused(Code.UNAUTHENTICATED, "no such invitation"):
            await Owner("bob").enrol(forged, coordinator.embedder)
    async with refused(Code.RESOURCE_EXHAUSTED, "from this address"):
        await Owner("bob").enrol(forged, coordinator.embedder)
    coordinator.clock.ahead = timedelta(seconds=10)
    await Owner("bob").enrol(invitation.to_token(), coordinator.embedder)


async def test_enrolments_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment_service, "CALLS_AT_ONCE", 3.0)
    monkeypatch.setattr(enrolment_service, "CALLS_PER_SECOND", 0.001)
    async with running(tmp_path / "coordinator") as coordinator:
        for i in range(3):
            await coordinator.owner(f"owner-{i}")
        async with refused(Code.RESOURCE_EXHAUSTED, "busy with enrolments"):
            await coordinator.owner("owner-3")
        coordinator.clock.ahead = timedelta(hours=1)
        await coordinator.owner("owner-4")


async def test_good_invitations_from_one_address_are_not_counted(coordinator: Running) -> None:
    number = int(enrolment_service.FAILURES_AT_ONCE) + 5
    for i in range(number):
        await coordinator.owner(f"owner-{i}")
    assert len((await coordinator.status()).members) == number


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:192.0.2.7:1234", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:1234", "2001:0db8:0001:0002"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "fe80:0000:0000:0000"),
        ("unix:", ""),
    ],
)
def test_networks_of_callers(peer: str, network: str) -> None:
    class Context:
        def peer(self) -> str:
            return peer

    assert peer_network(Context()) == network


# The end


async def test_running_calls_have_a_moment_at_the_end_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "GRACE_S", 1.0)
    cancelled = asyncio.Event()

    async def answer(request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        try:
            await asyncio.sleep({"quick": 0.3, "slow": 60.0}[request.owner])
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return m.OwnerResponse()

    server = serving.Server({rpc.ADMINISTRATION: rpc.handlers(rpc.ADMINISTRATION, {rpc.EVICT: answer})}, [])
    bound = bind(server.grpc, tmp_path, "socket")
    await server.start()
    async with connect(tmp_path, "socket") as channel, asyncio.timeout(10):
        calls = [
            asyncio.create_task(rpc.call(channel, rpc.EVICT, m.OwnerRequest(owner), timeout_s=30))
            for owner in ("quick", "slow")
        ]
        await asyncio.sleep(0.1)
        await server.stop()
        await cancelled.wait()
        assert await calls[0] == m.OwnerResponse()
        with pytest.raises(grpc.aio.AioRpcError):
            await calls[1]
    bound.close()


# Connections


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closes it within its timeout."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


async def test_connections_that_say_nothing_are_closed_and_only_so_many_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_options, "HANDSHAKE_MS", 1500)
    monkeypatch.setattr(channel_options, "CONNECTIONS_MAX", 8)
    async with running(tmp_path / "coordinator") as coordinator:
        host, _, port = coordinator.endpoints.members.rpartition(":")
        connections = [socket.create_connection((host, int(port)), 5) for _ in range(20)]
        try:
            for connection in connections:
                connection.settimeout(0.1)
            await asyncio.sleep(0.3)
            early = await asyncio.gather(*(asyncio.to_thread(is_closed, c) for c in connections))
            assert early.count(False) == 8
            for connection in connections:
                connection.settimeout(10)
            assert all(await asyncio.gather(*(asyncio.to_thread(is_closed, c) for c in connections)))
        finally:
            for connection in connections:
                connection.close()
        alice = await coordinator.owner("alice")
        await alice.contribute("law", random_contribution(1, alice.manifest))


async def test_a_connection_without_a_call_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_daemon, "ENROLMENT_IDLE_MS", 300)
    async with running(tmp_path / "coordinator") as coordinator:
        alice = await coordinator.owner("alice")
        assert alice.tls is not None
        credentials = grpc.ssl_channel_credentials(alice.tls.authority_pem)
        options = channel_options.channel_options("coordinator.ridgeway.internal")
        async with grpc.aio.secure_channel(coordinator.endpoints.enrolment, credentials, options=options) as channel:
            async with asyncio.timeout(10):
                await channel.channel_ready()
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)


async def test_health_checks_can_watch_but_not_without_end(
    coordinator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bystanders, "BYSTANDERS_MAX", 3)
    alice = await coordinator.owner("alice")
    async with alice.channel() as channel:
        watching = [health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        for watch in watching:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        async with refused(Code.RESOURCE_EXHAUSTED, "too many health checks"):
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert await status(alice, channel)
        for watch in watching:
            watch.cancel()


async def test_a_small_message_that_unpacks_to_a_large_one_fills_no_memory(tmp_path: Path) -> None:
    coordinator = CoordinatorProcess(tmp_path / "coordinator", 9)
    await coordinator.start()
    try:
        owner = Owner("mallory")
        await owner.enrol(await coordinator.invite("mallory"), toy_fingerprint(9))
        assert owner.tls is not None
        credentials = grpc.ssl_channel_credentials(
            owner.tls.authority_pem, owner.tls.key_pem, owner.tls.certificate_pem
        )
        options = [
            ("grpc.ssl_target_name_override", "coordinator.ridgeway.internal"),
            ("grpc.max_send_message_length", -1),
        ]
        packed = grpc.Compression.Gzip
        channel = grpc.aio.secure_channel(owner.address, credentials, options=options, compression=packed)
        before = resident_kib(coordinator.pid)
        async with channel, refused(Code.RESOURCE_EXHAUSTED, "larger than max"):
            await rpc.call(channel, rpc.WITHDRAW, m.SignedRecord(bytes(200 << 20), b""), timeout_s=30)
        assert resident_kib(coordinator.pid) - before < 48 * 1024
    finally:
        await coordinator.stop()


def resident_kib(pid: int) -> int:
    """The most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_a_daemon_may_open_as_many_files_as_it_takes_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 256), before[1]))
        assert allow_open_files(512) == 512
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
        assert allow_open_files(100) == 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
