"""Peers in processes of their own, killed at any moment: what was committed or passed on is never lost or doubled."""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import toy
from node_running import words, write_prompts
from peer_processes import processes
from peer_running import PeerHome, toy_manifest

from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto import rpc

OWNERS = ("ann", "bob", "cat")
KILLS = 4


async def test_peers_killed_while_they_contribute_come_to_the_same_sum(tmp_path: Path) -> None:
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    homes = {owner: PeerHome(tmp_path / owner, embedder) for owner in OWNERS}
    homes["ann"].found("ann")
    chance = random.Random(5)
    async with processes() as nodes:
        for owner, home in homes.items():
            await nodes.start(owner, home)
            if owner != "ann":
                await home.join(await homes["ann"].invite(owner))
        said: dict[tuple[str, str], list[str]] = {}
        for turn in range(KILLS):
            owner = OWNERS[turn % len(OWNERS)]
            prompts = words(3 * turn, 10)
            path = write_prompts(tmp_path / f"{owner}.jsonl", prompts)
            work = asyncio.create_task(homes[owner].join(domains={"law": path}))
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            await nodes.kill(owner)
            with suppress(RidgewayError):
                await work
            await nodes.start(owner, homes[owner])
            # Whatever of it was done before the kill, the same join may be run again.
            await homes[owner].join(domains={"law": path})
            said[owner, "law"] = prompts
        for home in homes.values():
            await home.holds(said, toy_manifest())
        federation = await homes["cat"].administer(rpc.ADMIN_STATUS, m.GetStatusRequest())
        assert {member.owner for member in federation.members if member.contributions} == set(OWNERS)


async def test_a_node_that_stands_still_is_believed_dead_and_is_welcome_again(tmp_path: Path) -> None:
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    homes = {owner: PeerHome(tmp_path / owner, embedder) for owner in ("ann", "bob")}
    homes["ann"].found("ann")

    def seen(state: m.PeerState) -> Callable[[m.NodeStatus], bool]:
        return lambda status: bool(status.gossip) and [p.state for p in status.gossip.peers] == [state]  # type: ignore[union-attr]

    async with processes() as nodes:
        for owner, home in homes.items():
            await nodes.start(owner, home)
        bob = write_prompts(tmp_path / "bob.jsonl", words(4))
        await homes["bob"].join(await homes["ann"].invite("bob"), {"code": bob})
        await homes["ann"].holds({("bob", "code"): words(4)}, toy_manifest())
        nodes.running["bob"].send_signal(signal.SIGSTOP)
        await homes["ann"].until(seen(m.PeerState.DEAD))
        ann = write_prompts(tmp_path / "ann.jsonl", words(9))
        await homes["ann"].join(domains={"law": ann})
        nodes.running["bob"].send_signal(signal.SIGCONT)
        for home in homes.values():
            await home.holds({("ann", "law"): words(9), ("bob", "code"): words(4)}, toy_manifest())
            await home.until(seen(m.PeerState.ALIVE))
