"""A masked round with an owner that stalls, over real daemons: the others wait for it only so long."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import toy
from node_running import NodeHome, daemon, expect_sum, words, write_prompts
from running import Running, running

from ridgeway.coordinator import rounds as coordinator_rounds
from ridgeway.coordinator.founding import Wishes
from ridgeway.manifest import FeatureMap
from ridgeway.node import rounds as node_rounds
from ridgeway.node.rounds import Engagement, Standing
from ridgeway.rounds import hall as rounds
from ridgeway.rounds.hall import Connection
from ridgeway.rounds.input_spool import InputSpool

NAMES = ("alpha", "beta", "gamma", "delta")


def prompts_of(name: str) -> list[str]:
    return words(NAMES.index(name) * 3)


async def join_all(tmp_path: Path, coordinator: Running, stack: AsyncExitStack) -> list["asyncio.Task[object]"]:
    """Begin a join of everybody, each by its daemon."""
    embedder, joining = toy.write_toy_embedder(tmp_path / "toy-model"), []
    for name in NAMES:
        node = NodeHome(tmp_path / name, embedder)
        await stack.enter_async_context(daemon(node))
        source = write_prompts(tmp_path / f"{name}.jsonl", prompts_of(name))
        token = await coordinator.invite(name)
        joining.append(asyncio.create_task(node.join(token, {"law": source}), name=name))
    return list(joining)


async def test_an_owner_that_stops_in_the_midst_of_its_vector_costs_the_others_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, stalled = node_rounds.Rounds._send_input, asyncio.Event()

    async def send_or_stall(
        self: node_rounds.Rounds, call: node_rounds.Call, engaged: Engagement, standing: Standing
    ) -> None:
        if standing.owner == "delta" and not stalled.is_set():
            stalled.set()
            await asyncio.sleep(60)
        await send(self, call, engaged, standing)

    monkeypatch.setattr(node_rounds.Rounds, "_send_input", send_or_stall)
    monkeypatch.setattr(rounds, "INPUT_WAIT_S", 0.5)
    wishes = Wishes(features=FeatureMap.TOKENS)
    async with (
        running(tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint, wishes=wishes) as coordinator,
        AsyncExitStack() as stack,
    ):
        joining = await join_all(tmp_path, coordinator, stack)
        async with asyncio.timeout(20):
            await stalled.wait()
            began = time.monotonic()
            await asyncio.gather(*joining[:3])
        assert time.monotonic() - began < 10
        await expect_sum(coordinator, {(name, "law"): prompts_of(name) for name in NAMES[:3]})
        state = (await coordinator.status()).rounds
        assert state is not None
        assert (state.committed, state.dropouts) == (1, 1)
        joining[3].cancel()
        await asyncio.wait(joining)


@pytest.mark.parametrize("at_once", [1, 2])
async def test_only_so_many_masked_vectors_are_on_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    under_way: set[InputSpool | None] = set()
    most = 0
    want, give_up = Connection.want, Connection.give_up

    def wanted(connection: Connection, spool: InputSpool) -> None:
        nonlocal most
        want(connection, spool)
        under_way.add(spool)
        most = max(most, len(under_way))

    def given_up(connection: Connection) -> None:
        under_way.discard(connection.spool)
        give_up(connection)

    monkeypatch.setattr(Connection, "want", wanted)
    monkeypatch.setattr(Connection, "give_up", given_up)
    monkeypatch.setattr(coordinator_rounds, "INPUTS_AT_ONCE", at_once)
    wishes = Wishes(features=FeatureMap.TOKENS)
    async with (
        running(tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint, wishes=wishes) as coordinator,
        AsyncExitStack() as stack,
    ):
        async with asyncio.timeout(20):
            await asyncio.gather(*await join_all(tmp_path, coordinator, stack))
        await expect_sum(coordinator, {(name, "law"): prompts_of(name) for name in NAMES})
    # A place is given on as soon as a vector is whole, a moment before its file is closed.
    assert at_once <= most <= at_once + 1
    assert not under_way
