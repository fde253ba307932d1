"""Masked federations, whole: a coordinator and node daemons over real gRPC and TLS, sums compared to the bit."""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
import toy
from free_port import free_port
from light_client import random_contribution
from node_running import News, NodeHome, daemon, expect_sum, expected_digest, words, write_prompts
from running import Running, refused, running

from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.founding import Wishes
from ridgeway.manifest import FeatureMap, Manifest
from ridgeway.node.round_state import RoundState
from ridgeway.node.state import STATE_FILE, NodeState, write_setting
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.rounds.input_spool import InputSpool
from ridgeway.secagg.aggregator import Sum
from ridgeway.sums import InconsistentSum

MASKED = Wishes(features=FeatureMap.TOKENS)
DOMAINS = {"alpha": "law", "beta": "math", "gamma": "medicine", "delta": "law"}


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    return toy.write_toy_embedder(tmp_path / "toy-model")


@asynccontextmanager
async def masked(tmp_path: Path, port: int = 0) -> AsyncIterator[Running]:
    async with running(
        tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint, wishes=MASKED, port=port
    ) as coordinator:
        yield coordinator


async def home(tmp_path: Path, embedder: Path, name: str, stack: AsyncExitStack) -> NodeHome:
    node = NodeHome(tmp_path / name, embedder)
    await stack.enter_async_context(daemon(node))
    return node


def prompts_of(name: str, edition: int = 0) -> list[str]:
    return words(sorted(DOMAINS).index(name) * 3 + 11 * edition)


async def join(tmp_path: Path, coordinator: Running, name: str, node: NodeHome) -> News:
    source = write_prompts(tmp_path / f"{name}.jsonl", prompts_of(name))
    return await node.join(await coordinator.invite(name), {DOMAINS[name]: source})


async def change(tmp_path: Path, name: str, node: NodeHome, edition: int = 1) -> None:
    source = write_prompts(tmp_path / f"{name}.jsonl", prompts_of(name, edition))
    await node.join("", {DOMAINS[name]: source})


def held(*names: str, edition: dict[str, int] | None = None) -> dict[tuple[str, str], list[str]]:
    return {(name, DOMAINS[name]): prompts_of(name, (edition or {}).get(name, 0)) for name in names}


