"""Masked rounds among peers, over real gRPC and TLS: what anybody sees is a sum, and all come to the same one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import toy
from node_running import words, write_prompts
from peer_running import PeerHome, peer, toy_manifest

from ridgeway.manifest import Masking
from ridgeway.peers.record_store import STORE_FILE, RecordStore
from ridgeway.proto import messages as m
from ridgeway.proto import rpc

OWNERS = ("ann", "bob", "cat", "dan")
MANIFEST = toy_manifest(masking=Masking.REQUIRED)


@dataclass
class Peers:
    """Masked peers in one folder, and what their sum must be."""

    folder: Path
    embedder: Path
    running: AsyncExitStack
    homes: dict[str, PeerHome] = field(default_factory=dict)
    contributions: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    async def start(self, *owners: str, nowhere: frozenset[str] = frozenset()) -> None:
        """Let owners in, the first of all as the founder; whoever is in `nowhere` cannot be dialled."""
        for owner in owners:
            home = self.homes[owner] = PeerHome(self.folder / owner, self.embedder)
            if owner in nowhere:
                home.port = 0
            if len(self.homes) == 1:
                home.found(owner, Masking.REQUIRED)
            await self.running.enter_async_context(peer(home))
            if len(self.homes) > 1:
                first = next(iter(self.homes.values()))
                await home.join(await first.invite(owner))
        # Who does not know a member yet takes part in no round with it, and would wait for the next one.
        for home in self.homes.values():
            await home.until(lambda s: s.gossip and len(s.gossip.peers) == len(self.homes) - 1)

    async def contribute(self, **prompts: list[str]) -> None:
        """Owners contribute prompts to the domain that is named after them, all at once."""
        works = []
        for owner, said in prompts.items():
            path = write_prompts(self.folder / f"{owner}.jsonl", said)
            self.contributions[owner, f"domain-{owner}"] = said
            works.append(self.homes[owner].join(domains={f"domain-{owner}": path}))
        async with asyncio.timeout(90):
            await asyncio.gather(*works)

    async def agree(self, *owners: str) -> None:
        """Wait until these peers hold exactly what was contributed."""
        for owner in owners or self.homes:
            await self.homes[owner].holds(self.contributions, MANIFEST)

    async def kinds(self) -> set[str]:
        """The kinds of all records that the founder's node holds."""
        store = RecordStore(self.homes["ann"].data_dir / STORE_FILE, read_only=True)
        try:
            return {entry.key.partition("/")[0] for entry in store.held()}
        finally:
            store.close()

    def forget(self, owner: str) -> None:
        """An owner's part must not count any more."""
        self.contributions = {place: said for place, said in self.contributions.items() if place[0] != owner}


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    async with AsyncExitStack() as running:
        yield Peers(tmp_path, toy.write_toy_embedder(tmp_path / "toy"), running)


async def test_masked_peers_join_and_hold_the_same_sum(peers: Peers) -> None:
    await peers.start(*OWNERS)
    await peers.contribute(ann=words(1), bob=words(7), cat=words(13), dan=words(19))
    await peers.agree()
    told = [(await home.federation()).rounds for home in peers.homes.values()]
    # Whoever added the last round up, everybody says how it ended.
    assert len({rounds and rounds.last_outcome for rounds in told}) == 1
    assert told[0] is not None and "was committed" in told[0].last_outcome


async def test_a_member_that_cannot_be_dialled_takes_part_and_no_contribution_is_passed_on(peers: Peers) -> None:
    await peers.start(*OWNERS, nowhere=frozenset({"cat", "dan"}))
    await peers.contribute(bob=words(7), cat=words(13), dan=words(19))
    await peers.agree()
    kinds = await peers.kinds()
    assert "round" in kinds and "contribution" not in kinds
    federation = await peers.homes["dan"].federation()
    held = {member.owner: [part.domain for part in member.contributions] for member in federation.members}
    assert held == {"ann": [], "bob": ["domain-bob"], "cat": ["domain-cat"], "dan": ["domain-dan"]}
    assert [domain.domain for domain in federation.domains if domain.rows] == ["domain-bob", "domain-cat", "domain-dan"]


async def test_change_leave_and_evict_go_through_rounds(peers: Peers) -> None:
    owners = (*OWNERS, "eve", "fay")
    await peers.start(*owners)
    # A round takes three at least, so these are two rounds.
    await peers.contribute(ann=words(0), bob=words(3), cat=words(6))
    await peers.contribute(dan=words(9), eve=words(12), fay=words(15))
    await peers.agree()
    before = (await peers.homes["ann"].status()).gossip
    # A leave and two changes; one alone has to wait, and says for what.
    leaving = asyncio.create_task(peers.homes["fay"].leave())
    await peers.homes["fay"].until(lambda s: "2 more" in s.waiting)
    waiting = (await peers.homes["fay"].federation()).rounds
    peers.forget("fay")
    await peers.contribute(ann=words(40), bob=words(44))
    async with asyncio.timeout(60):
        await leaving
    await peers.agree(*owners[:-1])
    # An eviction is a full round of the others, with two more changes.
    await peers.homes["ann"].administer(rpc.EVICT, m.OwnerRequest("eve"))
    peers.forget("eve")
    await peers.contribute(cat=words(50), dan=words(54))
    await peers.agree(*OWNERS)
    after = (await peers.homes["ann"].status()).gossip
    assert before and after and before.sum_digest != after.sum_digest
    assert waiting is not None
    # What was evicted comes back only as something new: the sum does not hold it.
    federation = await peers.homes["bob"].federation()
    assert {member.owner for member in federation.members if member.contributions} == set(OWNERS)


async def test_a_member_that_was_away_adopts_what_the_others_agreed_on(peers: Peers) -> None:
    await peers.start(*OWNERS)
    home = PeerHome(peers.folder / "eve", peers.embedder)
    async with peer(home):
        await home.join(await peers.homes["ann"].invite("eve"))
    await peers.contribute(bob=words(7), cat=words(13), dan=words(19))
    await peers.agree()
    async with peer(home):
        peers.homes["eve"] = home
        await peers.agree("eve")
        await home.until(lambda status: status.router_version)
        assert (await home.route(words(7)[0])).domain == (await peers.homes["bob"].route(words(7)[0])).domain
