"""Every method of every service over the real network stack, given bytes that nobody sensible would send.

A call may be answered or refused, with a status and a sentence; it never fails, and changes nothing for anybody else.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from fuzz_inputs import CORPUS, edited, random_edits
from light_client import Owner, random_contribution
from node_running import NodeHome, daemon, words, write_prompts
from peer_running import PeerHome, peer, toy_manifest
from running import DIMENSION, Running, running
from toy import write_toy_embedder

from ridgeway.coordinator.administration import SOCKET
from ridgeway.coordinator.founding import Wishes
from ridgeway.crypto.certificates import owner_dns_name
from ridgeway.crypto.labels import CONTRIBUTION_SIGNATURE, LEAVE_SIGNATURE
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.node.control_service import SOCKET as NODE_SOCKET
from ridgeway.node.link import read_tls
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.tls import enrolment_channel, member_channel

METHODS = [method for method in vars(rpc).values() if isinstance(method, rpc.Method)]
# Of a call that is answered or refused. UNKNOWN and INTERNAL say that the server failed.
FAILURES = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}
CALLS = 20
# Enough for what streams after a message that was taken; a stream that goes on is then ended by us.
STREAM_S = 0.1
CALL_S = 10.0
SEED = 7


def of(*services: str) -> list[Any]:
    return [method for method in METHODS if method.service in services]


def inputs(kind: type, draw: random.Random) -> bytes:
    """A message of the corpus, perhaps of another kind, perhaps damaged."""
    names = sorted(path.name for path in (CORPUS / "message").iterdir())
    name = kind.__name__.lower() if draw.random() < 0.8 else draw.choice(names)
    data = (CORPUS / "message" / name).read_bytes()[1:]
    return edited(data, random_edits(draw), data) if draw.random() < 0.8 else data


async def call(channel: grpc.aio.Channel, method: Any, messages: list[bytes]) -> grpc.StatusCode:
    """Send raw bytes to a method; its status, or OK for a stream that would go on."""
    open_call = getattr(channel, method.arity.value)(method.path)
    try:
        if method.arity is rpc.Arity.UNARY:
            await open_call(messages[0], timeout=CALL_S)
            return grpc.StatusCode.OK
        stream = open_call() if method.arity is rpc.Arity.BOTH_STREAM else open_call(messages[0])
        try:
            async with asyncio.timeout(STREAM_S):
                for message in messages if method.arity is rpc.Arity.BOTH_STREAM else ():
                    await stream.write(message)
                while await stream.read() is not grpc.aio.EOF:
                    pass
                return await ended(stream)
        except asyncio.InvalidStateError:
            return await ended(stream)
        except TimeoutError:
            return grpc.StatusCode.OK
        finally:
            stream.cancel()
    except grpc.aio.AioRpcError as error:
        return told(error.code(), error.details())


def told(code: grpc.StatusCode, details: str | None) -> grpc.StatusCode:
    """The server's status; OK where gRPC itself gives one at our side, for writing to a stream that has ended."""
    return grpc.StatusCode.OK if "Internal error from Core" in (details or "") else code


async def ended(stream: Any) -> grpc.StatusCode:
    """The status of a stream."""
    return told(await stream.code(), await stream.details())


async def bombard(
    channel: grpc.aio.Channel, method: Any, make: Callable[[type, random.Random], bytes] = inputs, calls: int = CALLS
) -> None:
    """Call one method with many strange messages; several at a time where it streams."""
    draw = random.Random(f"{SEED} {method.path}")
    strange = [[make(method.request, draw) for _ in range(draw.randint(1, 4))] for _ in range(calls)]
    strange += [[b""], [b"\xff" * 1000]]
    if method is rpc.NODE_LEAVE:
        strange = [messages for messages in strange if not leaves(messages[0])]
    codes = await asyncio.gather(*(call(channel, method, messages) for messages in strange[:8]))
    codes += [await call(channel, method, messages) for messages in strange[8:]]
    assert not set(codes) & FAILURES, [(m, c) for m, c in zip(strange, codes, strict=True) if c in FAILURES][:3]


def leaves(data: bytes) -> bool:
    try:
        return not decode(m.LeaveRequest, data).domain
    except MalformedMessage:
        return False


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator") as made:
        yield made


def tasks() -> int:
    return len(asyncio.all_tasks())


async def settled(before: int) -> None:
    """Wait until no more tasks run than before: what was begun for a call has ended with it."""
    async with asyncio.timeout(10):
        while tasks() > before:  # noqa: ASYNC110 - they end by themselves
            await asyncio.sleep(0.02)


