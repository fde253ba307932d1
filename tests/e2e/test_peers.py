"""Peers without a coordinator, over real gRPC and TLS: join, contribute, route, leave, evict, come back."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import toy
from node_running import words, write_prompts
from peer_running import PeerHome, peer, toy_manifest
from running import Clock

from ridgeway.errors import RidgewayError
from ridgeway.node.state import NotJoined
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Refused, Unreachable

LAW, CODE, MEDICINE = words(1), words(7), words(13)
MANIFEST = toy_manifest()


@dataclass
class Peers:
    """Peers in one folder, and what their sum must be."""

    folder: Path
    embedder: Path
    running: AsyncExitStack
    homes: dict[str, PeerHome] = field(default_factory=dict)
    contributions: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def home(self, owner: str, *, reachable: bool = True) -> PeerHome:
        """A data directory; a peer that is not reachable listens nowhere."""
        made = PeerHome(self.folder / owner, self.embedder)
        if not reachable:
            made.port = 0
        self.homes[owner] = made
        return made

    async def founder(self, *, reachable: bool = True) -> PeerHome:
        """The founder, running."""
        home = self.home("ann", reachable=reachable)
        home.found("ann")
        await self.running.enter_async_context(peer(home))
        return home

    async def member(
        self, owner: str, inviter: PeerHome, domain: str, prompts: list[str], *, reachable: bool = True
    ) -> PeerHome:
        """A further peer, running, which contributes."""
        home = self.home(owner, reachable=reachable)
        await self.running.enter_async_context(peer(home))
        await self.contribute(owner, domain, prompts, await inviter.invite(owner))
        return home

    async def contribute(self, owner: str, domain: str, prompts: list[str], token: str = "") -> None:
        """Contribute prompts, with a token as a newcomer."""
        path = write_prompts(self.folder / f"{owner}-{domain}.jsonl", prompts)
        await self.homes[owner].join(token, {domain: path})
        self.contributions[owner, domain] = prompts

    def forget(self, owner: str) -> None:
        """An owner's part must not count any more."""
        self.contributions = {place: prompts for place, prompts in self.contributions.items() if place[0] != owner}

    async def agree(self, *owners: str) -> None:
        """Wait until these peers hold exactly what was contributed."""
        for owner in owners:
            await self.homes[owner].holds(self.contributions, MANIFEST)


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    async with AsyncExitStack() as running:
        yield Peers(tmp_path, toy.write_toy_embedder(tmp_path / "toy"), running)


async def states(home: PeerHome) -> dict[str, m.MemberState]:
    return {member.owner: member.state for member in (await home.federation()).members}


async def test_peers_hold_the_same_sum_and_router(peers: Peers) -> None:
    ann = await peers.founder()
    await peers.contribute("ann", "law", LAW)
    bob = await peers.member("bob", ann, "code", CODE)
    cat = await peers.member("cat", ann, "medicine", MEDICINE)
    await peers.agree("ann", "bob", "cat")
    digests = {(await home.status()).gossip.weights_digest for home in (ann, bob, cat)}  # type: ignore[union-attr]
    assert len(digests) == 1 and all(digests)
    for home in (ann, bob, cat):
        await home.until(lambda status: status.router_version)
    decisions = [await home.route("w7 w12 w8") for home in (ann, bob, cat)]
    assert len({decision.domain for decision in decisions}) == 1
    federation = await cat.federation()
    assert [domain.domain for domain in federation.domains] == ["code", "law", "medicine"]
    seen = await cat.until(lambda s: s.gossip and all(p.in_step and not p.differs for p in s.gossip.peers))
    assert seen.gossip
    assert {p.owner: p.state for p in seen.gossip.peers} == dict.fromkeys(("ann", "bob"), m.PeerState.ALIVE)


async def test_a_newcomer_joins_through_any_member_also_if_the_administrator_cannot_be_dialled(peers: Peers) -> None:
    ann = await peers.founder()
    bob = await peers.member("bob", ann, "code", CODE)
    await bob.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
    await ann.administer(rpc.APPOINT, m.OwnerRequest("bob"))
    await bob.until(lambda s: s.gossip and s.gossip.administrator)
    cat = await peers.member("cat", bob, "medicine", MEDICINE, reachable=False)
    await cat.until(lambda s: s.gossip and s.gossip.address == "" and s.connected)
    await peers.agree("ann")
    await ann.administer(rpc.APPOINT, m.OwnerRequest("cat"))
    await cat.until(lambda s: s.gossip and s.gossip.administrator)
    await peers.member("dan", cat, "law", LAW)
    await peers.agree("ann", "bob", "cat", "dan")


