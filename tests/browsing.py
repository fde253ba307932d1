"""The Chromium of this machine, without a window, looking at one page and noting everything that goes wrong on it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

# Every text on the page against what is behind it, as WCAG 2.2 (1.4.3) computes it; those below 4.5 to 1.
FAINT_TEXTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const over = (top, below) => below.map((value, i) => top[3] * top[i] + (1 - top[3]) * value);
  const behind = (element) => {
    const above = element.parentElement ? behind(element.parentElement) : rgba("canvas").slice(0, 3);
    return over(rgba(getComputedStyle(element).backgroundColor), above);
  };
  const light = (colour) => colour.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest("svg")) continue;
    const back = behind(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), back)), light(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""
IS_TOO_WIDE = "() => document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"


@dataclass
class Visit:
    """One page and what went wrong on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def heard(self, message: ConsoleMessage) -> None:
        """Note an error on the console; a violation of the policy is one."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def asked(self, request: Request) -> None:
        """Note whom the page asks."""
        self.hosts.add(urlsplit(request.url).hostname or request.url)

    async def faint_texts(self) -> list[str]:
        """Texts of too little contrast."""
        found: list[str] = await self.page.evaluate(FAINT_TEXTS)
        return found

    async def is_too_wide(self) -> bool:
        """Whether one has to scroll sideways."""
        found: bool = await self.page.evaluate(IS_TOO_WIDE)
        return found


def chromium() -> str:
    """The program; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium; scripts/install_debian_packages gets Debian's")
    return path


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Run the browser while the block runs."""
    # Chromium refuses its sandbox to root, who runs tests in containers only.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    path = chromium()
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            await started.close()


@asynccontextmanager
async def visit(started: Browser, url: str, *, width: int = 1180, dark: bool = False) -> AsyncIterator[Visit]:
    """Look at a page with a fresh profile."""
    context = await started.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    try:
        page = await context.new_page()
        visited = Visit(page)
        page.on("console", visited.heard)
        page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        page.on("request", visited.asked)
        page.set_default_timeout(15_000)
        await page.goto(url)
        yield visited
    finally:
        await context.close()
