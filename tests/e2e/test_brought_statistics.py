"""Owners whose prompts lie on a machine without a network: statistics as a file, joined with over real daemons."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import toy
from cli_running import document
from click.testing import CliRunner
from node_running import NodeHome, daemon, expect_sum, words, write_prompts
from running import Running, running

from ridgeway.cli.main import ridgeway
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedders import load_embedder
from ridgeway.engines.local import count_here
from ridgeway.features import OtherFeatures
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.node.assignment import Assignment
from ridgeway.node.handover import join_federation
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.prompts import PromptSource
from ridgeway.node.request import BadJoinRequest
from ridgeway.node.state import STATE_FILE, NodeState
from ridgeway.node.statistics_file import BadStatisticsFile
from ridgeway.proto import messages as m
from ridgeway.runtime.remote_errors import Refused

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture
def embedder(tmp_path: Path) -> Path:
    return toy.write_toy_embedder(tmp_path / "toy-model")


@asynccontextmanager
async def federation(tmp_path: Path, wishes: Wishes | None = None) -> AsyncIterator[Running]:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(tmp_path / "coordinator", embedder=fingerprint, wishes=wishes) as coordinator:
        yield coordinator


def compute(manifest: Path, prompts: Path, output: Path, embedder: Path, domain: str = "law") -> None:
    """What a machine does that has nothing but the prompts, the embedder and what was carried to it."""
    sources = [PromptSource(str(prompts))]
    count_here(domain, sources, Assignment.read(manifest), load_embedder(str(embedder)), lambda _: None).sums.write(
        output
    )


async def bring(node: NodeHome, domain: str, file: Path) -> None:
    await join_federation(
        node.data_dir, m.JoinRequest(sources=(m.PromptSource(domain, str(file), statistics=True),)), lambda _: None
    )


def source_files(node: NodeHome) -> list[Path]:
    return list((node.data_dir / "statistics").iterdir())


async def test_a_file_counts_as_its_prompts_do_and_a_newer_one_takes_its_place(tmp_path: Path, embedder: Path) -> None:
    node = NodeHome(tmp_path / "alpha", embedder)
    async with federation(tmp_path) as coordinator:
        await node.join(await coordinator.invite("alpha"))
        manifest, file = tmp_path / "manifest.json", tmp_path / "law.stats"
        Assignment.of_node(node.data_dir).write(manifest)
        prompts = tmp_path / "elsewhere.jsonl"
        async with daemon(node, refresh_s=0.05):
            for first in (3, 14):
                write_prompts(prompts, words(first))
                arguments = (str(prompts), "-o", str(file), "--manifest", str(manifest), "--embedder", str(embedder))
                made = await asyncio.to_thread(document, "statistics", *arguments)
                assert (made["domain"], made["prompts"]) == ("law", 20)
                prompts.unlink()
                await bring(node, "law", file)
                file.unlink()
                await expect_sum(coordinator, {("alpha", "law"): words(first)})
            # Nothing is left to count again, and the daemon tries nothing.
            await asyncio.sleep(0.3)
            status = await node.status()
            assert (status.last_error, [d.sequence for d in status.domains]) == ("", [2])
            assert len(source_files(node)) == 1
        async with daemon(node, refresh_s=0.05):
            await node.until(lambda status: status.connected)
            await expect_sum(coordinator, {("alpha", "law"): words(14)})
            await node.leave("law")
            await expect_sum(coordinator, {})
        assert source_files(node) == []


async def test_what_is_held_out_elsewhere_is_what_the_node_would_hold_out(tmp_path: Path, embedder: Path) -> None:
    alpha, prompts = NodeHome(tmp_path / "alpha", embedder), write_prompts(tmp_path / "law.jsonl", words(3, 300))
    async with federation(tmp_path) as coordinator:
        await alpha.join(await coordinator.invite("alpha"), {"law": prompts}, hold_out=0.2)
        counted = await coordinator.status()
        held = _held_out(alpha, "law")
        assert len(held) > 10
        Assignment.of_node(alpha.data_dir).write(tmp_path / "manifest.json")
        file = tmp_path / "law.stats"
        await asyncio.to_thread(compute, tmp_path / "manifest.json", prompts, file, embedder)
        await alpha.leave("law")
        await bring(alpha, "law", file)
        assert (await coordinator.status()).sum_digest == counted.sum_digest
        assert _held_out(alpha, "law") == held


def _held_out(node: NodeHome, domain: str) -> list[list[int]]:
    state = NodeState(node.data_dir / STATE_FILE, read_only=True)
    payload = state.last_committed()[domain].payload
    state.close()
    return HoldOuts(node.data_dir / "hold-outs").read(payload)


async def test_files_go_through_masked_rounds(tmp_path: Path, embedder: Path) -> None:
    async with (
        federation(tmp_path, Wishes(features=FeatureMap.TOKENS)) as coordinator,
        AsyncExitStack() as stack,
    ):
        nodes = {name: NodeHome(tmp_path / name, embedder) for name in NAMES}
        for name, node in nodes.items():
            await stack.enter_async_context(daemon(node))
            await _enrol(node, await coordinator.invite(name))
        for edition in (0, 11):
            prompts = {name: words(5 * place + edition) for place, name in enumerate(NAMES)}
            files = [await asyncio.to_thread(_made, tmp_path, nodes[name], name, prompts[name]) for name in NAMES]
            await asyncio.gather(
                *(bring(nodes[name], f"of-{name}", file) for name, file in zip(NAMES, files, strict=True))
            )
            await expect_sum(coordinator, {(name, f"of-{name}"): prompts[name] for name in NAMES})


async def _enrol(node: NodeHome, token: str) -> None:
    """Join without a domain; in a masked federation nothing waits for a round."""
    await join_federation(node.data_dir, m.JoinRequest(token, embedder=str(node.embedder)), lambda _: None)


def _made(tmp_path: Path, node: NodeHome, name: str, prompts: list[str]) -> Path:
    manifest, file = tmp_path / f"{name}.json", tmp_path / f"of-{name}.stats"
    Assignment.of_node(node.data_dir).write(manifest)
    compute(manifest, write_prompts(tmp_path / f"{name}.jsonl", prompts), file, node.embedder, f"of-{name}")
    return file


async def test_a_file_that_does_not_belong_here_leaves_no_trace(tmp_path: Path, embedder: Path) -> None:
    node = NodeHome(tmp_path / "alpha", embedder)
    async with federation(tmp_path) as coordinator:
        await _enrol(node, await coordinator.invite("alpha"))
        manifest, file = tmp_path / "manifest.json", tmp_path / "law.stats"
        assignment = Assignment.of_node(node.data_dir)
        assignment.write(manifest)
        await asyncio.to_thread(compute, manifest, write_prompts(tmp_path / "p.jsonl", words(3)), file, embedder)
        with pytest.raises(BadJoinRequest, match="statistics of 'law', not of math"):
            await bring(node, "math", file)
        foreign = Wishes(features=FeatureMap.POOLED, masking=Masking.OFF, columns=8)
        other = foreign.manifest("other", toy.toy_embedder().fingerprint)
        Assignment(other, "toy", 0.0, b"k" * 32).write(manifest)
        await asyncio.to_thread(compute, manifest, tmp_path / "p.jsonl", file, embedder)
        with pytest.raises(OtherFeatures, match=r"pooled features, 8 columns.*tokens features"):
            await bring(node, "law", file)
        async with daemon(node):
            with pytest.raises(Refused, match="pooled features"):
                await bring(node, "law", file)
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(BadStatisticsFile, match="cut off"):
            await bring(node, "law", file)
        assert (await node.status()).domains == ()
        assert source_files(node) == []
        await expect_sum(coordinator, {})


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(ridgeway, arguments, env={"RIDGEWAY_DATA_DIR": None})
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_line_of_the_file_flow(tmp_path: Path, embedder: Path) -> None:
    missing = run("manifest", "--data-dir", str(tmp_path), "-o", str(tmp_path / "m"), code=1)
    assert "is not a node's data directory" in missing
    paths = (str(write_prompts(tmp_path / "p.jsonl", words(3))), "-o", str(tmp_path / "law.stats"))
    assert "say what to compute" in run("statistics", *paths, code=2)
    manifest = Wishes(masking=Masking.OFF, columns=8).manifest("test", toy.toy_embedder().fingerprint)
    Assignment(manifest, str(embedder), 0.0, b"k" * 32).write(tmp_path / "m")
    known = ("--manifest", str(tmp_path / "m"))
    said = run("statistics", *paths, *known)
    assert "20 prompts, 20 rows" in said
    wrong = run("statistics", *paths, *known, "--engine", "dask://192.0.2.1:8786", code=1)
    assert "--dask-tls-ca" in wrong
    half = ("--dask-tls-ca", "x", "--engine", "dask://127.0.0.1:1")
    assert "go together" in run("statistics", *paths, *known, *half, code=2)
    assert "federation computes with" in run("statistics", *paths, *known, "--embedder", "builtin", code=1)
    (tmp_path / "p.jsonl").write_text('{"prompt": "w1"}\nsecret rubbish\n')
    bad = run("statistics", *paths, *known, code=1)
    assert "p.jsonl:2: it is not JSON" in bad
    assert "secret" not in bad
    assert json.loads(run("statistics", *paths, *known, "--skip-bad", "--json"))["skipped"] == 1
