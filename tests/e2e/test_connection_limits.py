"""What one connection may do to a listener: streams, bytes ahead of their reader, and a peer that has vanished."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from faulty_proxy import FaultyProxy
from free_port import free_port
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running import running

from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime import channel_options
from ridgeway.runtime.serving import Server

QUESTION = health_pb2.HealthCheckRequest()


async def test_a_connection_has_only_so_many_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_options, "STREAMS_PER_CONNECTION", 3)
    async with running(tmp_path / "coordinator") as coordinator:
        mallory, alice = await coordinator.owner("mallory"), await coordinator.owner("alice")
        async with mallory.channel() as channel, alice.channel() as other:
            stub = health_pb2_grpc.HealthStub(channel)
            watching = [stub.Watch(QUESTION) for _ in range(3)]
            for watch in watching:
                await watch.read()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(QUESTION, timeout=0.5)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert await health_pb2_grpc.HealthStub(other).Check(QUESTION, timeout=5)
            watching[0].cancel()
            assert await stub.Check(QUESTION, timeout=5)
            for watch in watching:
                watch.cancel()


@asynccontextmanager
async def listening(behaviours: dict[Any, Any]) -> AsyncIterator[int]:
    """A listener as every daemon has one, without TLS; gives its port."""
    server = Server({rpc.FEDERATION: rpc.handlers(rpc.FEDERATION, behaviours)}, [])
    port = server.grpc.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.grpc.stop(None)


async def test_a_stream_is_only_so_many_bytes_ahead_of_its_reader() -> None:
    async def deaf(requests: AsyncIterator[m.ContributeRequest], _: Any) -> AsyncIterator[m.ContributeResponse]:
        await anext(requests)
        await asyncio.sleep(60)
        yield m.ContributeResponse()

    piece, sent = bytes(32 * 1024), 0
    async with (
        listening({rpc.CONTRIBUTE: deaf}) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", channel_options.channel_options()) as channel,
    ):
        call = rpc.converse(channel, rpc.CONTRIBUTE)
        try:
            while True:
                async with asyncio.timeout(0.5):
                    await call.write(m.ContributeRequest(chunk=m.PayloadChunk(0, piece)))
                sent += len(piece)
                assert sent < 64 << 20
        except TimeoutError:
            call.cancel()
    assert channel_options.WINDOW_BYTES // 2 <= sent <= 2 * channel_options.WINDOW_BYTES


async def test_a_peer_that_has_vanished_is_noticed_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine lost power, or a middlebox forgot the connection: nothing comes, and nothing says so."""
    sooner = {channel_options.KEEPALIVE_MS: 300, channel_options.KEEPALIVE_TIMEOUT_MS: 1000}
    options = [(name, sooner.get(value, value)) for name, value in channel_options._BOTH]
    monkeypatch.setattr(channel_options, "_BOTH", options)
    monkeypatch.setattr(channel_options, "PING_INTERVAL_ALLOWED_MS", 100)
    ended = asyncio.Event()

    async def feed(_: m.WatchRouterRequest, __: Any) -> AsyncIterator[m.RouterChunk]:
        try:
            yield m.RouterChunk()
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with listening({rpc.WATCH_ROUTER: feed}) as port:
        proxy, near = FaultyProxy(("127.0.0.1", port), random.Random(0)), free_port()
        await proxy.listen("127.0.0.1", near)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{near}", channel_options.channel_options()) as channel:
            call = rpc.watch(channel, rpc.WATCH_ROUTER, m.WatchRouterRequest())
            assert isinstance(await call.read(), m.RouterChunk)
            # Longer than a ping and its answer may take: what is quiet and alive stays.
            await asyncio.sleep(2.0)
            assert not call.done()
            proxy.fault = "swallow"
            async with asyncio.timeout(10):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call.read()
                await ended.wait()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        proxy.fault = ""
        await proxy.close()
        # Its tasks look at the fault now and then.
        await asyncio.sleep(0.2)
