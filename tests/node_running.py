"""A node in this process, on loopback, with the toy embedder; and what the sum must be, computed slowly and apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import toy

from ridgeway.manifest import Manifest
from ridgeway.node.daemon import NodeSettings, serve
from ridgeway.node.handover import join_federation, leave_federation, node_status
from ridgeway.proto import messages as m
from ridgeway.runtime.local_socket import connect
from ridgeway.statistics import TokenHistogram, encode_contribution, gram
from ridgeway.sums import FederationSum

# One owner's domain: its prompts.
Prompts = Iterable[str]


def write_prompts(path: Path, prompts: Prompts) -> Path:
    """Prompts as JSON Lines."""
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    return path


def words(first: int, count: int, step: int = 1) -> list[str]:
    """Prompts of toy words, each other than the one before."""
    return [f"w{(first + i * step) % 36} w{(first + i) % 36} w{first % 36}" for i in range(count)]


def expected_digest(manifest: Manifest, contributions: Mapping[tuple[str, str], Prompts]) -> bytes:
    """The sum's digest for prompts by owner and domain, in one process and without any of the node's code."""
    embedder, total = toy.toy_embedder(), FederationSum(manifest.dimension, manifest.fraction_bits)
    for (_, domain), prompts in contributions.items():
        histogram = TokenHistogram.empty(embedder)
        histogram.add(embedder.encode_batch(list(prompts)))
        statistics = gram(histogram, embedder)
        total.add(domain, encode_contribution(statistics, manifest.mass, manifest.fraction_bits), statistics.rows)
    return total.digest(manifest.digest())


@dataclass
class News:
    """Collects what a command tells."""

    heard: list[m.Progress] = field(default_factory=list)

    def __call__(self, news: m.Progress) -> None:
        """Hear one piece."""
        self.heard.append(news)

    def stages(self) -> set[str]:
        """The stages that were told."""
        return {news.stage for news in self.heard}


@dataclass
class RunningNode:
    """One node's data directory, and its daemon if that runs."""

    data_dir: Path
    embedder: str
    address: str = ""

    async def join(
        self, token: str, domains: Mapping[str, Path], experts: tuple[m.Expert, ...] = (), embedder: str | None = None
    ) -> News:
        """Join or add domains, by the daemon if one runs."""
        news = News()
        sources = tuple(m.PromptSource(domain, str(path)) for domain, path in domains.items())
        chosen = self.embedder if embedder is None else embedder
        await join_federation(self.data_dir, m.JoinRequest(token, sources, experts, chosen), news)
        return news

    async def leave(self, domain: str = "") -> News:
        """Leave or withdraw, by the daemon if one runs."""
        news = News()
        await leave_federation(self.data_dir, domain, news)
        return news

    async def status(self) -> m.NodeStatus:
        """The node's own status."""
        status, _ = await node_status(self.data_dir)
        return status

    async def until_router(self, version: int, timeout_s: float = 10.0) -> m.NodeStatus:
        """Wait for a router of at least this version."""
        async with asyncio.timeout(timeout_s):
            while (status := await self.status()).router_version < version:  # noqa: ASYNC110 - another task's work
                await asyncio.sleep(0.02)
        return status

    def socket(self) -> "object":
        """A channel to the daemon."""
        return connect(self.data_dir, "node.sock")


@asynccontextmanager
async def daemon(
    node: RunningNode,
    refresh_s: float = 0.0,
    listen: str | None = None,
    now: "object" = None,
) -> AsyncIterator[RunningNode]:
    """Run a node's daemon while the block runs."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    clock = now if callable(now) else (lambda: datetime.now(UTC))
    task = asyncio.create_task(serve(NodeSettings(node.data_dir, listen, refresh_s, clock), stop, ready.set_result))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    node.address = ready.result()
    try:
        yield node
    finally:
        stop.set()
        await task