def test_every_method_is_bombarded() -> None:
    assert {method.service for method in METHODS} == {
        rpc.ENROLMENT, rpc.FEDERATION, rpc.ADMINISTRATION, rpc.ROUTING, rpc.NODE_CONTROL, rpc.PEERS, rpc.PEER_ENROLMENT,
    }  # fmt: skip
    assert len(METHODS) == 30
    names = {path.name for path in (CORPUS / "message").iterdir()}
    assert {method.request.__name__.lower() for method in METHODS} <= names


@pytest.mark.parametrize("method", of(rpc.FEDERATION), ids=lambda method: method.name)
async def test_a_member_s_strange_calls_change_nothing(coordinator: Running, method: Any) -> None:
    alice, mallory = await coordinator.owner("alice"), await coordinator.owner("mallory")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    before = await coordinator.traceless()
    running_tasks = tasks()
    async with mallory.channel() as channel:
        await bombard(channel, method)
    await settled(running_tasks)
    assert await coordinator.traceless() == before
    assert (await alice.contribute("law", random_contribution(2, alice.manifest))).sum_digest != before[0]


async def test_strange_records_that_their_owner_signed_change_nothing(coordinator: Running) -> None:
    alice, mallory = await coordinator.owner("alice"), await coordinator.owner("mallory")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    before = await coordinator.traceless()

    def signed(kind: type, draw: random.Random) -> bytes:
        contribution = kind is m.ContributeRequest
        assert mallory.manifest is not None
        body: object = mallory.body("law", bytes(360), 20, bytes_per_number=8)
        if not contribution:
            body = m.WithdrawalBody(2, mallory.manifest.federation_id, "mallory", "law", 3)
        data = edited(encode(body), random_edits(draw), encode(body))
        label = CONTRIBUTION_SIGNATURE if contribution else LEAVE_SIGNATURE
        record = m.SignedRecord(data, mallory.key.sign(label, data))
        return encode(m.ContributeRequest(record=record) if contribution else record)

    async with mallory.channel() as channel:
        for method in (rpc.CONTRIBUTE, rpc.WITHDRAW):
            await bombard(channel, method, signed, 60)
    assert await coordinator.traceless() == before


async def test_strange_callers_without_a_certificate_and_a_strange_operator_change_nothing(
    coordinator: Running,
) -> None:
    alice = await coordinator.owner("alice")
    await alice.contribute("law", random_contribution(1, alice.manifest))
    assert alice.tls is not None
    before = await coordinator.traceless()
    async with enrolment_channel(coordinator.endpoints.enrolment, alice.tls.authority_pem) as channel:
        for method in of(rpc.ENROLMENT):
            await bombard(channel, method)
    async with connect(coordinator.data_dir, SOCKET) as channel:
        for method in of(rpc.ADMINISTRATION):
            await bombard(channel, method)
    assert await coordinator.traceless() == before


def odd_reply(draw: random.Random, nonce: bytes) -> bytes:
    """A reply in a round, of any kind; now and then with the round's own nonce."""
    reply = inputs(m.RoundReply, draw)
    steps = [
        m.RoundReply(intention=m.Intention(("law",), ("law",))),
        m.RoundReply(intention=m.Intention(("law",), exposed=("nobody", "alice"), exposed_kind=m.RoundKind.FULL)),
        m.RoundReply(intention=m.Intention((), ("x" * 500,), out_of_step=True)),
        m.RoundReply(intention=m.Intention(("\x00", ""), ("law", "law"), bytes(32), bytes(32), trial_version=1 << 63)),
        m.RoundReply(advertisement=m.Advertisement(bytes(32), b"x", b"y"), nonce=nonce),
        m.RoundReply(input=m.PayloadChunk(draw.choice([0, 1, 2**32 - 1]), draw.randbytes(9)), nonce=nonce),
        m.RoundReply(shares=m.SealedShares((m.SealedShare(2**32 - 1, b""),)), nonce=nonce),
        m.RoundReply(refusal="\ud7ff" * 1000, nonce=nonce),
    ]
    return reply if draw.random() < 0.3 else encode(draw.choice(steps))


