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


@dataclass(frozen=True, slots=True)
class Round:
    """A masked round: the sum that the coordinator got, and what the nodes' own files add up to without any mask."""

    what: str
    sum_digest: str
    plain_digest: str

    @property
    def exact(self) -> bool:
        """Whether both are the same."""
        return self.sum_digest == self.plain_digest


@dataclass(slots=True)
class Story:
    """Everything that happened, as it happens."""

    status: m.FederationStatus | None = None
    routers: dict[str, int] = field(default_factory=dict)
    joins: list[Joined] = field(default_factory=list)
    routed: list[Routed] = field(default_factory=list)
    evaluation: Evaluation | None = None
    rounds: list[Round] = field(default_factory=list)
    left: str = ""
    router_after_leave: int = 0
    exit_codes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether each masked sum was what the nodes' own files add up to, to the bit."""
        return bool(self.rounds) and all(round_.exact for round_ in self.rounds)

    @property
    def sound(self) -> bool:
        """Whether everything that was checked held."""
        everyone = all(version == self.router_after_leave for version in self.routers.values())
        return self.exact and everyone and not any(self.exit_codes.values()) and bool(self.exit_codes)

    def document(self) -> dict[str, Any]:
        """The story as data."""
        return {
            "joins": [asdict(joined) for joined in self.joins],
            "rounds": [asdict(round_) | {"exact": round_.exact} for round_ in self.rounds],
            "routed": [asdict(routed) | {"right": routed.right} for routed in self.routed],
            "accuracy": self.evaluation.accuracy if self.evaluation else None,
            "balanced_accuracy": self.evaluation.balanced_accuracy if self.evaluation else None,
            "left": {
                "owner": self.left,
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
    show("four owners join; what they send is masked, so the coordinator sees nothing but the sum of all", story)
    files = {domain: _some_prompts(federation.root, domain) for domain in DOMAINS}
    joining = [federation.join(OWNERS[domain], {domain: path}, lambda _: None) for domain, path in files.items()]
    story.joins = await asyncio.gather(*joining)
    await _compare(federation, story, "four owners join")
    show(f"all are in by one round; router {story.joins[-1].router_version} is at every node", story)


def _some_prompts(root: Path, domain: str) -> Path:
    """Three quarters of a domain's prompts, so that its owner has more to add later."""
    prompts = train_path(domain).read_text().splitlines(keepends=True)
    path = root / f"{OWNERS[domain]}-{domain}.jsonl"
    path.write_text("".join(prompts[: len(prompts) * 3 // 4]))
    return path


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
    """One owner leaves while two add prompts: a round with a single change would give that owner away."""
    story.left = OWNERS[DOMAINS[-1]]
    show(f"{story.left} leaves; its part goes out of the sum once two others change theirs too", story)
    leaving = asyncio.create_task(federation.leave(story.left))
    added = [federation.contribute(OWNERS[domain], {domain: train_path(domain)}) for domain in DOMAINS[:2]]
    await asyncio.gather(leaving, *added)
    status = await federation.router_everywhere()
    story.router_after_leave = status.router_version
    await _compare(federation, story, f"{story.left} leaves, two add prompts")
    show(f"router {status.router_version} is at every node that stayed", story)


async def _compare(federation: LocalFederation, story: Story, what: str) -> None:
    await _look(federation, story)
    digest = story.status.sum_digest.hex() if story.status else ""
    story.rounds.append(Round(what, digest, await asyncio.to_thread(federation.plain_digest)))


async def _look(federation: LocalFederation, story: Story) -> None:
    story.status = await federation.status()
    versions = await asyncio.gather(*(federation.router_version(owner) for owner in federation.members))
    story.routers = dict(zip(federation.members, versions, strict=True))
