"""A node in this process, on loopback, with the toy embedder; and what the sum must be, computed slowly and apart."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import toy
from running import Running

from ridgeway.manifest import Manifest
from ridgeway.node.control_service import SOCKET
from ridgeway.node.daemon import Addresses, NodeSettings, serve
from ridgeway.node.handover import join_federation, leave_federation, node_status
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.local_socket import connect
from ridgeway.statistics import TokenHistogram, encode_contribution, gram
from ridgeway.sums import FederationSum
from ridgeway.web.settings import HttpSettings


def write_prompts(path: Path, prompts: Iterable[str]) -> Path:
    """Prompts as JSON Lines."""
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    return path


def words(first: int, count: int = 20) -> list[str]:
    """Prompts of toy words; another start gives other prompts."""
    return [f"w{(first + 5 * i) % 36} w{(first + i) % 36} w{first % 36}" for i in range(count)]


def expected_digest(manifest: Manifest, contributions: Mapping[tuple[str, str], Iterable[str]]) -> bytes:
    """The sum's digest for prompts by owner and domain, in one process and without any of the node's code."""
    embedder, total = toy.toy_embedder(), FederationSum(manifest.layout)
    for (_, domain), prompts in contributions.items():
        histogram = TokenHistogram.empty(embedder)
        histogram.add(embedder.encode_batch(list(prompts)))
        statistics = gram(histogram, embedder)
        total.add(domain, encode_contribution(statistics, manifest.mass, manifest.fraction_bits), statistics.rows)
    return total.digest(manifest.digest())


async def expect_sum(coordinator: Running, contributions: Mapping[tuple[str, str], Iterable[str]]) -> None:
    """The coordinator's sum must be that of these prompts, to the bit."""
    status = await coordinator.status()
    held = {(member.owner, c.domain) for member in status.members for c in member.contributions}
    assert held == set(contributions)
    assert status.sum_digest == expected_digest(Manifest.from_json(status.manifest_json), contributions)


@dataclass
class News:
    """Collects what a command tells."""

    heard: list[m.Progress] = field(default_factory=list)

    def __call__(self, news: m.Progress) -> None:
        """Hear one piece."""
        self.heard.append(news)

    def domains(self, stage: str) -> list[str]:
        """The domains that came to a stage."""
        return [news.domain for news in self.heard if news.stage == stage]


@dataclass
class NodeHome:
    """One node's data directory, whether its daemon runs or not."""

    data_dir: Path
    embedder: Path

    async def join(
        self,
        token: str = "",
        domains: Mapping[str, Path] | None = None,
        experts: tuple[m.Expert, ...] = (),
        news: News | None = None,
        hold_out: float = 0.0,
    ) -> News:
        """Join or add domains; by the daemon if one runs."""
        heard = News() if news is None else news
        sources = tuple(m.PromptSource(domain, str(path)) for domain, path in (domains or {}).items())
        request = m.JoinRequest(token, sources, experts, str(self.embedder), hold_out)
        await join_federation(self.data_dir, request, heard)
        return heard

    async def leave(self, domain: str = "", news: News | None = None) -> News:
        """Leave or withdraw a domain; by the daemon if one runs."""
        heard = News() if news is None else news
        await leave_federation(self.data_dir, domain, heard)
        return heard

    async def status(self) -> m.NodeStatus:
        """The node as it sees itself."""
        return (await node_status(self.data_dir))[0]

    async def call(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One call to the daemon."""
        async with connect(self.data_dir, SOCKET) as channel:
            return await rpc.call(channel, method, request, timeout_s=10)

    async def route(self, prompt: str) -> m.Decision:
        """Where the daemon sends a prompt."""
        decision = (await self.call(rpc.ROUTE, m.RouteRequest(prompt))).decision
        assert decision is not None
        return decision

    async def until(self, condition: Callable[[m.NodeStatus], bool], timeout_s: float = 10.0) -> m.NodeStatus:
        """Wait until the daemon's status is so."""
        async with asyncio.timeout(timeout_s):
            while not condition(status := await self.status()):  # noqa: ASYNC110 - another task's work
                await asyncio.sleep(0.02)
        return status


@asynccontextmanager
async def daemon(
    node: NodeHome,
    refresh_s: float = 0.0,
    listen: str | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    probe_s: float = 0.0,
    http: HttpSettings | None = None,
) -> AsyncIterator[Addresses]:
    """Run a node's daemon while the block runs; gives where it serves beside its socket."""
    stop = asyncio.Event()
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(NodeSettings(node.data_dir, listen, refresh_s, now, probe_s, http), stop, ready.set_result)
    )
    waiting: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield ready.result()
    finally:
        stop.set()
        await task
