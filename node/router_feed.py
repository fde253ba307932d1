"""The router feed as a node sees it: pieces become whole artifacts, within bounds."""

import asyncio
from collections.abc import AsyncIterator

import grpc

from ridgeway.node.link import Link
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import ARTIFACT_BYTES_MAX, BadRouterArtifact
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.remote_errors import Unreachable, translated


class ArtifactAssembly:
    """Pieces of one artifact in order; a piece of another version starts over."""

    def __init__(self) -> None:
        self._place = (0, 0)
        self._buffer = bytearray()

    def add(self, piece: m.RouterChunk) -> bytes | None:
        """The whole artifact once its last piece came.

        Raises:
            BadRouterArtifact: too large, or pieces out of order.
        """
        if (piece.version, piece.edition) != self._place:
            self._place, self._buffer = (piece.version, piece.edition), bytearray()
        if piece.total_bytes > ARTIFACT_BYTES_MAX or len(self._buffer) + len(piece.data) > piece.total_bytes:
            raise BadRouterArtifact(f"the router is larger than it says, or than {ARTIFACT_BYTES_MAX >> 20} MiB")
        if piece.offset != len(self._buffer):
            raise BadRouterArtifact("a piece of the router is missing; watch the feed again")
        self._buffer += piece.data
        if len(self._buffer) < piece.total_bytes:
            return None
        whole, self._buffer, self._place = bytes(self._buffer), bytearray(), (0, 0)
        return whole


async def watch(link: Link, known: tuple[int, int]) -> AsyncIterator[bytes]:
    """Whole router artifacts newer than the version and edition known, until the link has a new certificate.

    Raises:
        Unreachable, Refused: the stream ended, or we may not watch.
        BadRouterArtifact: what came is no router.
    """
    assembly = ArtifactAssembly()
    async with link.channel() as channel:
        call = rpc.watch(channel, rpc.WATCH_ROUTER, m.WatchRouterRequest(*known), metadata=call_metadata())
        try:
            with link.told_of_replacement(call.cancel):
                async for piece in call:
                    artifact = assembly.add(piece)
                    if artifact is not None:
                        yield artifact
            raise Unreachable(f"{link.address} has ended the router feed; is it shutting down?")
        except grpc.aio.AioRpcError as error:
            raise translated(error, link.address) from error
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
        finally:
            call.cancel()


def _is_being_cancelled() -> bool:
    """Whether it is the task that is cancelled, not only the call: gRPC raises the same for both."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
