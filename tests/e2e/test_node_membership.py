"""A node's life in a federation: joining, contributing, withdrawing and leaving, with a daemon and without."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import toy
from node_running import News, NodeHome, daemon, expect_sum, words, write_prompts
from running import Running, running

from ridgeway.errors import RidgewayError
from ridgeway.node.agent import UnknownSource
from ridgeway.node.contribution import DomainError
from ridgeway.node.enrolment import AlreadyJoined, WrongEmbedder
from ridgeway.node.handover import federation_status, load_router
from ridgeway.node.prompts.errors import NoSuchPrompts
from ridgeway.node.request import BadJoinRequest
from ridgeway.node.router_store import NoRouter
from ridgeway.node.state import STATE_FILE, NodeState, NotJoined
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Refused


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint) as running_coordinator:
        yield running_coordinator


@pytest.fixture
def node(tmp_path: Path) -> NodeHome:
    return NodeHome(tmp_path / "node", toy.write_toy_embedder(tmp_path / "embedder"))


@pytest.fixture
def math(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "math.jsonl", words(0))


@pytest.fixture
def law(tmp_path: Path) -> Path:
    return write_prompts(tmp_path / "law.jsonl", words(7))


async def test_a_join_without_a_daemon_returns_when_the_sum_holds_it(
    coordinator: Running, node: NodeHome, math: Path, law: Path
) -> None:
    news = await node.join(await coordinator.invite("alpha"), {"math": math, "law": law})
    assert news.domains("committed") == ["law", "math"]
    await expect_sum(coordinator, {("alpha", "math"): words(0), ("alpha", "law"): words(7)})


async def test_the_same_join_again_changes_nothing(coordinator: Running, node: NodeHome, math: Path) -> None:
    token = await coordinator.invite("alpha")
    await node.join(token, {"math": math})
    before = (await node.status()).domains
    news = await node.join(token, {"math": math})
    assert news.domains("committed") == ["math"]
    assert not news.domains("count")
    assert (await node.status()).domains == before
    await expect_sum(coordinator, {("alpha", "math"): words(0)})


async def test_a_daemon_waits_for_the_join_and_does_it(
    coordinator: Running, node: NodeHome, math: Path, law: Path
) -> None:
    async with daemon(node):
        assert await node.status() == m.NodeStatus()
        news = await node.join(await coordinator.invite("alpha"), {"math": math})
        assert news.domains("committed") == ["math"]
        await node.until(lambda status: status.router_version >= 1 and status.connected)
        assert (await node.route("w0 w1")).domain == "math"
        await node.join("", {"law": law})
        await node.until(lambda status: status.router_version >= 2)
        assert (await node.route("w7 w12")).domain == "law"
    await expect_sum(coordinator, {("alpha", "math"): words(0), ("alpha", "law"): words(7)})


async def test_an_expert_shows_in_the_decision(coordinator: Running, node: NodeHome, math: Path) -> None:
    expert = m.Expert("", "math", "http://localhost:8000/v1", "tiny")
    async with daemon(node):
        await node.join(await coordinator.invite("alpha"), {"math": math}, (expert,))
        await node.until(lambda status: status.router_version >= 1)
        decided = (await node.route("w0 w1")).expert
    assert decided == m.Expert("alpha", "math", "http://localhost:8000/v1", "tiny")


@pytest.mark.parametrize("with_daemon", [True, False])
async def test_withdrawing_and_leaving_restore_the_earlier_bits(
    coordinator: Running, node: NodeHome, math: Path, law: Path, tmp_path: Path, with_daemon: bool
) -> None:
    other = NodeHome(tmp_path / "other", node.embedder)
    await other.join(await coordinator.invite("beta"), {"math": law})
    alone = (await coordinator.status()).sum_digest
    await node.join(await coordinator.invite("alpha"), {"math": math})
    one_domain = (await coordinator.status()).sum_digest
    await node.join("", {"law": law})

    async def withdraw_and_leave() -> None:
        assert (await node.leave("law")).heard[-1].detail == one_domain.hex()
        assert (await node.leave()).heard[-1].detail == alone.hex()

    if with_daemon:
        async with daemon(node):
            await withdraw_and_leave()
    else:
        await withdraw_and_leave()
    await expect_sum(coordinator, {("beta", "math"): words(7)})
    assert "has left" in (await node.status()).last_error


async def test_a_node_that_left_keeps_routing_and_needs_a_new_invitation(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    async with daemon(node):
        await node.join(await coordinator.invite("alpha"), {"math": math})
        await node.until(lambda status: status.router_version >= 1)
        await node.leave()
        assert (await node.route("w0")).domain == "math"
        with pytest.raises(Refused, match="new invitation"):
            await node.join("", {"math": math})
        await node.join(await coordinator.invite("alpha"), {"math": math})
    await expect_sum(coordinator, {("alpha", "math"): words(0)})


async def test_another_embedder_is_refused_by_both_names_and_uses_nothing_up(
    coordinator: Running, node: NodeHome, math: Path, tmp_path: Path
) -> None:
    token = await coordinator.invite("alpha")
    stranger = NodeHome(node.data_dir, toy.write_toy_embedder(tmp_path / "stranger", seed=1))
    with pytest.raises(WrongEmbedder, match=r"computes with toy .*, you have stranger "):
        await stranger.join(token, {"math": math})
    await node.join(token, {"math": math})
    await expect_sum(coordinator, {("alpha", "math"): words(0)})


async def test_what_cannot_be_done_is_refused_before_the_invitation_is_used(
    coordinator: Running, node: NodeHome, math: Path, tmp_path: Path
) -> None:
    token = await coordinator.invite("alpha")
    with pytest.raises(NoSuchPrompts):
        await node.join(token, {"math": tmp_path / "missing.jsonl"})
    with pytest.raises(RidgewayError, match="no domain name"):
        await node.join(token, {"Math!": math})
    with pytest.raises(BadJoinRequest, match="--domain law=PATH"):
        await node.join(token, {"math": math}, (m.Expert("", "law", "http://localhost/v1", "tiny"),))
    with pytest.raises(BadJoinRequest, match="password"):
        await node.join(token, {"math": math}, (m.Expert("", "math", "http://me:secret@localhost/v1", "tiny"),))
    assert await node.status() == m.NodeStatus()
    assert (await coordinator.status()).members[0].state is m.MemberState.INVITED


async def test_a_bad_domain_is_named_and_holds_up_no_other(
    coordinator: Running, node: NodeHome, math: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "w1"}\nnot json\n')
    empty = write_prompts(tmp_path / "empty.jsonl", [])
    with pytest.raises(DomainError, match=r"domain art: .*bad\.jsonl:2.*; domain law: no prompt"):
        await node.join(await coordinator.invite("alpha"), {"art": bad, "law": empty, "math": math})
    await expect_sum(coordinator, {("alpha", "math"): words(0)})
    write_prompts(bad, words(3))
    await node.leave("law")
    await node.join("", {"art": bad})
    await expect_sum(coordinator, {("alpha", "math"): words(0), ("alpha", "art"): words(3)})


async def test_a_data_directory_has_one_membership(coordinator: Running, node: NodeHome, math: Path) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    with pytest.raises(AlreadyJoined, match="another --data-dir"):
        await node.join(await coordinator.invite("beta"), {"math": math})
    with pytest.raises(UnknownSource, match="law"):
        await node.leave("law")


async def test_a_lost_acknowledgement_of_a_contribution_is_made_good(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    with sqlite3.connect(node.data_dir / STATE_FILE) as database:
        database.execute("UPDATE contributions SET committed = 0")
    database.close()
    assert not (await node.status()).domains[0].committed
    async with daemon(node):
        status = await node.until(lambda status: status.domains[0].committed)
    assert status.domains[0].sequence == 1
    await expect_sum(coordinator, {("alpha", "math"): words(0)})


async def test_a_lost_acknowledgement_of_leaving_is_made_good(
    coordinator: Running, node: NodeHome, math: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})

    class PowerCut(RidgewayError):
        pass

    def lose(_: NodeState, domain: str) -> None:
        raise PowerCut(domain)

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(NodeState, "withdrawn", lose)
        await node.leave()
    assert not (await node.status()).last_error
    await node.leave()
    assert "has left" in (await node.status()).last_error
    await expect_sum(coordinator, {})


async def test_a_withdrawal_of_what_never_arrived_is_done(
    coordinator: Running, node: NodeHome, math: Path, law: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})

    class PowerCut(RidgewayError):
        pass

    async def lose(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr("ridgeway.node.delivery.upload", lose)
        await node.join("", {"law": law})
    await node.leave("law")
    await expect_sum(coordinator, {("alpha", "math"): words(0)})


async def test_a_restored_backup_signs_again_with_higher_numbers(
    coordinator: Running, node: NodeHome, math: Path, law: Path, tmp_path: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    shutil.copytree(node.data_dir, tmp_path / "backup")
    for start in (1, 2):
        write_prompts(math, words(start))
        await node.join("", {"math": math})
    backup = NodeHome(tmp_path / "backup", node.embedder)
    write_prompts(math, words(3))
    await backup.join("", {"math": math})
    await expect_sum(coordinator, {("alpha", "math"): words(3)})
    shutil.rmtree(node.data_dir)
    shutil.copytree(backup.data_dir, node.data_dir)
    write_prompts(math, words(4))
    await backup.join("", {"math": math})
    await node.leave("math")
    await expect_sum(coordinator, {})


async def test_an_evicted_owner_with_a_new_invitation_contributes_everything_anew(
    coordinator: Running, node: NodeHome, math: Path, law: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    await coordinator.administer(rpc.EVICT, m.OwnerRequest("alpha"))
    with pytest.raises(Refused, match="evicted"):
        await node.join("", {"law": law})
    await node.join(await coordinator.invite("alpha"), {})
    await expect_sum(coordinator, {("alpha", "math"): words(0), ("alpha", "law"): words(7)})


async def test_the_last_committed_payload_stays_beside_a_prepared_one(
    coordinator: Running, node: NodeHome, math: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    (committed,) = (path.name for path in (node.data_dir / "payloads").iterdir())

    class PowerCut(RidgewayError):
        pass

    async def lose(*_: object) -> None:
        raise PowerCut

    write_prompts(math, words(9))
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr("ridgeway.node.delivery.upload", lose)
        await node.join("", {"math": math})
    assert committed in (held := {path.name for path in (node.data_dir / "payloads").iterdir()})
    assert len(held) == 2
    await node.join("", {"math": math})
    assert len(list((node.data_dir / "payloads").iterdir())) == 1


async def test_a_router_on_disk_serves_without_a_daemon(coordinator: Running, node: NodeHome, math: Path) -> None:
    with pytest.raises(RidgewayError):
        load_router(node.data_dir)
    async with daemon(node):
        with pytest.raises(NotJoined):
            load_router(node.data_dir)
    await node.join(await coordinator.invite("alpha"), {"math": math})
    with pytest.raises(NoRouter, match="ridgeway node"):
        load_router(node.data_dir)
    async with daemon(node):
        await node.until(lambda status: status.router_version >= 1)
        assert load_router(node.data_dir).route("w0").domain == "math"
    assert load_router(node.data_dir).route("w0").domain == "math"
    assert (await node.status()).router_version >= 1


async def test_the_federations_status_is_there_beside_a_daemon_and_without(
    coordinator: Running, node: NodeHome, math: Path
) -> None:
    await node.join(await coordinator.invite("alpha"), {"math": math})
    alone = await federation_status(node.data_dir)
    async with daemon(node):
        await node.until(lambda status: status.connected)
        beside = await federation_status(node.data_dir)
    assert alone.sum_digest == beside.sum_digest == (await coordinator.status()).sum_digest


async def test_progress_names_what_happens(coordinator: Running, node: NodeHome, math: Path) -> None:
    news = News()
    await node.join(await coordinator.invite("alpha"), {"math": math}, news=news)
    stages = [piece.stage for piece in news.heard]
    assert [stage for i, stage in enumerate(stages) if stage not in stages[:i]] == [
        "enrol", "enrolled", "embedder", "count", "upload", "committed",
    ]  # fmt: skip
    assert next(piece for piece in news.heard if piece.stage == "upload").done == 5 * 7 * 8 // 2
