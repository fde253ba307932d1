"""What a member that breaks the rules can do to other peers, over the real network stack: nothing that lasts."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import toy
from node_running import words, write_prompts
from peer_running import PeerHome, peer, toy_manifest

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, owner_dns_name, signing_request
from ridgeway.crypto.identity import BadSignature, IdentityKey
from ridgeway.gossip.events import Event
from ridgeway.gossip.limits import FRAME_VERSION
from ridgeway.node.enrolment import identity
from ridgeway.node.link import read_tls
from ridgeway.peers import keyring
from ridgeway.peers.caller import fingerprint
from ridgeway.peers.connections import Connections
from ridgeway.peers.dialling import Dialler, Self
from ridgeway.peers.handover import read_roster
from ridgeway.peers.record_store import STORE_FILE, RecordStore
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.greeting import check_greeting
from ridgeway.roster.keys import RecordKey, RecordKind, issuer_name
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.tls import MemberTls, member_channel

LAW, CODE = words(1), words(7)


@dataclass
class Rogue:
    """A member that sends what it likes."""

    connections: Connections
    dialler: Dialler
    key: IdentityKey
    issuer: str
    heard: list[Event] = field(default_factory=list)

    async def say(self, peer: str, *records: m.GossipRecord) -> None:
        """Push records on a digest, as honest peers push fresh ones."""
        digest = m.PeerDigest(root=b"r" * 32, peers_digest=b"p" * 32, answer=True, fresh=tuple(records))
        self.connections.send(peer, m.PeerFrame(FRAME_VERSION, digest=digest))


@asynccontextmanager
async def rogue(home: PeerHome, victim: str, address: str) -> AsyncIterator[Rogue]:
    """Open a real stream from a member's directory, whose daemon does not run."""
    directory = DataDirectory(home.data_dir, "node")
    charter, roster = keyring.read_charter(directory), read_roster(directory)
    heard: list[Event] = []

    async def report(event: Event) -> None:
        heard.append(event)

    connections = Connections(report)
    key = identity(directory)
    (owner,) = [name for name, each in roster.members.items() if each.identity_public_key == key.public_bytes]
    we = Self(owner, charter.federation_id, key, lambda: read_tls(directory))
    dialler = Dialler(we, roster.member, connections, 5.0)
    member = roster.member(owner)
    assert member
    made = Rogue(connections, dialler, key, member.issuer, heard)
    dialler.dial(victim, address)
    async with asyncio.timeout(20):
        while not connections.linked and not dialler.problems:  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0.02)
    try:
        yield made
    finally:
        connections.close()
        with suppress(asyncio.CancelledError):
            await dialler.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[PeerHome, PeerHome]]:
    """Ann, the founder, whose daemon runs, and bob, a member, whose does not."""
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    ann, bob = PeerHome(tmp_path / "ann", embedder), PeerHome(tmp_path / "bob", embedder)
    ann.found("ann")
    async with peer(ann):
        await ann.join(domains={"law": write_prompts(tmp_path / "law.jsonl", LAW)})
        await bob.join(await ann.invite("bob"), {"code": write_prompts(tmp_path / "code.jsonl", CODE)})
        await ann.holds({("ann", "law"): LAW, ("bob", "code"): CODE}, toy_manifest())
        yield ann, bob


def address(home: PeerHome) -> str:
    return f"127.0.0.1:{home.port}"


async def expect_thrown_out(ann: PeerHome, bob: PeerHome, records: Iterable[m.GossipRecord]) -> None:
    """The sender of these is cut off and counted, the second time not let in for a while, and has changed nothing."""
    before = await ann.status()
    assert before.gossip
    for _ in range(2):
        async with rogue(bob, "ann", address(ann)) as bad:
            assert bad.connections.linked
            await bad.say("ann", *records)
            async with asyncio.timeout(20):
                while bad.connections.linked:  # noqa: ASYNC110 - another task's work
                    await asyncio.sleep(0.02)
    after = await ann.status()
    assert after.gossip
    assert after.gossip.refused == before.gossip.refused + 2
    assert (after.gossip.root, after.gossip.sum_digest) == (before.gossip.root, before.gossip.sum_digest)
    async with rogue(bob, "ann", address(ann)) as again:
        assert not again.connections.linked
        assert "not listened to" in again.dialler.problems["ann"]


async def test_a_forged_membership_costs_the_connection(pair: tuple[PeerHome, PeerHome]) -> None:
    ann, bob = pair
    key = identity(DataDirectory(bob.data_dir, "node"))
    body = m.MembershipBody(RECORD_VERSION, toy_manifest().federation_id, "eve", 1, "", key.public_bytes, 1)
    await expect_thrown_out(ann, bob, [record_of(key, body)])


