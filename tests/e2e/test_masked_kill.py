"""kill -9 in every phase of a masked round: both sides agree how it ended, and the next round works.

The process that is killed is real. The others run here, and one of them stops at the step in question, so that the kill
falls into it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import toy
from free_port import free_port
from node_process import nursery
from node_running import NodeHome, daemon, expected_digest, words, write_prompts
from running import running

from ridgeway.cli.administer import administer
from ridgeway.cli.local_federation import Process
from ridgeway.coordinator.founding import Wishes
from ridgeway.manifest import FeatureMap, Manifest
from ridgeway.node.rounds import Call, Rounds, Standing
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Unreachable

DOMAINS = {"alpha": "law", "beta": "math", "gamma": "medicine", "delta": "law"}
STEPS = ["terms", "cohort", "shares", "input_wanted", "survivors", "agreements", "outcome"]
WAIT_S = 100.0


@dataclass
class Stop:
    """One owner stops at one step of its first round: there something else happens, and it goes on.

    Attributes:
        owner: who stops.
        step: before which.
        deaf: whether it never hears the outcome, when that is the step; its stream must break then.
    """

    owner: str
    step: str
    deaf: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stop before the owner takes the step."""
        take_step, end = Rounds._take_step, Rounds._end

        async def stopping(rounds: Rounds, call: Call, order: m.RoundOrder, standing: Standing) -> None:
            if standing.owner == self.owner and getattr(order, self.step) is not None and not self.reached.is_set():
                self.reached.set()
                await self.go_on.wait()
            await take_step(rounds, call, order, standing)

        def ending(rounds: Rounds, order: m.RoundOrder) -> None:
            first = self.step == "outcome" and not self.reached.is_set()
            if first:
                self.reached.set()
            if not (first and self.deaf):
                end(rounds, order)

        monkeypatch.setattr(Rounds, "_take_step", stopping)
        monkeypatch.setattr(Rounds, "_end", ending)


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    return toy.write_toy_embedder(tmp_path / "toy-model")


def prompts_of(name: str, edition: int = 0) -> list[str]:
    return words(sorted(DOMAINS).index(name) * 3 + 11 * edition)


async def contribute(folder: Path, name: str, node: NodeHome, token: str = "", edition: int = 0) -> None:
    """Join with an invitation, or change, until the sum holds it; a daemon that dies meanwhile is asked again."""
    source = write_prompts(folder / f"{name}.jsonl", prompts_of(name, edition))
    while True:
        try:
            await node.join(token, {DOMAINS[name]: source})
        except Unreachable:
            await asyncio.sleep(0.1)
        else:
            return


def held(editions: Mapping[str, int]) -> dict[tuple[str, str], list[str]]:
    return {(name, DOMAINS[name]): prompts_of(name, edition) for name, edition in editions.items()}


def agrees(status: m.FederationStatus, editions: Mapping[str, int]) -> bool:
    """Whether the sum is that of these prompts, to the bit."""
    manifest = Manifest.from_json(status.manifest_json)
    return status.sum_digest == expected_digest(manifest, held(editions))


@asynccontextmanager
async def coordinator_process(folder: Path, embedder: Path, port: int) -> AsyncIterator[Process]:
    process = await Process.start(
        "coordinator",
        folder / "coordinator.log",
        *("coordinator", "--data-dir", str(folder / "coordinator"), "--listen", f"127.0.0.1:{port}", "--json"),
        *("--embedder", str(embedder), "--features", "tokens"),
    )
    try:
        await process.ready()
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.child.kill()
        await process.child.wait()


@pytest.mark.parametrize("step", STEPS)
async def test_a_coordinator_killed_in_a_phase(
    tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    names, port, stop = ["alpha", "beta", "gamma"], free_port(), Stop("alpha", step, deaf=True)
    stop.install(monkeypatch)
    home = tmp_path / "coordinator"
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT_S):
        nodes = {name: NodeHome(tmp_path / name, embedder) for name in names}
        for node in nodes.values():
            await stack.enter_async_context(daemon(node))
        async with coordinator_process(tmp_path, embedder, port) as process:
            tokens = {name: (await administer(home, rpc.INVITE, m.InviteRequest(name, 600))).token for name in names}
            joining = [asyncio.create_task(contribute(tmp_path, n, nodes[n], tokens[n])) for n in names]
            await stop.reached.wait()
            process.child.kill()
        stop.go_on.set()
        async with coordinator_process(tmp_path, embedder, port):
            await asyncio.gather(*joining)
            assert agrees(await administer(home, rpc.ADMIN_STATUS, m.GetStatusRequest()), dict.fromkeys(names, 0))
            await asyncio.gather(*(contribute(tmp_path, name, nodes[name], edition=1) for name in names))
            assert agrees(await administer(home, rpc.ADMIN_STATUS, m.GetStatusRequest()), dict.fromkeys(names, 1))


@pytest.mark.parametrize("step", STEPS)
async def test_a_node_killed_in_a_phase(
    tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Another node stops at the step, and meanwhile this one dies; the round goes on with three of four."""
    stop = Stop("beta", step)
    stop.install(monkeypatch)
    wishes = Wishes(features=FeatureMap.TOKENS)
    async with (
        running(tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint, wishes=wishes) as coordinator,
        nursery() as forks,
        AsyncExitStack() as stack,
        asyncio.timeout(WAIT_S),
    ):
        nodes = {name: NodeHome(tmp_path / name, embedder) for name in DOMAINS}
        for name in ("beta", "gamma", "delta"):
            await stack.enter_async_context(daemon(nodes[name]))
        nodes["alpha"].data_dir.mkdir()
        victim = await forks.start_serving(nodes["alpha"].data_dir)
        tokens = {name: await coordinator.invite(name) for name in DOMAINS}
        joining = {n: asyncio.create_task(contribute(tmp_path, n, nodes[n], tokens[n])) for n in DOMAINS}
        await stop.reached.wait()
        os.kill(victim, signal.SIGKILL)
        joining["alpha"].cancel()
        stop.go_on.set()
        await asyncio.gather(*(joining[name] for name in ("beta", "gamma", "delta")))
        status = await coordinator.status()
        assert agrees(status, dict.fromkeys(DOMAINS, 0)) or agrees(status, dict.fromkeys(("beta", "gamma", "delta"), 0))
        await forks.start_serving(nodes["alpha"].data_dir)
        await asyncio.gather(
            contribute(tmp_path, "alpha", nodes["alpha"]),
            *(contribute(tmp_path, name, nodes[name], edition=1) for name in ("beta", "gamma", "delta")),
        )
        assert agrees(await coordinator.status(), {"alpha": 0, "beta": 1, "gamma": 1, "delta": 1})
