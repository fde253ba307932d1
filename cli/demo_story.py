"""What happens in the demo, step by step, and what is checked on the way."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ridgeway.cli.local_federation import Joined, LocalFederation
from ridgeway.evaluation import Evaluation, evaluate
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.proto import messages as m
from ridgeway.samples import DOMAINS, test_path, train_path

# Each owner has one domain; the names say what kind of company would hold such prompts.
OWNERS = {"legal": "law-firm", "coding": "software-house", "medical": "clinic", "finance": "bank"}

Show = Callable[[str, "Story"], None]


@dataclass(slots=True)
class Routed:
    """One held-out prompt and where it went."""

    prompt: str
    domain: str
    chosen: str | None
    confidence: float

    @property
    def right(self) -> bool:
        """Whether it went to its own domain."""
        return self.chosen == self.domain


@dataclass(slots=True)
class Story:
    """Everything that happened, as it happens."""

    status: m.FederationStatus | None = None
    routers: dict[str, int] = field(default_factory=dict)
    joins: list[Joined] = field(default_factory=list)
    routed: list[Routed] = field(default_factory=list)
    evaluation: Evaluation | None = None
    left: str = ""
    digest_before_join: str = ""
    digest_after_leave: str = ""
    router_after_leave: int = 0
    exit_codes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def restored(self) -> bool:
        """Whether leaving gave back, to the bit, the sum from before the join."""
        return bool(self.digest_after_leave) and self.digest_after_leave == self.digest_before_join

    @property
    def sound(self) -> bool:
        """Whether everything that was checked held."""
        everyone = all(version == self.router_after_leave for version in self.routers.values())
        return self.restored and everyone and not any(self.exit_codes.values()) and bool(self.exit_codes)

    def document(self) -> dict[str, Any]:
        """The story as data."""
        return {
            "joins": [asdict(joined) for joined in self.joins],
            "routed": [asdict(routed) | {"right": routed.right} for routed in self.routed],
            "accuracy": self.evaluation.accuracy if self.evaluation else None,
            "balanced_accuracy": self.evaluation.balanced_accuracy if self.evaluation else None,
            "left": {
                "owner": self.left,
                "sum_digest_before_join": self.digest_before_join,
                "sum_digest_after_leave": self.digest_after_leave,
                "restored": self.restored,
                "router_version": self.router_after_leave,
                "routers": self.routers,
            },
            "exit_codes": self.exit_codes,
            "seconds": round(self.seconds, 2),
            "sound": self.sound,
        }


async def tell(root: Path, show: Show) -> Story:
    """Run the whole demo under a directory; processes are ended whatever happens.

    Raises:
        RidgewayError: a step failed.
    """
    story = Story()
    federation = LocalFederation(root)
    try:
        show("starting a coordinator and four nodes", story)
        await federation.start([OWNERS[domain] for domain in DOMAINS])
        await _join_all(federation, story, show)
        await _route_held_out(federation, story, show)
        await _let_one_leave(federation, story, show)
    finally:
        show("shutting everything down", story)
        story.exit_codes = await federation.stop()
    show("done", story)
    return story


async def _join_all(federation: LocalFederation, story: Story, show: Show) -> None:
    for domain in DOMAINS:
        owner = OWNERS[domain]
        show(f"{owner} joins with its {domain} prompts", story)
        story.joins.append(await federation.join(owner, {domain: train_path(domain)}, lambda _: None))
        await _look(federation, story)
        show(f"{owner} is in; router {story.joins[-1].router_version} is at every node", story)


async def _route_held_out(federation: LocalFederation, story: Story, show: Show) -> None:
    held_out = [(domain, prompt) for domain in DOMAINS for prompt in read_prompts(PromptSource(str(test_path(domain))))]
    owner = federation.members[0]
    show(f"{owner}'s node routes {len(held_out)} held-out prompts", story)
    entries = await federation.route(owner, [prompt for _, prompt in held_out])
    for (domain, prompt), entry in zip(held_out, entries, strict=True):
        chosen = entry.decision
        story.routed.append(
            Routed(prompt, domain, chosen.domain if chosen else None, chosen.confidence if chosen else 0.0)
        )
    story.evaluation = evaluate([r.domain for r in story.routed], [r.chosen for r in story.routed], sorted(DOMAINS))


async def _let_one_leave(federation: LocalFederation, story: Story, show: Show) -> None:
    story.left = story.joins[-1].owner
    story.digest_before_join = story.joins[-2].sum_digest
    show(f"{story.left} leaves", story)
    status = await federation.leave(story.left)
    story.digest_after_leave = status.sum_digest.hex()
    story.router_after_leave = status.router_version
    await _look(federation, story)
    show(f"router {status.router_version} is at every node that stayed", story)


async def _look(federation: LocalFederation, story: Story) -> None:
    story.status = await federation.status()
    versions = await asyncio.gather(*(federation.router_version(owner) for owner in federation.members))
    story.routers = dict(zip(federation.members, versions, strict=True))
