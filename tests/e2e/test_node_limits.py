"""A node whose coordinator, daemon or reader is silent or slow: it gives up in time, says so, and holds little."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.node import control_service, handover, link, rounds, uploader
from ridgeway.node.link import Link
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import bind
from ridgeway.runtime.remote_errors import Unreachable
from ridgeway.runtime.tls import MemberTls

SOON_S = 0.2


@asynccontextmanager
async def linked(monkeypatch: pytest.MonkeyPatch, behaviours: dict[Any, Any]) -> AsyncIterator[Link]:
    """A node's connection to a coordinator that behaves so, over loopback; without TLS, which is not what is tested."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((rpc.handlers(rpc.FEDERATION, behaviours),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setattr(link, "member_channel", lambda address, _: grpc.aio.insecure_channel(address))
    connection = Link(f"127.0.0.1:{port}", MemberTls(b"", b"", b""))
    try:
        yield connection
    finally:
        await connection.close()
        await server.stop(None)


async def test_a_call_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: m.GetStatusRequest, __: grpc.aio.ServicerContext) -> m.FederationStatus:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(link, "CALL_TIMEOUT_S", SOON_S)
    async with linked(monkeypatch, {rpc.GET_STATUS: silent}) as connection, asyncio.timeout(10):
        with pytest.raises(Unreachable, match=r"does not answer .*check that it runs"):
            await connection.call(rpc.GET_STATUS, m.GetStatusRequest())


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """More than all buffers between two processes hold."""
    path = tmp_path / "payload"
    with path.open("wb") as file:
        file.truncate(128 * CHUNK_BYTES)
    return path


async def upload(connection: Link, payload: Path) -> list[int]:
    """Try to send a payload; the bytes that were sent each time."""
    sent: list[int] = []
    with pytest.raises(Unreachable, match="stopped answering in the middle of an upload; check that it runs"):
        await uploader.upload(connection, m.SignedRecord(b"body", b"signature"), payload, lambda n, _: sent.append(n))
    return sent


async def test_an_upload_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch, payload: Path) -> None:
    async def silent(requests: AsyncIterator[m.ContributeRequest], _: Any) -> AsyncIterator[m.ContributeResponse]:
        async for request in requests:
            if request.record is not None:
                yield m.ContributeResponse(ready=m.UploadReady(127))
        await asyncio.sleep(60)

    monkeypatch.setattr(uploader, "ANSWER_WAIT_S", SOON_S)
    async with linked(monkeypatch, {rpc.CONTRIBUTE: silent}) as connection, asyncio.timeout(10):
        assert await upload(connection, payload) == [128 * CHUNK_BYTES]


async def test_a_chunk_that_is_not_taken_ends_an_upload(monkeypatch: pytest.MonkeyPatch, payload: Path) -> None:
    async def deaf(requests: AsyncIterator[m.ContributeRequest], _: Any) -> AsyncIterator[m.ContributeResponse]:
        await anext(requests)
        yield m.ContributeResponse(ready=m.UploadReady(0))
        await asyncio.sleep(60)

    monkeypatch.setattr(uploader, "CHUNK_WAIT_S", SOON_S)
    async with linked(monkeypatch, {rpc.CONTRIBUTE: deaf}) as connection, asyncio.timeout(20):
        assert len(await upload(connection, payload)) < 100


async def test_a_masked_piece_that_is_not_taken_ends_the_part_in_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node goes on with its other duties, and says why this one failed."""

    async def deaf(_: AsyncIterator[m.RoundReply], __: Any) -> AsyncIterator[m.RoundOrder]:
        yield m.RoundOrder(situation=m.Situation(b""))
        await asyncio.sleep(60)

    async def send_without_end(self: rounds.Rounds, call: rounds.Call, _: object) -> None:
        async for _order in call:
            while True:
                await self._write(call, m.RoundReply(input=m.PayloadChunk(0, bytes(CHUNK_BYTES))))

    monkeypatch.setattr(rounds, "WRITE_WAIT_S", SOON_S)
    monkeypatch.setattr(rounds.Rounds, "_announce", never)
    monkeypatch.setattr(rounds.Rounds, "_follow", send_without_end)
    nobody: Any = None
    async with linked(monkeypatch, {rpc.TAKE_PART: deaf}) as connection, asyncio.timeout(20):
        with pytest.raises(Unreachable, match="takes nothing more of a round; check that it runs"):
            await rounds.Rounds(nobody).run(connection, nobody)


async def never(*_: object) -> None:
    """Say nothing, for ever."""
    await asyncio.Event().wait()


async def test_a_process_on_the_directory_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(handover, "DAEMON_WAIT_S", SOON_S)
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    with directory.locked():
        async with asyncio.timeout(10):
            with pytest.raises(Unreachable, match="in use by a process that does not answer"):
                await handover.node_status(directory.path)


async def test_a_reader_that_takes_no_news_holds_only_the_newest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(control_service, "NEWS_HELD", 5)
    told = 400

    class Talkative:
        async def leave(self, _: str, on_progress: Callable[[m.Progress], None]) -> None:
            for number in range(told):
                on_progress(m.Progress("count", "law", number, told))

    agent: Any = Talkative()
    service = control_service.ControlService(agent, m.NodeStatus)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service.handlers(),))
    directory = DataDirectory(tmp_path / "node", "node", create=True)
    socket = bind(server, directory.path, control_service.SOCKET)
    await server.start()
    heard: list[int] = []
    try:
        async with asyncio.timeout(10):
            await handover.through_daemon(
                directory, rpc.NODE_LEAVE, m.LeaveRequest("law"), lambda news: heard.append(news.done)
            )
    finally:
        await server.stop(None)
        with suppress(OSError):
            socket.close()
    assert heard == sorted(heard)
    assert heard[-1] == told - 1
    assert len(heard) <= 5 + 1
