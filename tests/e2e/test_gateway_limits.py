"""Clients and experts of a gateway that take their time, or too much: each is held to its bound, over real sockets."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from gateway_running import (
    SUBJECTS,
    Home,
    RunningGateway,
    Upstream,
    answer,
    event,
    gateway_here,
    question,
    raw,
    upstream,
)

from ridgeway.gateway import daemon, dispatch, http_service
from ridgeway.gateway import upstream as asking
from ridgeway.gateway.api_request import ApiRequest
from ridgeway.gateway.attempts import Patience
from ridgeway.gateway.choice import Chooser, Route
from ridgeway.gateway.daemon import GatewaySettings

LAW = SUBJECTS["law"]
SOON_S = 0.2
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@dataclass
class Served:
    """A gateway in this process, started after its bounds were changed, and its only expert."""

    firm: Upstream
    gateway: RunningGateway


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Any]:
    """Starts a gateway."""
    home = Home.make(tmp_path)
    async with upstream("firm") as firm:
        home.publish((firm.expert("law"),))
        running: list[Any] = []

        async def start() -> Served:
            running.append(gateway_here(GatewaySettings(home.data_dir, patience=Patience(deadline_s=10.0))))
            return Served(firm, await running[0].__aenter__())

        yield start
        for one in running:
            await one.__aexit__(None, None, None)


async def is_hung_up_on(reader: asyncio.StreamReader, within_s: float = 5.0) -> bool:
    """Whether the other side ends a connection."""
    with suppress(ConnectionError):
        try:
            async with asyncio.timeout(within_s):
                while await reader.read(1 << 16):
                    pass
        except TimeoutError:
            return False
    return True


async def test_a_client_that_does_not_read_its_answer_is_hung_up_on(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_service, "SEND_S", SOON_S)
    served, gone = await serve(), asyncio.Event()

    async def endless(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(event("x" * 100_000))
        finally:
            gone.set()

    served.firm.script.append(endless)
    body = b'{"model": "law", "stream": true, "messages": [{"role": "user", "content": "w0"}]}'
    connection = socket.create_connection(("127.0.0.1", served.gateway.port))
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(10):
        await gone.wait()
    connection.close()
    chat = await served.gateway.client().chat.completions.create(model="law", messages=question(LAW))
    assert chat.model == "firm-8b"


async def test_a_connection_without_a_whole_request_is_not_kept(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that says nothing, nor half a head, nor one that has had its answer."""
    monkeypatch.setattr(daemon, "KEEP_ALIVE_S", SOON_S)
    served = await serve()
    connections = [await asyncio.open_connection("127.0.0.1", served.gateway.port) for _ in range(3)]
    (silent, _), (half, half_writer), (done, done_writer) = connections
    half_writer.write(HEAD[:60])
    done_writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await done.readline()).startswith(b"HTTP/1.1 200")
    assert await asyncio.gather(*(is_hung_up_on(reader) for reader in (silent, half, done))) == [True] * 3
    for _, writer in connections:
        writer.close()


async def test_a_head_that_drips_in_is_not_waited_for(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "KEEP_ALIVE_S", SOON_S)
    served = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.gateway.port)

    async def drip() -> None:
        with suppress(ConnectionError):
            for byte in HEAD + b"X-Long: " + b"x" * 5000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(SOON_S / 10)

    dripping = asyncio.create_task(drip())
    assert await is_hung_up_on(reader)
    dripping.cancel()
    writer.close()


async def test_an_answer_beyond_the_bound_is_none(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_BYTES_MAX", 10_000)
    served = await serve()
    served.firm.script.extend([raw('{"x": "' + "y" * 20_000 + '"}')] * 2)
    client = served.gateway.client()
    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="law", messages=question(LAW))
    assert (caught.value.status_code, caught.value.code) == (503, "experts_unavailable")
    assert (await client.chat.completions.create(model="law", messages=question(LAW))).model == "firm-8b"


async def test_an_expert_has_only_so_many_connections_and_the_rest_wait(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CONNECTIONS_PER_EXPERT", 2)
    served = await serve()
    at_once = [0, 0]

    async def counted(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.05)
        at_once[0] -= 1
        return await answer(request, body)

    served.firm.script.extend([counted] * 8)
    client = served.gateway.client()
    chats = (client.chat.completions.create(model="law", messages=question(LAW)) for _ in range(8))
    assert [chat.model for chat in await asyncio.gather(*chats)] == ["firm-8b"] * 8
    assert at_once == [0, 2]


async def test_an_expert_s_idle_connection_is_closed(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "IDLE_S", SOON_S)
    served = await serve()
    transports: list[asyncio.Transport] = []

    async def noted(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        transports.append(request.transport)
        return await answer(request, body)

    served.firm.script.append(noted)
    await served.gateway.client().chat.completions.create(model="law", messages=question(LAW))
    assert not transports[0].is_closing()
    async with asyncio.timeout(5):
        while not transports[0].is_closing():  # noqa: ASYNC110 - the gateway's work
            await asyncio.sleep(0.02)


async def test_long_texts_are_routed_in_a_thread_so_that_others_need_not_wait(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, threads = await serve(), []
    choose = Chooser.choose

    def noted(chooser: Chooser, request: ApiRequest, remembered: tuple[str, str, str, str] | None) -> Route:
        threads.append(threading.current_thread() is threading.main_thread())
        return choose(chooser, request, remembered)

    monkeypatch.setattr(Chooser, "choose", noted)
    for text in ("w0 " * 10, "w0 " * dispatch.TEXT_AT_ONCE):
        await served.gateway.client().chat.completions.create(model="auto", messages=question(text))
    assert threads == [True, False]
