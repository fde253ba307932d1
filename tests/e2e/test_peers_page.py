"""The page and the metrics of a peer: the others as it sees them."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import toy
from browsing import browser, visit
from node_running import words, write_prompts
from peer_running import PeerHome, peer, toy_manifest
from playwright.async_api import Browser, expect

from ridgeway.manifest import COORDINATOR, Coordination
from ridgeway.web.settings import HttpSettings

LOOPBACK = HttpSettings("127.0.0.1", 0)
LAW, CODE = words(1), words(7)
NEVER_MIND_S = 60_000


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    async with browser() as started:
        yield started


@pytest.fixture
async def homes(tmp_path: Path) -> AsyncIterator[tuple[PeerHome, PeerHome, str]]:
    """Ann, the founder, who serves a page, and bob, who joined; ann's daemon runs, and the page's address."""
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    ann, bob = PeerHome(tmp_path / "ann", embedder), PeerHome(tmp_path / "bob", embedder)
    ann.found("ann")
    async with peer(ann, http=LOOPBACK) as serving:
        await ann.join(domains={"law": write_prompts(tmp_path / "law.jsonl", LAW)})
        await bob.join(await ann.invite("bob"), {"code": write_prompts(tmp_path / "code.jsonl", CODE)})
        yield ann, bob, serving.http


async def scraped(url: str) -> dict[str, float]:
    """What Prometheus would read."""
    async with aiohttp.ClientSession() as session, session.get(f"{url.rstrip('/')}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith("ridgeway_gossip")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.timeout(150)
async def test_a_peer_appears_goes_and_comes_back(chrome: Browser, homes: tuple[PeerHome, PeerHome, str]) -> None:
    ann, bob, url = homes
    async with visit(chrome, url) as visited:
        page = visited.page
        row = page.locator("#gossip tbody tr", has_text="bob")
        async with peer(bob):
            await ann.holds({("ann", "law"): LAW, ("bob", "code"): CODE}, toy_manifest())
            await expect(row).to_contain_text("alive", timeout=NEVER_MIND_S)
            await expect(row).to_contain_text("open", timeout=NEVER_MIND_S)
            await expect(row).to_contain_text("the same", timeout=NEVER_MIND_S)
            await expect(page.locator("#gossip .facts")).to_contain_text(
                "1 of 1 peer hold the same", timeout=NEVER_MIND_S
            )
            await expect(page.locator("#rounds")).to_contain_text("every member sees each owner's sums")
            await expect(page.locator("#node .facts")).to_contain_text(f"127.0.0.1:{ann.port}")
            assert await visited.faint_texts() == []
        await expect(row).to_contain_text("none", timeout=NEVER_MIND_S)
        assert (visited.complaints, visited.hosts) == ([], {"127.0.0.1"})
    async with visit(chrome, url, width=380, dark=True) as narrow:
        await expect(narrow.page.locator("#gossip tbody tr", has_text="bob")).to_be_visible()
        assert not await narrow.is_too_wide()
        assert await narrow.faint_texts() == []


async def test_prometheus_sees_what_is_gossiped(homes: tuple[PeerHome, PeerHome, str]) -> None:
    ann, bob, url = homes
    async with peer(bob):
        await ann.until(lambda s: s.gossip and any(p.in_step and p.linked for p in s.gossip.peers))
        seen = await scraped(url)
    assert seen['ridgeway_gossip_peers{state="alive"}'] == 1
    assert (seen["ridgeway_gossip_peers_linked"], seen["ridgeway_gossip_peers_in_step"]) == (1, 1)
    assert seen["ridgeway_gossip_records"] > 2
    assert (seen["ridgeway_gossip_faults"], seen["ridgeway_gossip_offences"]) == (0, 0)
    for direction in ("sent", "received"):
        assert seen[f'ridgeway_gossip_bytes_total{{direction="{direction}"}}'] > 100


@pytest.mark.timeout(150)
async def test_a_page_says_that_the_coordinator_is_lost_and_that_it_is_back(chrome: Browser, tmp_path: Path) -> None:
    embedder = toy.write_toy_embedder(tmp_path / "toy")
    middle, bob = PeerHome(tmp_path / "middle", embedder), PeerHome(tmp_path / "bob", embedder)
    middle.found(COORDINATOR, coordination=Coordination.MIXED)
    async with peer(bob, http=LOOPBACK) as serving, visit(chrome, serving.http) as visited:
        alarm = visited.page.locator("#gossip .warn")
        row = visited.page.locator("#gossip tbody tr", has_text=COORDINATOR)
        async with peer(middle):
            await bob.join(await middle.invite("bob"), {"code": write_prompts(tmp_path / "code.jsonl", CODE)})
            await expect(row).to_contain_text("alive", timeout=NEVER_MIND_S)
            await expect(alarm).to_have_count(0)
        await expect(alarm).to_contain_text("gossip goes on without it", timeout=NEVER_MIND_S)
        async with peer(middle):
            await expect(alarm).to_have_count(0, timeout=NEVER_MIND_S)
        assert visited.complaints == []