async def test_another_owners_contribution_cannot_be_altered(pair: tuple[PeerHome, PeerHome]) -> None:
    ann, bob = pair
    key = str(RecordKey(RecordKind.CONTRIBUTION, "ann", 1, "", "law"))
    (record,) = [each for each in records_of(bob) if each.key == key]
    await expect_thrown_out(ann, bob, [replace(record, sequence=record.sequence + 1)])


async def test_what_nobody_may_state_is_refused(pair: tuple[PeerHome, PeerHome]) -> None:
    ann, bob = pair
    key = identity(DataDirectory(bob.data_dir, "node"))
    about = (RECORD_VERSION, toy_manifest().federation_id, "bob", 1, 1)
    await expect_thrown_out(ann, bob, [record_of(key, m.GrantBody(*about, key.public_bytes, b"", True))])


async def test_an_older_record_changes_nothing(pair: tuple[PeerHome, PeerHome], tmp_path: Path) -> None:
    ann, bob = pair
    old = [each for each in records_of(bob) if each.key.startswith("contribution/ann/")]
    await ann.join(domains={"law": write_prompts(tmp_path / "law.jsonl", words(20))})
    contributions = {("ann", "law"): words(20), ("bob", "code"): CODE}
    await ann.holds(contributions, toy_manifest())
    async with rogue(bob, "ann", address(ann)) as bad:
        await bad.say("ann", *old)
        await asyncio.sleep(1.0)
        assert bad.connections.linked
    await ann.holds(contributions, toy_manifest())
    status = await ann.status()
    assert status.gossip
    assert status.gossip.refused == 0


async def test_bytes_that_are_no_frame_cost_the_connection(pair: tuple[PeerHome, PeerHome]) -> None:
    ann, bob = pair
    async with rogue(bob, "ann", address(ann)) as bad:
        bad.connections._outboxes["ann"].put(b"\xff\xff\xff\xff")
        async with asyncio.timeout(20):
            while bad.connections.linked:  # noqa: ASYNC110 - another task's work
                await asyncio.sleep(0.02)
    status = await ann.status()
    assert status.gossip
    assert status.gossip.refused == 1


async def test_a_certificate_alone_makes_nobody_a_member(pair: tuple[PeerHome, PeerHome]) -> None:
    """An administrator that certifies a key of its own as another owner passes TLS, and no further."""
    ann, bob = pair
    await ann.administer(rpc.APPOINT, m.OwnerRequest("bob"))
    async with peer(bob):
        await bob.until(lambda s: s.gossip and s.gossip.administrator)
    directory = DataDirectory(bob.data_dir, "node")
    charter, roster = keyring.read_charter(directory), read_roster(directory)
    grant = roster.grant(issuer_name("bob", 1))
    assert grant
    power = CertificateAuthority.from_pem(
        grant.issuer_certificate_pem, keyring.issuer_key(directory), charter.federation_id
    )
    key = new_tls_key()
    leaf = power.issue_member(signing_request(key, "ann"), "ann", datetime.now(UTC))
    false = MemberTls(read_tls(directory).authority_pem, leaf + grant.issuer_certificate_pem, key)
    async with peer(bob), member_channel(address(bob), false, owner_dns_name("bob")) as channel:
        greeted = await rpc.call(channel, rpc.GREET, m.GreetRequest(b"n" * 32), timeout_s=10)
        check_greeting(
            roster.members["bob"].identity_public_key, greeted.signature, charter.federation_id, "bob", "ann",
            fingerprint(leaf), b"n" * 32,
        )  # fmt: skip
        start = channel.stream_stream(rpc.EXCHANGE.path)
        call = start(metadata=(("ridgeway-proof-bin", bytes(64)), ("ridgeway-nonce-bin", greeted.nonce)))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(BadSignature):
        check_greeting(
            roster.members["ann"].identity_public_key, greeted.signature, charter.federation_id, "ann", "bob",
            fingerprint(leaf), b"n" * 32,
        )  # fmt: skip


async def test_a_stranger_without_a_certificate_is_not_served(pair: tuple[PeerHome, PeerHome]) -> None:
    ann, bob = pair
    authority = read_tls(DataDirectory(bob.data_dir, "node")).authority_pem
    credentials = grpc.ssl_channel_credentials(authority)
    options = [("grpc.ssl_target_name_override", owner_dns_name("ann"))]
    async with grpc.aio.secure_channel(address(ann), credentials, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await rpc.call(channel, rpc.GREET, m.GreetRequest(b"n" * 32), timeout_s=3)


def records_of(home: PeerHome) -> list[m.GossipRecord]:
    store = RecordStore(home.data_dir / STORE_FILE, read_only=True)
    try:
        return [entry.record for entry in store.held()]
    finally:
        store.close()
