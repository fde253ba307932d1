"""Masked peers in processes of their own: whoever adds up is killed at any moment; it costs a new round, no more."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import toy
from node_running import expected_digest, words, write_prompts
from peer_processes import Processes, processes
from peer_running import PeerHome, toy_manifest

from ridgeway.errors import RidgewayError
from ridgeway.manifest import Masking

OWNERS = ("ann", "bob", "cat", "dan")
MANIFEST = toy_manifest(masking=Masking.REQUIRED)
KILLS = 5
# Three owners may go into one round and leave the fourth waiting; the next turn takes it along.
SWEEPS = 5

Said = dict[tuple[str, str], list[str]]


async def founded(folder: Path, nodes: Processes) -> dict[str, PeerHome]:
    """Members that run and have contributed nothing."""
    embedder = toy.write_toy_embedder(folder / "toy")
    homes = {owner: PeerHome(folder / owner, embedder) for owner in OWNERS}
    homes["ann"].found("ann", Masking.REQUIRED)
    for owner, home in homes.items():
        await nodes.start(owner, home)
        if owner != "ann":
            await home.join(await homes["ann"].invite(owner))
    for home in homes.values():
        await home.until(lambda s: s.gossip and len(s.gossip.peers) == len(OWNERS) - 1)
    return homes


async def aggregator(homes: Mapping[str, PeerHome]) -> tuple[str, str]:
    """Who adds up a round now, and in which phase; waits until somebody does."""
    while True:
        for owner, home in homes.items():
            rounds = (await home.federation()).rounds
            if rounds is not None and rounds.phase:
                return owner, rounds.phase
        await asyncio.sleep(0.01)


async def contribute(home: PeerHome, path: Path) -> None:
    """Contribute a file to one domain; whatever ends the command, the node goes on with it."""
    with suppress(RidgewayError):
        await home.join(domains={"law": path})


@dataclass
class Members:
    """Members, what they contributed last, and the commands that wait for a round to take it up."""

    folder: Path
    homes: dict[str, PeerHome]
    said: Said = field(default_factory=dict)
    commands: list[asyncio.Task[None]] = field(default_factory=list)

    def contribute_all(self, turn: int) -> None:
        """Everybody contributes something new; a member that does so after all others waits for the next turn."""
        for place, owner in enumerate(OWNERS):
            self.said[owner, "law"] = words(10 * turn + place, 10)
            path = write_prompts(self.folder / f"{owner}.jsonl", self.said[owner, "law"])
            self.commands.append(asyncio.create_task(contribute(self.homes[owner], path)))

    async def agree(self, timeout_s: float) -> bool:
        """Whether all come to hold exactly what was said last."""
        digest = expected_digest(MANIFEST, self.said)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for home in self.homes.values():
                    await home.until(lambda s: s.gossip and s.gossip.sum_digest == digest, timeout_s=2 * timeout_s)
                return True
        return False

    async def close(self) -> None:
        """End the commands that still wait."""
        for command in self.commands:
            command.cancel()
        await asyncio.wait(self.commands)


async def test_the_one_that_adds_up_is_killed_and_comes_back(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with processes() as nodes:
        members = Members(tmp_path, await founded(tmp_path, nodes))
        for turn in range(KILLS):
            members.contribute_all(turn)
            async with asyncio.timeout(60):
                victim, _ = await aggregator(members.homes)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await nodes.kill(victim)
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            await nodes.start(victim, members.homes[victim])
        for turn in range(KILLS, KILLS + SWEEPS):
            members.contribute_all(turn)
            if await members.agree(45.0):
                break
        else:
            raise AssertionError([await home.status() for home in members.homes.values()])
        await members.close()


async def test_the_others_go_on_without_the_one_that_added_up(tmp_path: Path) -> None:
    async with processes() as nodes:
        homes = await founded(tmp_path, nodes)
        said: Said = {}
        works = []
        for place, owner in enumerate(OWNERS):
            said[owner, "law"] = words(3 * place, 10)
            path = write_prompts(tmp_path / f"{owner}.jsonl", said[owner, "law"])
            works.append(asyncio.create_task(contribute(homes[owner], path)))
        async with asyncio.timeout(60):
            victim, _ = await aggregator(homes)
        await nodes.kill(victim)
        left = [home for owner, home in homes.items() if owner != victim]
        without = {place: prompts for place, prompts in said.items() if place[0] != victim}
        # Its own part is in the sum if it had told the others of it, and not if it had not.
        possible = {expected_digest(MANIFEST, said), expected_digest(MANIFEST, without)}
        for home in left:
            await home.until(lambda s: s.gossip and s.gossip.sum_digest in possible, timeout_s=120)
        digests = {status.gossip.sum_digest for status in [await home.status() for home in left] if status.gossip}
        assert len(digests) == 1
        for work in works:
            work.cancel()
        await asyncio.wait(works)