async def test_an_invitation_lets_one_node_in_once(peers: Peers) -> None:
    ann = await peers.founder()
    token = await ann.invite("bob")
    peers.home("bob")
    await peers.contribute("bob", "code", CODE, token)
    thief = PeerHome(peers.folder / "thief", peers.embedder)
    with pytest.raises(Refused, match="used already"):
        await thief.join(token, {"code": peers.folder / "bob-code.jsonl"})
    first, second = await ann.invite("cat"), await ann.invite("cat")
    cat = peers.home("cat")
    assert first != second
    await peers.contribute("cat", "law", LAW, second)
    with pytest.raises(RidgewayError):
        await PeerHome(peers.folder / "late", peers.embedder).join(first, {"law": peers.folder / "cat-law.jsonl"})
    assert (await cat.status()).owner == "cat"
    await peers.agree("ann")


async def test_only_administrators_invite_and_evict(peers: Peers) -> None:
    ann = await peers.founder()
    bob = await peers.member("bob", ann, "code", CODE)
    with pytest.raises(Refused, match="bob is no administrator; ask one that is: ann"):
        await bob.invite("cat")
    with pytest.raises(Refused, match="no administrator"):
        await bob.administer(rpc.EVICT, m.OwnerRequest("ann"))
    with pytest.raises(Refused, match="only the founder"):
        await bob.administer(rpc.APPOINT, m.OwnerRequest("bob"))


async def test_who_leaves_is_out_to_the_bit_and_comes_back_by_a_new_invitation_only(peers: Peers) -> None:
    ann = await peers.founder()
    await peers.contribute("ann", "law", LAW)
    bob = await peers.member("bob", ann, "code", CODE)
    await peers.agree("ann", "bob")
    await bob.leave()
    peers.forget("bob")
    await peers.agree("ann")
    assert (await states(ann))["bob"] is m.MemberState.LEFT
    with pytest.raises((Refused, NotJoined), match="left"):
        await bob.join(domains={"code": peers.folder / "bob-code.jsonl"})
    await peers.contribute("bob", "code", CODE, await ann.invite("bob"))
    await peers.agree("ann", "bob")
    assert (await states(ann))["bob"] is m.MemberState.ACTIVE


async def test_one_domain_can_be_withdrawn(peers: Peers) -> None:
    ann = await peers.founder()
    bob = await peers.member("bob", ann, "code", CODE)
    await peers.contribute("bob", "law", LAW)
    await peers.agree("ann")
    await bob.leave("law")
    del peers.contributions["bob", "law"]
    await peers.agree("ann", "bob")


async def test_an_evicted_owner_is_out_of_the_sum_and_its_open_stream_ends(peers: Peers) -> None:
    ann = await peers.founder()
    await peers.contribute("ann", "law", LAW)
    bob = await peers.member("bob", ann, "code", CODE)
    cat = await peers.member("cat", ann, "medicine", MEDICINE)
    await peers.agree("ann", "bob", "cat")
    response = await ann.administer(rpc.EVICT, m.OwnerRequest("bob"))
    peers.forget("bob")
    await peers.agree("ann", "cat")
    status = await ann.status()
    assert status.gossip
    assert response.sum_digest == status.gossip.sum_digest
    assert "bob" not in {p.owner for p in status.gossip.peers}
    alone = await bob.until(lambda s: not s.connected and "no member any more" in s.last_error)
    assert "evicted" in alone.last_error
    assert (await states(cat))["bob"] is m.MemberState.EVICTED


async def test_a_revoked_owner_is_refused_and_its_part_still_counts(peers: Peers) -> None:
    ann = await peers.founder()
    bob = await peers.member("bob", ann, "code", CODE)
    await peers.agree("ann")
    await ann.administer(rpc.REVOKE, m.OwnerRequest("bob"))
    await bob.until(lambda s: not s.connected)
    await peers.agree("ann")
    assert (await states(ann))["bob"] is m.MemberState.REVOKED


