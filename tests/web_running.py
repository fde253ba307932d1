"""One site in this process, on loopback, over what a test wants it to show."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ridgeway.web.limits import Limits
from ridgeway.web.settings import HttpSettings
from ridgeway.web.site import DEFAULT_LIMITS, Document, Shown, served


@dataclass
class Shop:
    """What a site shows; a test changes it."""

    document: dict[str, Any] = field(default_factory=lambda: {"role": "test"})
    unready: str = ""
    asked: int = 0
    prompts: list[str] = field(default_factory=list)
    try_prompt: Callable[[str], Awaitable[Document]] | None = None

    async def status(self) -> Document:
        """The document."""
        self.asked += 1
        return self.document

    async def metrics(self) -> bytes:
        """A metric."""
        return b"ridgeway_test 1.0\n"

    async def keep(self, prompt: str) -> Document:
        """Note a prompt and decide nothing."""
        self.prompts.append(prompt)
        return {"domain": "law"}


@dataclass
class Visited:
    """A running site and a client without cookies or a browser's headers."""

    url: str
    shop: Shop
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    async def ask(self, path: str, method: str = "GET", **how: Any) -> tuple[int, str, Any]:
        """Status, body and headers of an answer; redirects are not followed."""
        async with self.session.request(method, self.url + path, allow_redirects=False, **how) as response:
            return response.status, await response.text(), response.headers

    async def raw(self, request: bytes, wait_s: float = 5.0) -> bytes:
        """Everything that the server answers to these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(wait_s):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def site(
    settings: HttpSettings | None = None, limits: Limits = DEFAULT_LIMITS, **shop: Any
) -> AsyncIterator[Visited]:
    """Serve while the block runs."""
    shown = Shop(**shop)
    tries = shown.try_prompt or shown.keep
    wares = Shown(shown.status, shown.metrics, lambda: shown.unready, tries)
    settings = settings or HttpSettings("127.0.0.1", 0)
    async with served(settings, wares, limits) as url, aiohttp.ClientSession() as session:
        yield Visited(url, shown, session)
