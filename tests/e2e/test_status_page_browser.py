"""The page in a real browser: who joins appears, who leaves goes, a prompt is tried, and anyone can read it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import toy
from browsing import browser, visit
from node_running import NodeHome, daemon, write_prompts
from playwright.async_api import Browser, expect
from running import Running, running
from web_running import site

from ridgeway.proto import messages as m
from ridgeway.proto.status_document import federation_document, node_document
from ridgeway.web.router_history import RouterHistory
from ridgeway.web.settings import AccessToken, HttpSettings

LOOPBACK = HttpSettings("127.0.0.1", 0)
SECRET = "c0ffee" * 6
FOCUSED = "() => document.activeElement.id || document.activeElement.className"
MALICE = "<img src=x onerror=alert(1)>"


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    async with browser() as started:
        yield started


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Running]:
    fingerprint = toy.toy_embedder().fingerprint
    async with running(tmp_path / "coordinator", embedder=fingerprint, http=LOOPBACK) as started:
        yield started


@pytest.fixture
def node(tmp_path: Path) -> NodeHome:
    return NodeHome(tmp_path / "node", toy.write_toy_embedder(tmp_path / "embedder"))


def prompts(first: int) -> list[str]:
    """Prompts of half of the toy words, all different."""
    return [f"w{first + i % 15} w{first + i // 15}" for i in range(120)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "law": write_prompts(tmp_path / "law.jsonl", prompts(0)),
        "math": write_prompts(tmp_path / "math.jsonl", prompts(18)),
    }


@pytest.mark.timeout(90)
async def test_who_joins_appears_and_who_leaves_goes(
    chrome: Browser, coordinator: Running, node: NodeHome, files: dict[str, Path]
) -> None:
    async with visit(chrome, coordinator.endpoints.http) as visited, daemon(node):
        page = visited.page
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.locator("#owners")).to_contain_text("Nobody was invited yet")
        expert = m.Expert("", "law", "https://llm.example/v1", MALICE)
        await node.join(await coordinator.invite("alpha"), files, (expert,), hold_out=0.2)
        alpha = page.locator("#owners tbody tr", has_text="alpha")
        await expect(alpha).to_contain_text("connected")
        await expect(alpha).to_contain_text("law")
        await expect(page.locator("#domains tbody tr")).to_have_count(2)
        await expect(page.locator("#domains")).to_contain_text(MALICE)
        await expect(page.locator("#confusion td.right")).to_have_count(2)
        await expect(page.locator("#routers tbody tr").first).to_be_visible()
        assert await page.locator("img:not(.logo)").count() == 0
        await expect(page.locator("#news")).not_to_be_empty()
        await node.leave()
        await expect(alpha).to_contain_text("left")
        await expect(page.locator("#domains")).to_contain_text("nobody has contributed")
        await expect(page.locator("#news")).to_contain_text("alpha is left")
        assert (visited.complaints, visited.hosts) == ([], {"127.0.0.1"})


@pytest.mark.timeout(90)
async def test_a_prompt_is_tried_and_kept_nowhere(
    chrome: Browser, coordinator: Running, node: NodeHome, files: dict[str, Path]
) -> None:
    async with daemon(node, http=LOOPBACK) as at, visit(chrome, at.http) as visited:
        page = visited.page
        await expect(page.locator("#notice")).to_contain_text("no member")
        await node.join(await coordinator.invite("alpha"), files, hold_out=0.2)
        box = page.get_by_label("Where would this prompt go")
        await expect(box).to_be_visible()
        await box.fill("w21,  w22 🙂 w7")
        await box.press("Control+Enter")
        await expect(page.locator(".verdict")).to_contain_text("confidence")
        assert await page.locator(".words").text_content() == "w21,  w22 🙂 w7"
        assert await page.locator(".words mark").count() >= 3
        await expect(page.locator(".votes li")).to_have_count(2)
        await page.locator("summary").click()
        await expect(page.locator("details tbody tr").first).to_be_visible()
        await box.fill("unheard of")
        await page.get_by_role("button", name="Route it").click()
        await expect(page.locator("#try-result")).to_contain_text("no token that the embedder knows")
        kept = await page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert (kept, page.url) == ('[{},{},""]', at.http)
        assert [text for text in visited.complaints if "422" not in text] == []


@pytest.mark.timeout(90)
async def test_everyone_can_read_it(
    chrome: Browser, coordinator: Running, node: NodeHome, files: dict[str, Path]
) -> None:
    """Contrast, the width of a phone, names of everything that can be reached by keyboard."""
    await coordinator.invite("beta-the-one-with-a-rather-long-name-for-an-owner")
    async with daemon(node, http=LOOPBACK) as at:
        await node.join(await coordinator.invite("alpha"), files, hold_out=0.2)
        for width, dark in ((1180, False), (1180, True), (390, False), (390, True), (320, False)):
            async with visit(chrome, at.http, width=width, dark=dark) as visited:
                page = visited.page
                await expect(page.locator("#confusion td.right")).to_have_count(2)
                await page.locator("#prompt").fill("w21 w22 w7")
                await page.get_by_role("button", name="Route it").click()
                await page.locator("summary").click()
                assert await visited.faint_texts() == []
                assert not await visited.is_too_wide()
                assert len(await page.screenshot()) > 10_000


def many_domains() -> dict[str, object]:
    """A document with as many domains as there are colours, every share in the heat map, and every state."""
    names = tuple(f"domain-{n}" for n in range(8))
    rows = ([8 - n if to == n else n if to == 7 - n else 0 for to in range(9)] for n in range(8))
    confusion = tuple(value for row in rows for value in row)
    members = tuple(m.MemberStatus(state.name.lower(), state, connected=True) for state in m.MemberState if state)
    contributed = replace(members[1], contributions=tuple(m.CommittedContribution(name, 1, 40) for name in names))
    status = m.FederationStatus(
        manifest_json=b'{"feature_map": "pooled", "masking": "off"}',
        router_version=3,
        members=(members[0], contributed, *members[2:]),
        domains=tuple(m.DomainStatus(name, 40, ("active",)) for name in names),
        trials=(m.RouterTrial(3, 64, 0.5, domains=names, confusion=confusion), m.RouterTrial(2, 64, 0.75)),
    )
    federation = federation_document(status)
    node = node_document(m.NodeStatus(owner="active", router_version=3, last_error="it fails"))
    history = RouterHistory().document(federation["trials"])
    return {"role": "node", "federation": federation, "node": node, "missing": "it is away", "routers": history}


async def strong_votes(_: str) -> dict[str, object]:
    """A decision in which every domain has a word that speaks for it as strongly as can be."""
    names = [f"domain-{n}" for n in range(8)]
    share = {"chosen": 1.0, "runner_up": -1.0}
    segments = [
        {"text": "a", "start": n, "stop": n + 1, "kept": True, "speaks_for": name, "share": share, "tokens": []}
        for n, name in enumerate(names)
    ]
    explanation = {"runner_up": names[1], "segments": segments}
    votes = dict.fromkeys(names, 1.0)
    return {
        "domain": names[0], "confidence": 1.0, "votes": votes, "expert": None, "router_version": 3,
        "explanation": explanation,
    }  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dark", [False, True])
async def test_every_colour_can_be_read_on(chrome: Browser, dark: bool) -> None:
    async with (
        site(document=many_domains(), try_prompt=strong_votes) as served,
        visit(chrome, served.url, dark=dark) as visited,
    ):
        page = visited.page
        await expect(page.locator("#confusion td.right")).to_have_count(8)
        await page.locator("#prompt").fill("aaaaaaaa")
        await page.get_by_role("button", name="Route it").click()
        await expect(page.locator(".words mark")).to_have_count(8)
        await page.locator("#try summary").click()
        assert await visited.faint_texts() == []
        assert visited.complaints == []


@pytest.mark.timeout(60)
async def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    chrome: Browser, coordinator: Running, node: NodeHome, files: dict[str, Path]
) -> None:
    async with daemon(node, http=LOOPBACK) as at:
        await node.join(await coordinator.invite("alpha"), files, hold_out=0.2)
        async with visit(chrome, at.http) as visited:
            page = visited.page
            await expect(page.locator("#try")).to_be_visible()
            reached = []
            for _ in range(4):
                await page.keyboard.press("Tab")
                reached.append(await page.evaluate(FOCUSED))
                assert await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
            assert reached[0] == "skip"
            assert "prompt" in reached
            for role in ("banner", "main", "contentinfo"):
                await expect(page.get_by_role(role)).to_have_count(1)
            for name in ("Owners", "Domains", "Routers", "Try a prompt", "Which domains are confused"):
                await expect(page.get_by_role("region", name=name, exact=True).first).to_be_visible()
            assert await page.get_by_role("table", name="Owners").get_by_role("row").count() == 2


@pytest.mark.timeout(60)
async def test_a_browser_logs_in_with_the_token(chrome: Browser) -> None:
    document: dict[str, object] = {"role": "node", "federation": None, "missing": "nobody", "node": None, "routers": []}
    guarded = HttpSettings("127.0.0.1", 0, AccessToken(SECRET))
    async with site(guarded, document=document) as served, visit(chrome, served.url) as visited:
        page = visited.page
        await expect(page).to_have_url(f"{served.url}login")
        await page.get_by_label("The token").fill("not this one")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("The token").fill(SECRET)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#live")).to_have_text("live")
        cookies = await page.context.cookies()
        assert [cookie["httpOnly"] for cookie in cookies] == [True]
        assert SECRET not in str(cookies)
        assert visited.complaints == []
