"""One daemon's HTTP side: the status page and what it asks for, metrics, health."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson
from aiohttp import web

from ridgeway.web import answers
from ridgeway.web.access import LOGIN, Access
from ridgeway.web.connections import Connections
from ridgeway.web.errors import CannotTry, MalformedRequest, TooBusy, WrongMediaType
from ridgeway.web.limits import Limits
from ridgeway.web.live import Live
from ridgeway.web.settings import BadHttpSettings, HttpSettings

Document = Mapping[str, Any]

DEFAULT_LIMITS = Limits()
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ASSETS = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "accuracy.js": "text/javascript",
    "confusion.js": "text/javascript",
    "elements.js": "text/javascript",
    "federation.js": "text/javascript",
    "gossip.js": "text/javascript",
    "trying.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

# aiohttp logs the bytes of a request that it cannot parse, in which a prompt may be.
_unheard = logging.getLogger("ridgeway.web.unheard")
_unheard.disabled = True


@dataclass(frozen=True, slots=True)
class Shown:
    """What a daemon shows.

    Attributes:
        status: the document of the page, as it is now.
        metrics: everything in Prometheus' text format.
        unready: why the daemon cannot do its work yet; an empty string once it can.
        try_prompt: routes a prompt and explains the decision; None where there is no router to try. It raises
            CannotTry.
    """

    status: Callable[[], Awaitable[Document]]
    metrics: Callable[[], Awaitable[bytes]]
    unready: Callable[[], str]
    try_prompt: Callable[[str], Awaitable[Document]] | None = None


class Site:
    """The paths of one daemon."""

    def __init__(self, settings: HttpSettings, shown: Shown, limits: Limits) -> None:
        self._limits = limits
        self._shown = shown
        self._live = Live(self._status, limits.look_s)
        self._tries = asyncio.Semaphore(limits.tries)
        self._files = {name: _file(name) for name in (*_ASSETS, "index.html", "login.html")}
        access = Access(settings)
        self.app = web.Application(middlewares=[answers.refusals, access.middleware], client_max_size=limits.body_bytes)
        self.app.on_response_prepare.append(answers.finish_headers)
        self.app.add_routes(
            [
                web.get("/", self._page("index.html")),
                web.get(LOGIN, self._page("login.html")),
                web.post(LOGIN, access.login),
                web.get("/assets/{name}", self._asset),
                web.get("/api/status", self._status_now),
                web.get("/api/events", self._events, allow_head=False),
                web.post("/api/try", self._try),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )

    def close(self) -> None:
        """End every watcher's stream."""
        self._live.close()

    def _page(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=self._files[name], content_type="text/html", charset="utf-8")

        return answer

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=_ASSETS[name], charset="utf-8")

    async def _status(self) -> bytes:
        document = await self._shown.status()
        return orjson.dumps({**document, "can_try": self._shown.try_prompt is not None})

    async def _status_now(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._status(), content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._live.watchers >= self._limits.watchers:
            raise TooBusy(f"{self._limits.watchers} pages are open already; close one, or ask for /api/status")
        guard = answers.guard_of(request)
        if guard is not None:
            guard.streams()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        try:
            async with aclosing(self._live.watch(self._limits.heartbeat_s)) as documents:
                async for news in documents:
                    async with asyncio.timeout(self._limits.take_wait_s):
                        await response.write(b": quiet\n\n" if news is None else b"data: " + news + b"\n\n")
        except TimeoutError:
            if guard is not None:
                guard.abort()
        return response

    async def _try(self, request: web.Request) -> web.Response:
        try_prompt = self._shown.try_prompt
        if try_prompt is None:
            raise web.HTTPNotFound
        prompt = _prompt(request.content_type, await request.read())
        if self._tries.locked():
            raise TooBusy("others are trying prompts; try again in a moment")
        async with self._tries:
            return answers.json_answer(await try_prompt(prompt))

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._shown.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        why = self._shown.unready()
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)


def _prompt(content_type: str, body: bytes) -> str:
    if content_type != "application/json":
        raise WrongMediaType('send JSON: {"prompt": "..."}')
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedRequest('this is no JSON; send {"prompt": "..."}') from None
    if not isinstance(document, dict) or set(document) != {"prompt"} or not isinstance(document["prompt"], str):
        raise MalformedRequest('send exactly one text: {"prompt": "..."}')
    if not document["prompt"].strip():
        raise CannotTry("the prompt is empty; write some words")
    return str(document["prompt"])


def _file(name: str) -> bytes:
    return resources.files("ridgeway.web").joinpath("page", name).read_bytes()


@asynccontextmanager
async def served(settings: HttpSettings, shown: Shown, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[str]:
    """Serve while the block runs; gives the URL.

    Raises:
        BadHttpSettings: the address is taken, or certificate and key cannot be used.
    """
    site = Site(settings, shown, limits)
    runner = web.AppRunner(
        site.app, access_log=None, logger=_unheard, handle_signals=False, handler_cancellation=True,
        shutdown_timeout=limits.grace_s, keepalive_timeout=0,
    )  # fmt: skip
    await runner.setup()
    try:
        server = await _listen(settings, runner, limits)
        try:
            yield _url(settings, server)
        finally:
            server.close()
            site.close()
    finally:
        await runner.cleanup()


async def _listen(settings: HttpSettings, runner: web.AppRunner, limits: Limits) -> asyncio.Server:
    tls = _tls(settings)
    assert runner.server is not None  # noqa: S101 - it was set up
    try:
        return await asyncio.get_running_loop().create_server(
            Connections(runner.server, limits),
            settings.host,
            settings.port,
            ssl=tls,
            ssl_handshake_timeout=limits.head_wait_s if tls else None,
        )
    except OSError as error:
        raise BadHttpSettings(
            f"cannot serve HTTP on {settings.host}:{settings.port}: {error.strerror}; choose another --http"
        ) from error


def _tls(settings: HttpSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise BadHttpSettings(
            f"{settings.certificate} and its key cannot be used: {type(error).__name__}; they must be PEM, match each"
            " other, and the key must have no password"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("keys with a password cannot be used")


def _url(settings: HttpSettings, server: asyncio.Server) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.certificate else "http"
    return f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/"
