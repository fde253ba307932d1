"""Send one prepared contribution; what the coordinator holds already from a broken stream is not sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeAlias

import grpc

from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.node.link import Link
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.remote_errors import Malformed, Unreachable, translated

# Waiting for a place among other uploads is included, so this is generous.
ANSWER_WAIT_S = 900.0
# A chunk that is not taken for this long is on a connection that has died; the coordinator gives up sooner.
CHUNK_WAIT_S = 60.0

Call: TypeAlias = "grpc.aio.StreamStreamCall[m.ContributeRequest, m.ContributeResponse]"
OnSent = Callable[[int, int], None]


async def upload(link: Link, record: m.SignedRecord, payload: Path, on_sent: OnSent) -> m.Committed:
    """One try.

    Args:
        link: the connection.
        record: the signed contribution.
        payload: its file.
        on_sent: told the bytes sent and their total.

    Raises:
        Unreachable, Refused: it did not succeed.
    """
    async with link.channel() as channel:
        call = rpc.converse(channel, rpc.CONTRIBUTE, metadata=call_metadata())
        try:
            return await _converse(call, record, payload, on_sent)
        except grpc.aio.AioRpcError as error:
            raise translated(error, link.address) from error
        except asyncio.InvalidStateError:
            # The call ended while we wrote; its status says why.
            raise translated(await _failure(call), link.address) from None
        except TimeoutError as error:
            raise Unreachable(
                f"{link.address} stopped answering in the middle of an upload; check that it runs"
            ) from error
        finally:
            call.cancel()


async def _converse(call: Call, record: m.SignedRecord, payload: Path, on_sent: OnSent) -> m.Committed:
    await _write(call, m.ContributeRequest(record=record))
    answer = await _answer(call)
    if answer.ready is not None:
        total = (await asyncio.to_thread(payload.stat)).st_size
        async for chunk in _chunks(payload, answer.ready.next_chunk):
            await _write(call, m.ContributeRequest(chunk=chunk))
            on_sent(min(total, (chunk.index + 1) * CHUNK_BYTES), total)
        answer = await _answer(call)
    if answer.committed is None:
        raise Malformed("the coordinator answered an upload with nothing; check that it runs a compatible release")
    return answer.committed


async def _write(call: Call, request: m.ContributeRequest) -> None:
    async with asyncio.timeout(CHUNK_WAIT_S):
        await call.write(request)


async def _answer(call: Call) -> m.ContributeResponse:
    async with asyncio.timeout(ANSWER_WAIT_S):
        answer = await call.read()
    if isinstance(answer, m.ContributeResponse):
        return answer
    raise await _failure(call)


async def _failure(call: Call) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(await call.code(), metadata, metadata, await call.details())


async def _chunks(payload: Path, first: int) -> AsyncIterator[m.PayloadChunk]:
    with payload.open("rb") as file:
        file.seek(first * CHUNK_BYTES)
        index = first
        while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield m.PayloadChunk(index, data)
            index += 1