async def test_strange_members_of_rounds_do_not_stop_the_coordinator(tmp_path: Path) -> None:
    """Three of them, so that rounds do begin, which they then answer with anything."""
    wishes = Wishes(features=FeatureMap.TOKENS, masking=Masking.REQUIRED)
    async with running(tmp_path / "coordinator", wishes=wishes) as coordinator:
        owners = [await coordinator.owner(name) for name in ("alice", "mallory", "trudy", "victor")]
        before = await coordinator.traceless()

        async def play(owner: Owner, seed: int) -> set[grpc.StatusCode]:
            draw, codes = random.Random(seed), set()
            async with owner.channel() as channel:
                for _ in range(12):
                    codes.add(await converse(channel, draw))
            return codes

        async def converse(channel: grpc.aio.Channel, draw: random.Random) -> grpc.StatusCode:
            stream, nonce = channel.stream_stream(rpc.TAKE_PART.path)(), b""
            try:
                await stream.write(odd_reply(draw, nonce))
                async with asyncio.timeout(0.3):
                    while (order := await stream.read()) is not grpc.aio.EOF:
                        nonce = decode(m.RoundOrder, order).nonce or nonce
                        await stream.write(odd_reply(draw, nonce))
                return await ended(stream)
            except grpc.aio.AioRpcError as error:
                return told(error.code(), error.details())
            except asyncio.InvalidStateError:
                return await ended(stream)
            except TimeoutError:
                return grpc.StatusCode.OK
            finally:
                stream.cancel()

        codes = set[grpc.StatusCode]().union(*await asyncio.gather(*map(play, owners[1:], range(3))))
        assert not codes & FAILURES
        assert await coordinator.traceless() == before
        rounds = (await coordinator.status()).rounds
        assert rounds is not None
        assert rounds.committed == 0


async def test_strange_calls_to_a_node_change_nothing(tmp_path: Path, coordinator: Running) -> None:
    folder = write_toy_embedder(tmp_path / "toy", dimension=DIMENSION - 1)
    embedder: Embedder = load_embedder(str(folder))
    async with running(tmp_path / "other", embedder=embedder.fingerprint) as federation:
        home = NodeHome(tmp_path / "node", folder)
        prompts = write_prompts(tmp_path / "medical.jsonl", words(1))
        async with daemon(home):
            await home.join(await federation.invite("alice"), {"medical": prompts})
            await home.until(lambda status: status.router_version > 0)
            before = await federation.traceless()
            running_tasks = tasks()
            async with connect(home.data_dir, NODE_SOCKET) as channel:
                for method in of(rpc.ROUTING, rpc.NODE_CONTROL):
                    await bombard(channel, method)
            await settled(running_tasks)
            assert await federation.traceless() == before
            assert (await home.route("w1 w2")).domain == "medical"


async def test_strange_calls_to_a_peer_change_nothing(tmp_path: Path) -> None:
    """From a member, and from somebody who only knows where it listens."""
    embedder = write_toy_embedder(tmp_path / "toy")
    ann, bob = PeerHome(tmp_path / "ann", embedder), PeerHome(tmp_path / "bob", embedder)
    ann.found("ann")
    async with peer(ann):
        await ann.join(domains={"law": write_prompts(tmp_path / "law.jsonl", words(1))})
        await bob.join(await ann.invite("bob"), {"code": write_prompts(tmp_path / "code.jsonl", words(7))})
        await ann.holds({("ann", "law"): words(1), ("bob", "code"): words(7)}, toy_manifest())
        tls, before = read_tls(DataDirectory(bob.data_dir, "node")), (await ann.status()).gossip
        assert before is not None
        name = owner_dns_name("ann")
        async with member_channel(f"127.0.0.1:{ann.port}", tls, name) as channel:
            for method in of(rpc.PEERS):
                await bombard(channel, method)
        async with enrolment_channel(f"127.0.0.1:{ann.port + 1}", tls.authority_pem, name) as channel:
            for method in of(rpc.PEER_ENROLMENT):
                await bombard(channel, method)
        after = (await ann.status()).gossip
        assert after is not None
        assert (after.root, after.sum_digest) == (before.root, before.sum_digest)


async def test_a_peer_s_strange_operator_stops_nothing(tmp_path: Path) -> None:
    ann = PeerHome(tmp_path / "ann", write_toy_embedder(tmp_path / "toy"))
    ann.found("ann")
    async with peer(ann):
        await ann.join(domains={"medical": write_prompts(tmp_path / "medical.jsonl", words(1))})
        async with connect(ann.data_dir, NODE_SOCKET) as channel:
            for method in of(rpc.ROUTING, rpc.NODE_CONTROL, rpc.ADMINISTRATION):
                await bombard(channel, method)
        await ann.holds({("ann", "medical"): words(1)}, toy_manifest())
