"""Send one prepared contribution until it is committed: resume after a broken stream, give up on a refusal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc

from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.node.link import Link
from ridgeway.node.state import Prepared
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Malformed, translated

# Waiting for a place among other uploads is included, so this is generous.
ANSWER_WAIT_S = 900.0


async def upload_once(
    link: Link, prepared: Prepared, payload: Path, on_progress: Callable[[int, int], None]
) -> m.Committed:
    """One try; what the coordinator has already is not sent again.

    Args:
        link: the connection.
        prepared: the signed record.
        payload: its file.
        on_progress: told the bytes sent and their total.

    Raises:
        Unreachable, Refused: it did not succeed.
    """
    call = rpc.converse(link.channel, rpc.CONTRIBUTE)
    try:
        await call.write(m.ContributeRequest(record=prepared.record))
        answer = await _answer(call)
        if answer.ready is not None:
            total = prepared.payload_bytes
            async for chunk in _chunks(payload, answer.ready.next_chunk):
                await call.write(m.ContributeRequest(chunk=chunk))
                on_progress(min(total, (chunk.index + 1) * CHUNK_BYTES), total)
            answer = await _answer(call)
        await call.done_writing()
    except grpc.aio.AioRpcError as error:
        raise translated(error, link.address) from error
    except asyncio.InvalidStateError:
        # The call ended while we wrote; its status says why.
        raise translated(await _failure(call), link.address) from None
    finally:
        call.cancel()
    if answer.committed is None:
        raise Malformed("the coordinator answered an upload with nothing; check that it runs a compatible release")
    return answer.committed


async def _answer(
    call: "grpc.aio.StreamStreamCall[m.ContributeRequest, m.ContributeResponse]",
) -> m.ContributeResponse:
    async with asyncio.timeout(ANSWER_WAIT_S):
        answer = await call.read()
    if isinstance(answer, m.ContributeResponse):
        return answer
    raise await _failure(call)


async def _failure(
    call: "grpc.aio.StreamStreamCall[m.ContributeRequest, m.ContributeResponse]",
) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(await call.code(), metadata, metadata, await call.details())


async def _chunks(payload: Path, first: int) -> AsyncIterator[m.PayloadChunk]:
    with payload.open("rb") as file:
        file.seek(first * CHUNK_BYTES)
        index = first
        while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield m.PayloadChunk(index, data)
            index += 1