async def test_a_dismissed_administrator_has_no_power_and_those_it_let_in_stay(peers: Peers) -> None:
    ann = await peers.founder()
    bob = await peers.member("bob", ann, "code", CODE)
    await ann.administer(rpc.APPOINT, m.OwnerRequest("bob"))
    await bob.until(lambda s: s.gossip and s.gossip.administrator)
    await peers.member("cat", bob, "law", LAW)
    await peers.agree("ann", "cat")
    await ann.administer(rpc.DISMISS, m.OwnerRequest("bob"))
    await bob.until(lambda s: s.gossip and not s.gossip.administrator)
    with pytest.raises(Refused, match="no administrator"):
        await bob.invite("dan")
    await peers.agree("ann", "bob", "cat")
    assert set((await states(ann)).values()) == {m.MemberState.ACTIVE}


async def test_a_node_that_was_away_catches_up(peers: Peers) -> None:
    ann = await peers.founder()
    bob = peers.home("bob")
    async with peer(bob):
        await peers.contribute("bob", "code", CODE, await ann.invite("bob"))
    await peers.contribute("ann", "law", LAW)
    await peers.contribute("ann", "medicine", MEDICINE)
    async with peer(bob):
        await peers.agree("ann", "bob")


async def test_a_join_without_a_daemon_is_passed_on_and_nobody_is_needed_to_start(peers: Peers) -> None:
    ann = await peers.founder()
    peers.home("bob")
    await peers.contribute("bob", "code", CODE, await ann.invite("bob"))
    await peers.agree("ann")
    peers.home("cat")
    with pytest.raises(Unreachable):
        stopped = PeerHome(peers.folder / "other", peers.embedder)
        stopped.found("other")
        async with peer(stopped):
            token = await stopped.invite("cat")
        await peers.homes["cat"].join(token)


async def test_an_old_copy_of_a_node_takes_higher_numbers(peers: Peers) -> None:
    ann = await peers.founder()
    bob = peers.home("bob")
    async with peer(bob):
        await peers.contribute("bob", "code", CODE, await ann.invite("bob"))
        await peers.agree("ann")
    shutil.copytree(bob.data_dir, peers.folder / "backup")
    async with peer(bob):
        await peers.contribute("bob", "code", words(20))
        await peers.contribute("bob", "code", words(25))
        await peers.agree("ann")
        (newest,) = (await bob.status()).domains
    shutil.rmtree(bob.data_dir)
    shutil.copytree(peers.folder / "backup", bob.data_dir)
    async with peer(bob):
        # The restored copy counts its file again, which says what the old copy does not know to be newer.
        await bob.until(lambda s: s.domains and s.domains[0].sequence > newest.sequence and s.domains[0].committed)
        await peers.agree("ann", "bob")
        await peers.contribute("bob", "code", words(30))
        await peers.agree("ann", "bob")


async def test_certificates_renew_themselves_by_gossip(peers: Peers) -> None:
    ann, bob = peers.home("ann"), peers.home("bob")
    ann.found("ann")
    async with peer(ann), peer(bob):
        await peers.contribute("bob", "code", CODE, await ann.invite("bob"))
        before = (await bob.status()).certificate_expires_unix_ms
    later = Clock(timedelta(days=75))
    async with peer(ann, now=later), peer(bob, now=later):
        await bob.until(lambda s: s.certificate_expires_unix_ms > before + 70 * 86_400_000)
        await ann.until(lambda s: s.certificate_expires_unix_ms > before + 70 * 86_400_000)


async def test_commands_work_beside_no_daemon(peers: Peers) -> None:
    ann = peers.home("ann")
    ann.found("ann")
    async with peer(ann):
        bob = await peers.member("bob", ann, "code", CODE)
        await peers.agree("ann")
    token = await ann.invite("cat")
    assert await states(ann) == {
        "ann": m.MemberState.ACTIVE,
        "bob": m.MemberState.ACTIVE,
        "cat": m.MemberState.INVITED,
    }
    await ann.administer(rpc.EVICT, m.OwnerRequest("bob"))
    assert (await states(ann))["bob"] is m.MemberState.EVICTED
    assert (await states(bob))["bob"] is m.MemberState.ACTIVE
    async with peer(ann):
        cat = peers.home("cat")
        await peers.contribute("cat", "law", LAW, token)
        peers.forget("bob")
        await peers.agree("ann")
        assert (await states(cat))["bob"] is m.MemberState.EVICTED
