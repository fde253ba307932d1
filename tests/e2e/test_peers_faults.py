"""Real peers in network namespaces of their own, over a network that delays and loses, while one fault after another
strikes: a partition, kill -9 in the middle of a join, a process that stands still, a directory from an old copy.

The simulator runs thousands of such histories; here few do, with the real processes, streams and disks.
"""

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import network_namespaces
import pytest
import toy
from network_namespaces import Network
from node_running import words, write_prompts
from peer_processes import Processes, processes
from peer_running import PeerHome, toy_manifest

from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m

pytestmark = pytest.mark.skipif(
    not network_namespaces.permitted(), reason="network namespaces and /dev/net/tun need root, and a kernel with both"
)

OWNERS = ("ann", "bob", "cat")
PORT = 7443
DELAY_MS, LOSS_PERCENT = 20.0, 2.0


@dataclass
class Field:
    """Three peers far from each other.

    Attributes:
        said: what was contributed, by owner and domain.
    """

    folder: Path
    network: Network
    homes: dict[str, PeerHome]
    nodes: Processes
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    async def start(self, owner: str) -> None:
        """Start a node in its namespace, and wait until it answers."""
        place = OWNERS.index(owner)
        prefix, listen = ("ip", "netns", "exec", self.network.names[place]), f"{self.network.addresses[place]}:{PORT}"
        await self.nodes.start(owner, self.homes[owner], listen, prefix)

    async def contribute(self, owner: str, domain: str, prompts: list[str], token: str = "") -> None:
        """Contribute prompts, with a token as a newcomer."""
        path = write_prompts(self.folder / f"{owner}-{domain}.jsonl", prompts)
        await self.homes[owner].join(token, {domain: path})
        self.said[owner, domain] = prompts

    async def agree(self, *owners: str) -> None:
        """Wait until these, or all, hold exactly what was contributed, and one router."""
        for owner in owners or OWNERS:
            await self.homes[owner].holds(self.said, toy_manifest())
        weights = {(await self.homes[owner].status()).gossip.weights_digest for owner in owners or OWNERS}  # type: ignore[union-attr]
        assert len(weights) == 1


@asynccontextmanager
async def far_apart(folder: Path) -> AsyncIterator[Field]:
    """Three peers, joined, each with a contribution; no process outlives the block."""
    embedder = toy.write_toy_embedder(folder / "toy")
    homes = {owner: PeerHome(folder / owner, embedder, PORT) for owner in OWNERS}
    homes["ann"].found("ann")
    with network_namespaces.network(len(OWNERS), DELAY_MS, LOSS_PERCENT) as network:
        async with processes() as nodes:
            made = Field(folder, network, homes, nodes)
            for place, owner in enumerate(OWNERS):
                await made.start(owner)
                token = await homes["ann"].invite(owner) if owner != "ann" else ""
                await made.contribute(owner, "law", words(3 * place), token)
            await made.agree()
            yield made


def seen(owner: str, state: m.PeerState) -> Callable[[m.NodeStatus], bool]:
    """Whether a node believes this of another."""
    return lambda status: (
        status.gossip is not None and (owner, state) in {(peer.owner, peer.state) for peer in status.gossip.peers}
    )


async def test_both_sides_of_a_partition_go_on_and_come_together_again(tmp_path: Path) -> None:
    async with far_apart(tmp_path) as peers:
        peers.network.part(OWNERS.index("cat"))
        common = dict(peers.said)
        await peers.contribute("ann", "code", words(20))
        await peers.contribute("bob", "law", words(23))
        await peers.agree("ann", "bob")
        apart, peers.said = peers.said, common
        await peers.contribute("cat", "code", words(26))
        await peers.agree("cat")
        await peers.homes["ann"].until(seen("cat", m.PeerState.DEAD))
        peers.said = apart | {("cat", "code"): words(26)}
        peers.network.heal()
        await peers.agree()
        for owner in OWNERS:
            for other in set(OWNERS) - {owner}:
                await peers.homes[owner].until(seen(other, m.PeerState.ALIVE))


async def test_a_kill_a_standstill_and_an_old_copy_leave_no_trace_in_the_sum(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with far_apart(tmp_path) as peers:
        # kill -9 somewhere in a join; the same join may be run again.
        path = write_prompts(tmp_path / "bob-law.jsonl", words(30))
        work = asyncio.create_task(peers.homes["bob"].join(domains={"law": path}))
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        await peers.nodes.kill("bob")
        with suppress(RidgewayError):
            await work
        await peers.start("bob")
        await peers.contribute("bob", "law", words(30))
        await peers.agree()

        # One stands still until it is believed dead, while the others go on.
        peers.nodes.running["cat"].send_signal(signal.SIGSTOP)
        await peers.contribute("ann", "code", words(33))
        await peers.homes["ann"].until(seen("cat", m.PeerState.DEAD))
        await peers.agree("ann", "bob")
        peers.nodes.running["cat"].send_signal(signal.SIGCONT)
        await peers.agree()

        # One is put back to what it was before its last contribution.
        await peers.nodes.kill("bob")
        shutil.copytree(peers.homes["bob"].data_dir, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
        await peers.start("bob")
        await peers.contribute("bob", "law", words(36))
        await peers.agree()
        await peers.nodes.kill("bob")
        shutil.rmtree(peers.homes["bob"].data_dir)
        shutil.copytree(tmp_path / "copy", peers.homes["bob"].data_dir)
        await peers.start("bob")
        await peers.agree()
        await peers.contribute("bob", "law", words(39))
        await peers.agree()
        for owner in OWNERS:
            gossip = (await peers.homes[owner].status()).gossip
            assert gossip is not None and not gossip.faults
