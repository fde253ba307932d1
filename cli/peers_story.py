"""What happens in the demo of a federation without a coordinator, step by step, and what is checked on the way."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ridgeway.cli.local_peers import LocalPeers
from ridgeway.proto import messages as m
from ridgeway.samples import train_path

# Each owner, its domain, and which half of the domain's prompts it holds.
OWNERS = {
    "law-firm": ("legal", 0),
    "software-house": ("coding", 0),
    "clinic": ("medical", 0),
    "bank": ("finance", 0),
    "insurer": ("legal", 1),
    "hospital": ("medical", 1),
}
FOUNDER, LATE, KILLED, CHANGES, LEAVES = "law-firm", "hospital", "clinic", "bank", "insurer"

Show = Callable[[str, "PeersStory"], None]


@dataclass(frozen=True, slots=True)
class Agreement:
    """All peers at one moment: what each holds, and what their own files add up to without any gossip.

    Attributes:
        what: what had happened.
        plain_digest: of the files.
        sums: the sum's digest by owner.
        weights: the digest of the rounded router weights by owner.
        routers: the router's version by owner.
    """

    what: str
    plain_digest: str
    sums: dict[str, str]
    weights: dict[str, str]
    routers: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether all hold exactly what the files add up to, and one router."""
        return (
            set(self.sums.values()) == {self.plain_digest}
            and len(set(self.weights.values())) == 1
            and len(set(self.routers.values())) == 1
        )


@dataclass(slots=True)
class PeersStory:
    """Everything that happened, as it happens.

    Attributes:
        seen: the newest status by owner.
        gone: what has become of owners whose node does not run.
    """

    seen: dict[str, m.NodeStatus] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    agreements: list[Agreement] = field(default_factory=list)
    exit_codes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether everything that was checked held."""
        agreed = bool(self.agreements) and all(agreement.holds for agreement in self.agreements)
        return agreed and bool(self.exit_codes) and not any(self.exit_codes.values())

    def document(self) -> dict[str, Any]:
        """The story as data."""
        return {
            "agreements": [asdict(agreement) | {"holds": agreement.holds} for agreement in self.agreements],
            "exit_codes": self.exit_codes,
            "seconds": round(self.seconds, 2),
            "sound": self.sound,
        }


async def tell_of_peers(root: Path, show: Show) -> PeersStory:
    """Run the whole demo under a directory; processes are ended whatever happens.

    Raises:
        RidgewayError: a step failed.
    """
    story, peers = PeersStory(), LocalPeers(root)
    try:
        show("founding a federation, and starting six nodes; nobody coordinates", story)
        await asyncio.to_thread(peers.found, FOUNDER)
        await peers.start(list(OWNERS))
        await _join(peers, story, show)
        await _kill_and_return(peers, story, show)
        await _leave(peers, story, show)
    finally:
        show("shutting everything down", story)
        story.exit_codes = await peers.stop()
    show("done", story)
    return story


async def _join(peers: LocalPeers, story: PeersStory, show: Show) -> None:
    first = [owner for owner in OWNERS if owner != LATE]
    show("five owners join and gossip what they contribute", story)
    await peers.join(FOUNDER, _files(peers.root, FOUNDER))
    await asyncio.gather(*(peers.join(owner, _files(peers.root, owner)) for owner in first[1:]))
    await _agree(peers, story, show, "five owners join")
    show(f"{LATE} joins late, and gets what the others have", story)
    await peers.join(LATE, _files(peers.root, LATE))
    await _agree(peers, story, show, f"{LATE} joins late")


async def _kill_and_return(peers: LocalPeers, story: PeersStory, show: Show) -> None:
    show(f"{KILLED} is killed with -9; meanwhile {CHANGES} adds prompts", story)
    await peers.kill(KILLED)
    story.gone[KILLED] = "killed"
    domain, _ = OWNERS[CHANGES]
    await peers.contribute(CHANGES, {domain: train_path(domain)})
    others = [owner for owner in peers.members if owner != KILLED]
    await _agree(peers, story, show, f"without {KILLED}, whose part still counts", others)
    show(f"{KILLED} comes back and catches up", story)
    await peers.start([KILLED])
    del story.gone[KILLED]
    await _agree(peers, story, show, f"{KILLED} is back")


async def _leave(peers: LocalPeers, story: PeersStory, show: Show) -> None:
    show(f"{LEAVES} leaves; its part goes out of everybody's sum", story)
    await peers.leave(LEAVES)
    story.gone[LEAVES] = "left"
    await _agree(peers, story, show, f"{LEAVES} leaves")


def _files(root: Path, owner: str) -> dict[str, Path]:
    """An owner's half of its domain's sample prompts."""
    domain, half = OWNERS[owner]
    path = root / f"{owner}-{domain}.jsonl"
    path.write_text("".join(train_path(domain).read_text().splitlines(keepends=True)[half::2]))
    return {domain: path}


async def _agree(peers: LocalPeers, story: PeersStory, show: Show, what: str, owners: list[str] | None = None) -> None:
    """Wait until all hold the sum of all files, and write down what each holds."""
    digest = await asyncio.to_thread(peers.plain_digest)

    def watch(found: dict[str, m.NodeStatus]) -> None:
        story.seen |= found
        show(what, story)

    found = await peers.agreed(digest, owners or [], watch)
    gossips = {owner: status.gossip or m.GossipStatus() for owner, status in found.items()}
    story.agreements.append(
        Agreement(
            what,
            digest,
            {owner: gossip.sum_digest.hex() for owner, gossip in gossips.items()},
            {owner: gossip.weights_digest.hex() for owner, gossip in gossips.items()},
            {owner: status.router_version for owner, status in found.items()},
        )
    )
