"""Backups of real daemons, and what happens once they are restored: sums to the bit, and members that go on."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import toy
from cli_running import document, ridgeway
from free_port import free_port
from light_client import random_contribution
from node_running import NodeHome, daemon, expect_sum, expected_digest, words, write_prompts
from running import Running, refused, running

from ridgeway.coordinator.founding import Wishes
from ridgeway.coordinator.restoration import LEAP
from ridgeway.manifest import FeatureMap, Manifest
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.sums import FederationSum


async def backup(data_dir: Path, output: Path, *options: str) -> Any:
    """`ridgeway backup --json`, in a process of its own."""
    return await asyncio.to_thread(document, "backup", "--data-dir", str(data_dir), "-o", str(output), *options)


async def restore(file: Path, data_dir: Path) -> Any:
    """`ridgeway restore --json`, into a directory that is emptied before."""
    shutil.rmtree(data_dir, ignore_errors=True)
    return await asyncio.to_thread(document, "restore", str(file), "--data-dir", str(data_dir))


async def until_sum(coordinator: Running, held: Mapping[tuple[str, str], list[str]], timeout_s: float = 60) -> None:
    manifest = Manifest.from_json((await coordinator.status()).manifest_json)
    wanted = expected_digest(manifest, held)
    async with asyncio.timeout(timeout_s):
        while (await coordinator.status()).sum_digest != wanted:  # noqa: ASYNC110 - the nodes' work
            await asyncio.sleep(0.05)


async def test_a_coordinator_that_runs_is_backed_up_at_one_moment(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator") as coordinator:
        alice, bob = await coordinator.owner("alice"), await coordinator.owner("bob")
        await alice.contribute("law", random_contribution(1, alice.manifest))
        before = await bob.contribute("math", random_contribution(2, bob.manifest))
        report = await backup(coordinator.data_dir, tmp_path / "backup", "--with-keys")
        # Replaced and withdrawn after the backup: their old payloads must be in it all the same.
        await alice.contribute("law", random_contribution(3, alice.manifest))
        await bob.call(rpc.WITHDRAW, bob.withdrawal("math"))
        assert list((coordinator.data_dir / "snapshots").iterdir()) == []
    assert (report["role"], report["keys"], report["notes"][0][:12]) == ("coordinator", True, "private keys")
    await restore(tmp_path / "backup", tmp_path / "restored")
    async with running(tmp_path / "restored") as coordinator:
        assert (await coordinator.status()).sum_digest == before.sum_digest


async def test_a_backup_during_uploads_is_always_of_one_moment(tmp_path: Path) -> None:
    """Every sum that a backup gives must be one that the coordinator has had."""
    sums = set()
    async with running(tmp_path / "coordinator") as coordinator:
        alice = await coordinator.owner("alice")
        manifest = alice.manifest
        assert manifest is not None

        async def contribute() -> None:
            async with alice.channel() as channel:
                for seed in range(1000):
                    vector, alone = random_contribution(seed, alice.manifest), FederationSum(manifest.layout)
                    alone.add("law", vector, 20)
                    sums.add(alone.digest(manifest.digest()))
                    await alice.upload(channel, alice.sign("law", vector), vector.tobytes())
                    # No more calls in a second than one owner may make.
                    await asyncio.sleep(0.05)

        busy = asyncio.create_task(contribute())
        for number in range(2):
            while len(sums) < 5 * (number + 1):  # noqa: ASYNC110 - the owner's work
                await asyncio.sleep(0.01)
            await backup(coordinator.data_dir, tmp_path / f"backup-{number}", "--with-keys")
        while len(sums) < 20:  # noqa: ASYNC110 - the owner's work
            await asyncio.sleep(0.01)
        busy.cancel()
    for number in range(2):
        await restore(tmp_path / f"backup-{number}", tmp_path / "restored")
        async with running(tmp_path / "restored") as coordinator:
            assert (await coordinator.status()).sum_digest in sums


async def test_a_coordinator_without_its_key_says_what_it_lacks(tmp_path: Path) -> None:
    async with running(tmp_path / "coordinator") as coordinator:
        alice = await coordinator.owner("alice")
        before = await alice.contribute("law", random_contribution(1, alice.manifest))
    await backup(tmp_path / "coordinator", tmp_path / "backup")
    key = (tmp_path / "coordinator" / "authority.key").read_bytes()
    assert key.splitlines()[1] not in (tmp_path / "backup").read_bytes()
    report = await restore(tmp_path / "backup", tmp_path / "restored")
    assert "authority.key are not in this backup" in report["notes"][0]
    refusal = await asyncio.to_thread(
        ridgeway, "coordinator", "--data-dir", str(tmp_path / "restored"), "--listen", "127.0.0.1:0", code=1
    )
    assert "copy its authority.key" in refusal
    (tmp_path / "restored" / "authority.key").write_bytes(key)
    async with running(tmp_path / "restored") as coordinator:
        assert (await coordinator.status()).sum_digest == before.sum_digest


async def test_nodes_follow_a_coordinator_that_was_restored_to_an_older_state(tmp_path: Path) -> None:
    """The node has contributed, renewed its certificate and got newer routers since; it is not touched."""
    embedder, port, data_dir = toy.write_toy_embedder(tmp_path / "toy"), free_port(), tmp_path / "coordinator"
    node = NodeHome(tmp_path / "alice", embedder)
    law, math = words(1), words(2)
    async with AsyncExitStack() as stack:
        async with running(data_dir, embedder=toy.toy_embedder().fingerprint, port=port) as coordinator:
            await stack.enter_async_context(daemon(node))
            await node.join(await coordinator.invite("alice"), {"law": write_prompts(tmp_path / "law.jsonl", law)})
            await backup(data_dir, tmp_path / "backup", "--with-keys")
            source = write_prompts(tmp_path / "math.jsonl", math)
            await node.join("", {"math": source}, (m.Expert(domain="math", url="http://expert/v1", model="m"),))
            newest = (await coordinator.status()).router_version
            await node.until(lambda status: status.router_version >= newest)
        await restore(tmp_path / "backup", data_dir)
        async with running(data_dir, embedder=toy.toy_embedder().fingerprint, port=port) as coordinator:
            await until_sum(coordinator, {("alice", "law"): law, ("alice", "math"): math})
            assert [e.model for d in (await coordinator.status()).domains for e in d.experts] == ["m"]
            status = await node.until(lambda status: status.router_version > LEAP)
            assert all(domain.committed for domain in status.domains)
            assert (await node.route("w2 w3 w7")).domain == "math"


async def test_certificates_of_the_forgotten_time_count_and_no_others(tmp_path: Path) -> None:
    port, data_dir = free_port(), tmp_path / "coordinator"
    async with running(data_dir, port=port) as coordinator:
        alice, bob = await coordinator.owner("alice"), await coordinator.owner("bob")
        before = alice.tls
        await backup(data_dir, tmp_path / "backup", "--with-keys")
        await alice.renew()
        await bob.renew()
        late = await coordinator.owner("carol")
    await restore(tmp_path / "backup", data_dir)
    async with running(data_dir, port=port) as coordinator:
        assert (await alice.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())).next_sequence == 1
        with pytest.raises(grpc.aio.AioRpcError, match="another federation"):
            await late.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        await coordinator.administer(rpc.REVOKE, m.OwnerRequest("bob"))
        async with refused(grpc.StatusCode.PERMISSION_DENIED, "revoked"):
            await bob.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        # Whoever enrols anew has replaced the certificates of the forgotten time, too.
        await coordinator.owner("bob")
        async with refused(grpc.StatusCode.PERMISSION_DENIED, "replaced or has expired"):
            await bob.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        coordinator.clock.ahead = timedelta(hours=25)
        for tls in (before, alice.tls):
            alice.tls = tls
            async with refused(grpc.StatusCode.PERMISSION_DENIED, "replaced or has expired"):
                await alice.call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())


async def test_a_masked_federation_goes_on_after_its_coordinator_was_restored(tmp_path: Path) -> None:
    """Rounds of the forgotten time are never repeated, and the sum is what the nodes hold, to the bit."""
    embedder, port, data_dir = toy.write_toy_embedder(tmp_path / "toy"), free_port(), tmp_path / "coordinator"
    wishes = Wishes(features=FeatureMap.TOKENS)
    names = ("alice", "bob", "carol")

    async def contribute(coordinator: Running, nodes: dict[str, NodeHome], edition: int) -> None:
        tokens = {name: "" if edition else await coordinator.invite(name) for name in names}
        sources = {name: write_prompts(tmp_path / f"{name}.jsonl", prompts(name, edition)) for name in names}
        await asyncio.gather(*(node.join(tokens[name], {"law": sources[name]}) for name, node in nodes.items()))

    def prompts(name: str, edition: int) -> list[str]:
        return words(names.index(name) * 3 + 11 * edition)

    async with AsyncExitStack() as stack:
        nodes = {name: NodeHome(tmp_path / f"{name}-node", embedder) for name in names}
        for node in nodes.values():
            await stack.enter_async_context(daemon(node))
        async with running(data_dir, embedder=toy.toy_embedder().fingerprint, port=port, wishes=wishes) as coordinator:
            await contribute(coordinator, nodes, 0)
            await backup(data_dir, tmp_path / "backup", "--with-keys")
            await contribute(coordinator, nodes, 1)
        await restore(tmp_path / "backup", data_dir)
        async with running(data_dir, embedder=toy.toy_embedder().fingerprint, port=port, wishes=wishes) as coordinator:
            await until_sum(coordinator, {(name, "law"): prompts(name, 1) for name in names})
            for node in nodes.values():
                await node.until(lambda status: status.router_version > LEAP, timeout_s=30)


async def test_a_node_is_backed_up_while_it_runs_and_goes_on_elsewhere(tmp_path: Path) -> None:
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    node, law = NodeHome(tmp_path / "alice", embedder), words(1)
    async with running(tmp_path / "coordinator", embedder=toy.toy_embedder().fingerprint) as coordinator:
        async with daemon(node):
            source = write_prompts(tmp_path / "law.jsonl", law)
            await node.join(await coordinator.invite("alice"), {"law": source}, hold_out=0.2)
            await node.until(lambda status: status.router_version > 0)
            report = await backup(node.data_dir, tmp_path / "backup", "--with-keys")
            # The ledger will have numbers that the restored node does not know.
            await node.join("", {"law": write_prompts(tmp_path / "law.jsonl", words(3))}, hold_out=0.0)
        assert report["role"] == "node"
        moved = NodeHome(tmp_path / "moved", embedder)
        await restore(tmp_path / "backup", moved.data_dir)
        held_out = {p.name for p in (moved.data_dir / "hold-outs").iterdir()}
        assert held_out == {p.name for p in (moved.data_dir / "payloads").iterdir()} != set()
        async with daemon(moved):
            assert (await moved.route("w1 w2 w6")).domain == "law"
            # Another file, since the daemon may be counting the one that it knows, and holds some of that out.
            await moved.join("", {"law": write_prompts(tmp_path / "more.jsonl", words(5))}, hold_out=0.0)
            await expect_sum(coordinator, {("alice", "law"): words(5)})


def test_a_stream_carries_a_backup_and_its_report_goes_aside(tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.mkdir(mode=0o700)
    (node / "ridgeway.json").write_text(json.dumps({"ridgeway": "node", "format": 1}))
    command = [sys.executable, "-m", "ridgeway.cli.main"]
    written = subprocess.run(
        [*command, "backup", "--data-dir", str(node), "-o", "-", "--json"], capture_output=True, check=True
    )
    assert json.loads(written.stderr)["role"] == "node"
    read = subprocess.run(
        [*command, "restore", "-", "--data-dir", str(tmp_path / "new"), "--json"],
        input=written.stdout, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(read.stdout)["files"] == json.loads(written.stderr)["files"]
    assert "cannot be restored" in ridgeway("restore", str(tmp_path / "none"), "--data-dir", str(node), code=1)
