"""The site in a browser: no page asks anybody for anything, is too wide for a phone, or too faint to read."""

from pathlib import Path

import pytest
from browsing import browser, chromium, visit
from site_building import build_site

PHONE = 360


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    return build_site(tmp_path_factory.mktemp("documents"))


def pages_of(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if path.name not in {"search.html", "genindex.html"})


@pytest.mark.parametrize("dark", [False, True])
async def test_every_page_can_be_read_on_a_phone_and_without_a_network(site: Path, dark: bool) -> None:
    pages = pages_of(site)
    assert len(pages) > 15
    async with browser() as started, visit(started, pages[0].as_uri(), width=PHONE, dark=dark) as seen:
        # Either half of the pages in either light is enough to see what the theme or a style does wrong.
        for path in pages[dark::2]:
            await seen.page.goto(path.as_uri())
            assert not await seen.is_too_wide(), path
            assert await seen.faint_texts() == [], path
        assert seen.complaints == []
        assert {address.partition("://")[0] for address in seen.hosts} == {"file"}


async def test_a_search_finds_a_page_without_a_server(site: Path) -> None:
    async with browser() as started, visit(started, (site / "search.html").as_uri() + "?q=tombstone") as seen:
        await seen.page.locator("#search-results a", has_text="Protocol").first.wait_for()