async def test_owners_join_in_one_round_and_a_single_one_waits_for_others(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        first = asyncio.create_task(join(tmp_path, coordinator, "alpha", nodes["alpha"]))
        waiting = await nodes["alpha"].until(lambda status: "1 of the 3 owners" in status.waiting, 60)
        assert not waiting.domains[0].committed
        status = await coordinator.status()
        assert status.rounds is not None
        assert "waits for 2 more" in status.rounds.waiting
        assert status.router_version == 0
        news = await asyncio.gather(
            first, *(join(tmp_path, coordinator, name, nodes[name]) for name in ("beta", "gamma"))
        )
        assert all(heard.domains("committed") for heard in news)
        await expect_sum(coordinator, held("alpha", "beta", "gamma"))
        for node in list(nodes.values())[:3]:
            await node.until(lambda status: status.router_version > 0, 60)
        assert (await nodes["beta"].route("w4 w9")).domain in set(DOMAINS.values())
        # One more waits, and goes in with two that change.
        late = asyncio.create_task(join(tmp_path, coordinator, "delta", nodes["delta"]))
        await nodes["delta"].until(lambda status: "1 of the 3 owners" in status.waiting, 60)
        await asyncio.gather(late, *(change(tmp_path, name, nodes[name]) for name in ("alpha", "beta")))
        await expect_sum(coordinator, held(*DOMAINS, edition={"alpha": 1, "beta": 1}))


async def test_leaving_goes_by_a_round_too(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        await asyncio.gather(*(join(tmp_path, coordinator, name, nodes[name]) for name in DOMAINS))
        await expect_sum(coordinator, held(*DOMAINS))
        leaving = asyncio.create_task(nodes["delta"].leave())
        await nodes["delta"].until(lambda status: "1 of the 3 owners" in status.waiting, 60)
        await expect_sum(coordinator, held(*DOMAINS))
        await asyncio.gather(leaving, *(change(tmp_path, name, nodes[name]) for name in ("alpha", "beta")))
        await expect_sum(coordinator, held("alpha", "beta", "gamma", edition={"alpha": 1, "beta": 1}))
        states = {member.owner: member.state for member in (await coordinator.status()).members}
        assert states["delta"] is m.MemberState.LEFT


async def test_an_eviction_waits_for_changes_and_a_full_round(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        await asyncio.gather(*(join(tmp_path, coordinator, name, nodes[name]) for name in DOMAINS))
        await coordinator.administer(rpc.EVICT, m.OwnerRequest("delta"))
        await asyncio.gather(*(change(tmp_path, name, nodes[name]) for name in ("alpha", "beta")))
        await expect_sum(coordinator, held("alpha", "beta", "gamma", edition={"alpha": 1, "beta": 1}))


async def test_a_coordinator_that_restarts_keeps_the_sum_and_goes_on(tmp_path: Path, embedder: Path) -> None:
    async with AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        async with masked(tmp_path) as coordinator:
            port = int(coordinator.endpoints.members.rpartition(":")[2])
            await asyncio.gather(*(join(tmp_path, coordinator, name, nodes[name]) for name in list(DOMAINS)[:3]))
            before = (await coordinator.status()).sum_digest
        async with masked(tmp_path, port) as coordinator:
            assert (await coordinator.status()).sum_digest == before
            await expect_sum(coordinator, held("alpha", "beta", "gamma"))
            await asyncio.gather(*(change(tmp_path, name, nodes[name]) for name in ("alpha", "beta", "gamma")))
            await expect_sum(coordinator, held("alpha", "beta", "gamma", edition=dict.fromkeys(DOMAINS, 1)))


async def test_a_round_that_fails_after_it_was_opened_is_run_again_as_it_was(
    tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator opens a round and cannot commit it: the same owners bring the same, whatever changed since."""
    commit, sums = Federation.commit_round, []

    def failing_once(federation: Federation, terms: m.RoundTerms, summed: Sum) -> bytes:
        sums.append(summed.vector.copy())
        if len(sums) == 1:
            raise InconsistentSum("the disk is full")
        return commit(federation, terms, summed)

    monkeypatch.setattr(Federation, "commit_round", failing_once)
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        names = list(DOMAINS)[:3]
        joining = [asyncio.create_task(join(tmp_path, coordinator, name, nodes[name])) for name in names]
        async with asyncio.timeout(60):
            while not sums:  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
        late = asyncio.create_task(join(tmp_path, coordinator, "delta", nodes["delta"]))
        await asyncio.gather(*joining)
        assert len(sums) == 2
        np.testing.assert_array_equal(sums[0], sums[1])
        await expect_sum(coordinator, held(*names))
        await asyncio.gather(late, *(change(tmp_path, name, nodes[name]) for name in ("alpha", "beta")))
        await expect_sum(coordinator, held(*DOMAINS, edition={"alpha": 1, "beta": 1}))


async def test_the_owners_commands_take_part_without_a_daemon(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator:
        nodes = {name: NodeHome(tmp_path / name, embedder) for name in list(DOMAINS)[:3]}
        news = await asyncio.gather(*(join(tmp_path, coordinator, name, node) for name, node in nodes.items()))
        assert all(heard.domains("committed") for heard in news)
        await expect_sum(coordinator, held(*nodes))
        await asyncio.gather(*(node.leave() for node in nodes.values()))
        await expect_sum(coordinator, {})


async def test_a_node_with_a_roster_takes_part_with_nobody_else(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        joining = [asyncio.create_task(join(tmp_path, coordinator, name, nodes[name])) for name in ("alpha", "beta")]
        known = [await nodes[name].until(lambda status: bool(status.waiting), 60) for name in ("alpha", "beta")]
        lines = [f"{status.owner} sha256:{status.identity_sha256}\n" for status in known]
        (nodes["alpha"].data_dir / "roster.txt").write_text("# whom we trust\n" + "".join(lines))
        others = [join(tmp_path, coordinator, name, nodes[name]) for name in ("gamma", "delta")]
        await asyncio.gather(joining[1], *others)
        await expect_sum(coordinator, held("beta", "gamma", "delta"))
        assert not joining[0].done()
        assert "1 of the 3 owners" in (await nodes["alpha"].until(lambda status: bool(status.waiting), 60)).waiting
        joining[0].cancel()
        with suppress(asyncio.CancelledError):
            await joining[0]


async def test_an_unmasked_contribution_is_refused(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator:
        owner = await coordinator.owner("alpha")
        async with refused(grpc.StatusCode.FAILED_PRECONDITION, "masked contributions only"):
            await owner.contribute("law", random_contribution(1, owner.manifest))
        assert (await coordinator.status()).domains == ()


async def test_trials_are_counted_in_masked_rounds(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in list(DOMAINS)[:3]}

        async def join_with_hold_out(name: str, node: NodeHome) -> None:
            source = write_prompts(tmp_path / f"{name}.jsonl", prompts_of(name) * 20)
            await node.join(await coordinator.invite(name), {DOMAINS[name]: source}, hold_out=0.2)

        await asyncio.gather(*(join_with_hold_out(name, node) for name, node in nodes.items()))
        async with asyncio.timeout(60):
            while not (trials := (await coordinator.status()).trials):  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.05)
        # Of twenty equal prompts all are held out or none.
        assert trials[0].prompts % 20 == 0
        assert trials[0].prompts >= 3 * 20
        assert trials[0].domains == ("law", "math", "medicine")


async def test_a_vector_that_the_coordinator_s_disk_does_not_take_costs_only_its_owner_the_round(
    tmp_path: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[InputSpool] = []

    def full_once(spool: InputSpool, data: bytes) -> None:
        if not lost or spool is lost[0]:
            lost.append(spool)
            raise OSError(errno.ENOSPC, "No space left on device")
        append(spool, data)

    append = InputSpool.append
    monkeypatch.setattr(InputSpool, "append", full_once)
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in DOMAINS}
        joining = [asyncio.create_task(join(tmp_path, coordinator, name, node)) for name, node in nodes.items()]
        async with asyncio.timeout(30):
            while sum(task.done() for task in joining) < 3:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.02)
        within = [name for name, task in zip(nodes, joining, strict=True) if task.done()]
        await expect_sum(coordinator, held(*within))
        (left,) = nodes.keys() - set(within)
        waiting = await nodes[left].until(lambda status: "1 of the 3 owners" in status.waiting, 30)
        assert not waiting.domains[0].committed
        rounds = (await coordinator.status()).rounds
        assert rounds is not None
        assert (rounds.committed >= 1, rounds.dropouts) == (True, 1)
        for task in joining:
            task.cancel()
        await asyncio.wait(joining)


async def test_a_node_restored_from_an_older_copy_is_put_right_by_a_full_round(tmp_path: Path, embedder: Path) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in ("beta", "gamma")}
        alpha = nodes["alpha"] = NodeHome(tmp_path / "alpha", embedder)
        async with daemon(alpha):
            await asyncio.gather(*(join(tmp_path, coordinator, name, node) for name, node in nodes.items()))
        shutil.copytree(alpha.data_dir, tmp_path / "copy")
        async with daemon(alpha):
            await asyncio.gather(*(change(tmp_path, name, node) for name, node in nodes.items()))
        await expect_sum(coordinator, held(*nodes, edition=dict.fromkeys(nodes, 1)))
        shutil.rmtree(alpha.data_dir)
        shutil.copytree(tmp_path / "copy", alpha.data_dir)
        await stack.enter_async_context(daemon(alpha))
        async with asyncio.timeout(30):
            while "alpha no longer knows its part" not in await what_it_waits_for(coordinator):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.gather(*(change(tmp_path, name, nodes[name], 2) for name in ("beta", "gamma")))
        await expect_sum(coordinator, held(*nodes, edition={"alpha": 1, "beta": 2, "gamma": 2}))
        assert await what_it_waits_for(coordinator) == ""


async def test_a_copy_from_the_midst_of_an_opened_round_says_what_to_do_and_that_helps(
    tmp_path: Path, embedder: Path
) -> None:
    async with masked(tmp_path) as coordinator, AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in ("beta", "gamma")}
        alpha = nodes["alpha"] = NodeHome(tmp_path / "alpha", embedder)
        async with daemon(alpha):
            await asyncio.gather(*(join(tmp_path, coordinator, name, node) for name, node in nodes.items()))
        # As if it had been copied when it had revealed its shares of an earlier round, whose end it does not know.
        state = NodeState(alpha.data_dir / STATE_FILE)
        with state.transaction() as connection:
            write_setting(connection, "settled_round", "aa" * 32)
        RoundState(state).reveals(set(nodes), m.RoundKind.INCREMENTAL)
        state.close()
        await stack.enter_async_context(daemon(alpha))
        await alpha.until(lambda status: "new invitation" in status.last_error, 30)
        await coordinator.administer(rpc.REVOKE, m.OwnerRequest("alpha"))
        news = News()
        again = asyncio.create_task(alpha.join(await coordinator.invite("alpha"), news=news))
        await asyncio.gather(again, *(change(tmp_path, name, nodes[name]) for name in ("beta", "gamma")))
        assert any("is forgotten, as you asked" in heard.detail for heard in news.heard)
        await expect_sum(coordinator, held(*nodes, edition={"beta": 1, "gamma": 1}))
        assert (await alpha.status()).last_error == ""


async def test_a_coordinator_restored_from_an_older_copy_learns_the_sum_again(tmp_path: Path, embedder: Path) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        nodes = {name: await home(tmp_path, embedder, name, stack) for name in ("alpha", "beta", "gamma")}
        async with masked(tmp_path, port) as coordinator:
            await asyncio.gather(*(join(tmp_path, coordinator, name, node) for name, node in nodes.items()))
        shutil.copytree(coordinator.data_dir, tmp_path / "copy")
        async with masked(tmp_path, port) as coordinator:
            await asyncio.gather(*(change(tmp_path, name, node) for name, node in nodes.items()))
        shutil.rmtree(coordinator.data_dir)
        shutil.copytree(tmp_path / "copy", coordinator.data_dir)
        async with masked(tmp_path, port) as coordinator:
            async with asyncio.timeout(60):
                wanted = expected_digest(await manifest_of(coordinator), held(*nodes, edition=dict.fromkeys(nodes, 1)))
                while (await coordinator.status()).sum_digest != wanted:  # noqa: ASYNC110 - the nodes' work
                    await asyncio.sleep(0.05)


async def what_it_waits_for(coordinator: Running) -> str:
    rounds = (await coordinator.status()).rounds
    assert rounds is not None
    return rounds.waiting


async def manifest_of(coordinator: Running) -> Manifest:
    return Manifest.from_json((await coordinator.status()).manifest_json)
