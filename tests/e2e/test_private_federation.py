"""Federations with differential privacy, whole: real gRPC and TLS, noise that is paid for once, budgets that end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from node_running import NodeHome, daemon, write_prompts
from running import Running, running

from ridgeway import samples
from ridgeway.cli.plain_sum import plain_digest
from ridgeway.coordinator import founding
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedders import load_embedder
from ridgeway.engines.local import count_here
from ridgeway.feature_map import accumulator
from ridgeway.manifest import Manifest, ManifestError, Masking, MassRule
from ridgeway.node.assignment import Assignment
from ridgeway.node.contribution import DomainError, numbers
from ridgeway.node.handover import join_federation
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.node.state import STATE_FILE, NodeState, Release
from ridgeway.privacy.agreement import agree, agreed_embedder
from ridgeway.privacy.contribution import encode_moment
from ridgeway.privacy.errors import PrivacyError
from ridgeway.proto import messages as m

OPEN = Wishes(privacy=(8.0, 1e-6), masking=Masking.OFF)
MASKED = Wishes(privacy=(8.0, 1e-6))


@asynccontextmanager
async def private(tmp_path: Path, wishes: Wishes = OPEN) -> AsyncIterator[Running]:
    fingerprint = load_embedder("builtin").fingerprint
    async with running(tmp_path / "coordinator", embedder=fingerprint, wishes=wishes) as coordinator:
        yield coordinator


async def joined(tmp_path: Path, coordinator: Running, domain: str, path: Path | None = None) -> NodeHome:
    node = NodeHome(tmp_path / domain, Path("builtin"))
    await node.join(await coordinator.invite(domain), {domain: path or samples.train_path(domain)}, hold_out=0.2)
    return node


async def manifest_of(coordinator: Running) -> Manifest:
    return Manifest.from_json((await coordinator.status()).manifest_json)


def payload_of(node: NodeHome, domain: str) -> "np.typing.NDArray[np.int64]":
    state = NodeState(node.data_dir / STATE_FILE, read_only=True)
    prepared = state.contributions()[domain]
    state.close()
    return numbers(node.data_dir / "payloads", prepared)


async def budget_spent(node: NodeHome) -> float:
    return (await node.status()).domains[0].budget_spent


async def test_a_private_federation_routes_and_sends_noisy_moments_only(tmp_path: Path) -> None:
    async with private(tmp_path) as coordinator:
        nodes = {domain: await joined(tmp_path, coordinator, domain) for domain in samples.DOMAINS}
        manifest = await manifest_of(coordinator)
        embedder = agreed_embedder(load_embedder("builtin"), manifest)
        for domain, node in nodes.items():
            rows = accumulator(manifest, embedder)
            rows.add(embedder.encode_batch(list(read_prompts(PromptSource(str(samples.train_path(domain)))))))
            exact, sent = encode_moment(rows.statistics(), manifest.layout), payload_of(node, domain)
            assert sent.shape == (manifest.dimension,)
            assert sent[-1] == exact[-1]
            # Of 384 independent Gaussians next to none is below a hundredth of its deviation.
            assert (np.abs(sent - exact)[:-1] > 0.01 * np.std(sent - exact)).mean() > 0.95
            assert await budget_spent(node) == pytest.approx(1.0)
        async with daemon(nodes["legal"]):
            await nodes["legal"].until(lambda status: status.router_version == 4)
            prompts = {d: list(read_prompts(PromptSource(str(samples.test_path(d))))) for d in samples.DOMAINS}
            right = [(await nodes["legal"].route(p)).domain == d for d, texts in prompts.items() for p in texts]
        # Four even guesses would give a quarter; 60 prompts an owner leave much noise at epsilon 8.
        assert np.mean(right) > 0.45
        assert (await coordinator.status()).trials == ()


async def test_leaving_restores_the_bits_and_coming_back_with_the_same_prompts_is_free(tmp_path: Path) -> None:
    async with private(tmp_path) as coordinator:
        await joined(tmp_path, coordinator, "legal")
        before = (await coordinator.status()).sum_digest
        node = await joined(tmp_path, coordinator, "medical")
        first, during = payload_of(node, "medical"), (await coordinator.status()).sum_digest
        await node.leave()
        assert (await coordinator.status()).sum_digest == before
        await joined(tmp_path, coordinator, "medical")
        assert (await coordinator.status()).sum_digest == during
        np.testing.assert_array_equal(payload_of(node, "medical"), first)
        assert await budget_spent(node) == pytest.approx(1.0)


async def test_other_prompts_are_refused_once_the_budget_is_spent_and_the_sum_keeps_the_first(tmp_path: Path) -> None:
    wishes = replace(OPEN, privacy_contributions=2)
    source = write_prompts(tmp_path / "legal.jsonl", ["the lease is void", "a breach of contract"])
    async with private(tmp_path, wishes) as coordinator:
        node = await joined(tmp_path, coordinator, "legal", source)
        assert await budget_spent(node) == pytest.approx(0.5)
        write_prompts(source, ["the lease is void", "an appeal to the court"])
        await node.join("", {"legal": source})
        assert await budget_spent(node) == pytest.approx(1.0)
        kept = (await coordinator.status()).sum_digest
        write_prompts(source, ["the lease is void", "a third sentence"])
        with pytest.raises(DomainError, match="budget is spent"):
            await node.join("", {"legal": source})
        assert (await coordinator.status()).sum_digest == kept
        write_prompts(source, ["the lease is void", "an appeal to the court"])
        await node.join("", {"legal": source})
        assert (await coordinator.status()).sum_digest == kept


async def test_the_budget_is_spent_in_every_federation_together(tmp_path: Path) -> None:
    node = NodeHome(tmp_path / "node", Path("builtin"))
    for name, refused in (("first", False), ("second", True)):
        async with private(tmp_path / name) as coordinator:
            joining = node.join(await coordinator.invite("legal"), {"legal": samples.train_path("legal")})
            if refused:
                with pytest.raises(DomainError, match="budget is spent"):
                    await joining
            else:
                await joining
                await node.leave()


async def test_a_masked_private_federation_holds_exactly_what_its_nodes_released(tmp_path: Path) -> None:
    domains = samples.DOMAINS[:3]
    async with private(tmp_path, MASKED) as coordinator, AsyncExitStack() as stack:
        nodes = [NodeHome(tmp_path / domain, Path("builtin")) for domain in domains]
        for node in nodes:
            await stack.enter_async_context(daemon(node))
        tokens = [await coordinator.invite(domain) for domain in domains]
        joining = zip(nodes, tokens, domains, strict=True)
        await asyncio.gather(*(node.join(token, {d: samples.train_path(d)}) for node, token, d in joining))
        status = await coordinator.status()
        assert status.sum_digest.hex() == plain_digest(node.data_dir for node in nodes)
        assert {domain.domain: domain.rows for domain in status.domains} == {
            domain: len(list(read_prompts(PromptSource(str(samples.train_path(domain)))))) for domain in domains
        }
        for node in nodes:
            await node.until(lambda status: status.router_version > 0)


async def test_a_federation_that_promises_more_than_its_noise_gives_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(founding, "agree", lambda *wish: replace(agreed := agree(*wish), cost=2 * agreed.cost))
    async with private(tmp_path) as coordinator:
        with pytest.raises(PrivacyError, match="noise is too small"):
            await joined(tmp_path, coordinator, "legal")
        assert await coordinator.traceless() == ((await coordinator.status()).sum_digest, 0, 0)


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        (replace(OPEN, columns=128), "--columns 0"),
        (replace(OPEN, mass=MassRule.OWNER), "--mass tokens"),
        (replace(OPEN, ridge=0.5), "--ridge"),
        (Wishes(privacy_contributions=3), "--dp"),
    ],
)
def test_wishes_that_do_not_go_with_privacy(wishes: Wishes, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        wishes.manifest("f", load_embedder("builtin").fingerprint)


def test_what_is_released_is_paid_for_in_the_same_transaction(tmp_path: Path) -> None:
    state = NodeState(tmp_path / "node.db")
    release = Release(0.25, "said", "payload", 4)

    def killed(_: int) -> m.SignedRecord:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        state.prepare("legal", 3, "payload", "fingerprint", killed, release)
    assert (state.releases(), state.contributions()) == ({}, {})
    state.prepare("legal", 3, "payload", "fingerprint", lambda _: m.SignedRecord(b"body", b"signature"), release)
    state.close()
    again = NodeState(tmp_path / "node.db")
    assert again.releases() == {"legal": release}
    assert "payload" in again.payloads()
    again.close()


async def test_a_file_of_exact_sums_gets_its_noise_at_the_node_and_the_same_sums_are_free(tmp_path: Path) -> None:
    source = write_prompts(tmp_path / "legal.jsonl", ["the lease is void", "a breach of contract"])
    async with private(tmp_path) as coordinator:
        node = await joined(tmp_path, coordinator, "legal", source)
        sent, assignment = payload_of(node, "legal"), Assignment.of_node(node.data_dir)
        embedder = agreed_embedder(load_embedder("builtin"), assignment.manifest)
        made = count_here("legal", [PromptSource(str(source))], assignment, embedder, lambda _: None).sums
        assert made.hold_out == []
        made.write(tmp_path / "legal.stats")
        brought = m.PromptSource("legal", str(tmp_path / "legal.stats"), statistics=True)
        await join_federation(node.data_dir, m.JoinRequest(sources=(brought,)), lambda _: None)
        np.testing.assert_array_equal(payload_of(node, "legal"), sent)
        assert await budget_spent(node) == pytest.approx(1.0)
