"""Trials of new routers on private hold-outs, over real daemons: counts come, confidence is calibrated."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import toy
from expert_running import expert_server
from light_client import Owner, random_contribution
from node_running import NodeHome, daemon, write_prompts
from running import Running, refused, running

from ridgeway.calibration import BINS, CANDIDATES
from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.founding import Wishes
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.schema import LEDGER_VERSION, open_ledger
from ridgeway.manifest import DecisionRule, FeatureMap, Masking, RoutingSettings
from ridgeway.node.handover import join_federation
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router

POOLED = Wishes(features=FeatureMap.POOLED, columns=16, masking=Masking.OFF)


@asynccontextmanager
async def coordinator_at(directory: Path, wishes: Wishes = POOLED, port: int = 0) -> AsyncIterator[Running]:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(directory, embedder=fingerprint, wishes=wishes, port=port) as coordinator:
        yield coordinator


def node_at(folder: Path, name: str) -> NodeHome:
    embedder = folder / "embedder"
    return NodeHome(folder / name, embedder if embedder.exists() else toy.write_toy_embedder(embedder))


def prompts(first: int, count: int = 120) -> list[str]:
    """Prompts of half of the toy words, all different."""
    return [f"w{first + i % 15} w{first + i // 15 % 15} w{first + i // 225 + 1}" for i in range(count)]


async def until_tried(coordinator: Running, version: int, tried: int, reports: int = 1) -> m.FederationStatus:
    """Wait until hold-outs of at least so many prompts were tried on a router version, and that was published."""
    async with asyncio.timeout(10):
        while True:
            status = await coordinator.status()
            held = [t.prompts for t in status.trials if t.router_version == version]
            if held and held[0] >= tried and status.router_edition >= reports:
                return status
            await asyncio.sleep(0.02)


async def test_every_owner_tries_the_router_and_confidence_is_calibrated(tmp_path: Path) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        alpha, beta = node_at(tmp_path, "alpha"), node_at(tmp_path, "beta")
        law, math = (
            write_prompts(tmp_path / "law.jsonl", prompts(0)),
            write_prompts(tmp_path / "math.jsonl", prompts(18)),
        )
        await alpha.join(await coordinator.invite("alpha"), {"law": law}, hold_out=0.2)
        await beta.join(await coordinator.invite("beta"), {"math": math}, hold_out=0.2)
        rows = {domain.domain: domain.rows for domain in (await coordinator.status()).domains}
        held = sum(120 - n for n in rows.values())
        assert 10 < held < 90
        async with daemon(alpha), daemon(beta):
            version = (await coordinator.status()).router_version
            status = await until_tried(coordinator, version, held, reports=2)
            trial = status.trials[0]
            assert (trial.prompts, trial.domains) == (held, ("law", "math"))
            assert sum(trial.confusion) == held
            assert trial.balanced_accuracy == 1.0
            assert trial.inverse_temperature > 0
            edition = status.router_edition
            for node in (alpha, beta):
                await _until_edition(node, edition)
                decision = await node.route("w1 w2 w3")
                assert (decision.domain, decision.router_version) == ("law", version)
                assert decision.confidence > 0.8
    for folder in (alpha.data_dir / "hold-outs", beta.data_dir / "hold-outs"):
        files = list(folder.iterdir())
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600]
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        again = await coordinator.status()
        assert again.trials == status.trials


async def _until_edition(node: NodeHome, edition: int) -> None:
    async with asyncio.timeout(10):
        while True:
            router, _ = decode_router((node.data_dir / "router.bin").read_bytes())
            if router.edition >= edition:
                assert router.calibration is not None
                return
            await asyncio.sleep(0.02)


async def test_the_way_to_decide_is_chosen_where_the_manifest_leaves_it_open(tmp_path: Path) -> None:
    wishes = Wishes(features=FeatureMap.TOKENS, rule="auto", top_k="auto", masking=Masking.OFF)
    async with coordinator_at(tmp_path / "coordinator", wishes) as coordinator:
        alpha = node_at(tmp_path, "alpha")
        law, math = (
            write_prompts(tmp_path / "law.jsonl", prompts(0)),
            write_prompts(tmp_path / "math.jsonl", prompts(18)),
        )
        await alpha.join(await coordinator.invite("alpha"), {"law": law, "math": math}, hold_out=0.2)
        async with daemon(alpha):
            status = await until_tried(coordinator, (await coordinator.status()).router_version, 20)
            await _until_edition(alpha, status.router_edition)
            router, _ = decode_router((alpha.data_dir / "router.bin").read_bytes())
            trial = status.trials[0]
            assert router.routing == RoutingSettings(DecisionRule(trial.rule), trial.top_k)
            assert trial.balanced_accuracy > 0.8


async def test_leaving_removes_the_hold_out(tmp_path: Path) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        alpha = node_at(tmp_path, "alpha")
        law = write_prompts(tmp_path / "law.jsonl", prompts(0))
        await alpha.join(await coordinator.invite("alpha"), {"law": law}, hold_out=0.2)
        assert len(list((alpha.data_dir / "hold-outs").iterdir())) == 1
        await alpha.leave()
        assert list((alpha.data_dir / "hold-outs").iterdir()) == []


@pytest.fixture
async def contributed(tmp_path: Path) -> AsyncIterator[tuple[Running, Owner, m.TrialReport]]:
    """A federation whose only owner contributed, and a good report of its."""
    async with running(tmp_path / "coordinator") as coordinator:
        owner = await coordinator.owner("alpha")
        await owner.contribute("law", random_contribution(1, owner.manifest))
        async for artifact in owner.watch():
            router, _ = decode_router(artifact)
            break
        confidence = [0] * (CANDIDATES.size * BINS * 2)
        confidence[0 :: BINS * 2] = [3] * CANDIDATES.size
        way = m.TrialCounts((3, 0), tuple(confidence))
        yield coordinator, owner, m.TrialReport(router.version, ("law",), (m.DomainTrial("law", (way,)),))


async def test_a_trial_of_another_router_counts_no_more(contributed: tuple[Running, Owner, m.TrialReport]) -> None:
    coordinator, owner, report = contributed
    old = replace(report, router_version=report.router_version + 1)
    assert not (await owner.call(rpc.REPORT_TRIAL, old)).counted
    assert (await coordinator.status()).trials == ()
    assert (await owner.call(rpc.REPORT_TRIAL, report)).counted
    assert (await coordinator.status()).trials[0].prompts == 3


async def test_reports_that_cannot_be_are_refused_without_a_trace(
    contributed: tuple[Running, Owner, m.TrialReport],
) -> None:
    coordinator, owner, report = contributed
    other = await coordinator.owner("beta")
    (trial,) = report.domains
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    async with refused(invalid, "does not contribute"):
        await other.call(rpc.REPORT_TRIAL, report)
    async with refused(invalid, "other domains"):
        await owner.call(rpc.REPORT_TRIAL, replace(report, router_domains=("law", "math")))
    async with refused(invalid, "does not know"):
        await owner.call(rpc.REPORT_TRIAL, replace(report, domains=(replace(trial, domain="math"),)))
    async with refused(invalid, "ways to decide"):
        await owner.call(rpc.REPORT_TRIAL, replace(report, domains=(replace(trial, ways=trial.ways * 2),)))
    async with refused(invalid, "another shape"):
        way = replace(trial.ways[0], confidence=(1, 2, 3))
        await owner.call(rpc.REPORT_TRIAL, replace(report, domains=(replace(trial, ways=(way,)),)))
    status = await coordinator.status()
    assert (status.trials, status.router_edition) == ((), 0)


def test_a_ledger_of_the_release_before_gets_its_new_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(SqliteDatabase(open_ledger(str(path)))).close()
    with sqlite3.connect(path) as connection:
        for table in ("trials", "places", "rounds", "masked_trials"):
            connection.execute(f"DROP TABLE {table}")
        for column in ("price", "latency_ms"):
            connection.execute(f"ALTER TABLE experts DROP COLUMN {column}")
        connection.execute("ALTER TABLE standings DROP COLUMN bytes_per_number")
        connection.execute("PRAGMA user_version = 1")
    ledger = Ledger(SqliteDatabase(open_ledger(str(path))))
    assert (ledger.trials(), ledger.edition, ledger.experts()) == ([], 0, ())
    ledger.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LEDGER_VERSION,)


async def test_a_fallback_is_asked_for_over_grpc(tmp_path: Path) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        alpha = node_at(tmp_path, "alpha")
        law = write_prompts(tmp_path / "law.jsonl", prompts(0))
        general = m.Expert("", "general", "https://llm.example/v1", "all")
        source = m.PromptSource("law", str(law))
        token = await coordinator.invite("alpha")
        request = m.JoinRequest(token, (source,), embedder=str(alpha.embedder), generalists=(general,))
        await join_federation(alpha.data_dir, request, lambda _: None)
        async with daemon(alpha):
            await alpha.until(lambda status: status.router_version > 0)
            sure = await alpha.call(rpc.ROUTE, m.RouteRequest("w1 w2"))
            assert sure.decision is not None
            assert (sure.decision.fallback, sure.decision.expert) == (False, None)
            # A router with one domain is always certain, so only the limit itself can be asked for more.
            batch = m.RouteBatchRequest(("w1 w2", ""), min_confidence=1.0, fallback="general")
            first, second = (await alpha.call(rpc.ROUTE_BATCH, batch)).entries
            assert first.decision is not None
            assert first.decision.fallback is False
            assert "no token" in second.refusal
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, "known: general"):
                await alpha.call(rpc.ROUTE, m.RouteRequest("w1", 0, 0.5, "genral"))
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, "from 0 to 1"):
                await alpha.call(rpc.ROUTE, m.RouteRequest("w1", 0, 2.0))


async def test_price_and_latency_reach_everyone_and_choose(tmp_path: Path) -> None:
    async with coordinator_at(tmp_path / "coordinator") as coordinator:
        alpha = node_at(tmp_path, "alpha")
        law = write_prompts(tmp_path / "law.jsonl", prompts(0))
        with expert_server(200) as (quick, _):
            dear = m.Expert("", "law", quick, "dear", 9.0)
            cheap = m.Expert("", "law", "http://127.0.0.1:9/v1", "cheap", 0.0)
            await alpha.join(await coordinator.invite("alpha"), {"law": law}, (dear, cheap))
            async with daemon(alpha, probe_s=60.0):
                await alpha.until(lambda status: status.router_version > 0)
                async with asyncio.timeout(10):
                    while True:
                        response = await alpha.call(rpc.ROUTE, m.RouteRequest("w1 w2", objective="latency"))
                        decision = response.decision
                        if decision and decision.expert and decision.expert.latency_ms is not None:
                            break
                        await asyncio.sleep(0.05)
                assert decision.expert.model == "dear"
                cost = await alpha.call(rpc.ROUTE_BATCH, m.RouteBatchRequest(("w1 w2",), objective="cost"))
                (entry,) = cost.entries
                assert entry.decision is not None
                assert entry.decision.expert is not None
                assert (entry.decision.expert.model, entry.decision.expert.price) == ("cheap", 0.0)
                async with refused(grpc.StatusCode.INVALID_ARGUMENT, "no objective"):
                    await alpha.call(rpc.ROUTE, m.RouteRequest("w1", objective="best"))
        offered = (await coordinator.status()).domains[0].experts
        assert {(e.model, e.price, e.latency_ms is None) for e in offered} == {
            ("dear", 9.0, False),
            ("cheap", 0.0, True),
        }
