"""Masked peers in processes of their own: whoever adds up is killed at any moment; it costs a new round, no more."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
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


async def test_the_one_that_adds_up_is_killed_and_comes_back(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with processes() as nodes:
        homes = await founded(tmp_path, nodes)
        said: Said = {}
        phases = []
        for turn in range(KILLS):
            works = []
            for place, owner in enumerate(OWNERS):
                said[owner, "law"] = words(10 * turn + place, 10)
                path = write_prompts(tmp_path / f"{owner}.jsonl", said[owner, "law"])
                works.append(asyncio.create_task(contribute(homes[owner], path)))
            async with asyncio.timeout(60):
                victim, phase = await aggregator(homes)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await nodes.kill(victim)
            phases.append(phase)
            await nodes.start(victim, homes[victim])
            # The same join may be run again; the others' are still waiting, or done.
            works.append(asyncio.create_task(contribute(homes[victim], tmp_path / f"{victim}.jsonl")))
            async with asyncio.timeout(120):
                await asyncio.gather(*works)
            for home in homes.values():
                await home.holds(said, MANIFEST)
        assert phases


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
