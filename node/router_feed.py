"""The router feed as a node sees it: pieces become whole artifacts, within bounds."""

from collections.abc import AsyncIterator

import grpc

from ridgeway.node.link import Link
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import ARTIFACT_BYTES_MAX, BadRouterArtifact
from ridgeway.runtime.remote_errors import translated


class ArtifactAssembly:
    """Pieces of one artifact in order; a piece of a newer version starts over."""

    def __init__(self) -> None:
        self._version = 0
        self._buffer = bytearray()

    def add(self, piece: m.RouterChunk) -> bytes | None:
        """The whole artifact once its last piece came.

        Raises:
            BadRouterArtifact: too large, or pieces out of order.
        """
        if piece.version != self._version:
            self._version, self._buffer = piece.version, bytearray()
        if piece.total_bytes > ARTIFACT_BYTES_MAX or len(self._buffer) + len(piece.data) > piece.total_bytes:
            raise BadRouterArtifact(f"the router is larger than it says, or than {ARTIFACT_BYTES_MAX >> 20} MiB")
        if piece.offset != len(self._buffer):
            raise BadRouterArtifact("a piece of the router is missing; watch the feed again")
        self._buffer += piece.data
        if len(self._buffer) < piece.total_bytes:
            return None
        whole, self._buffer, self._version = bytes(self._buffer), bytearray(), 0
        return whole


async def watch(link: Link, known_version: int) -> AsyncIterator[bytes]:
    """Whole router artifacts newer than the one known, until the stream breaks.

    Raises:
        Unreachable, Refused: it broke, or we may not watch.
        BadRouterArtifact: what came is no router.
    """
    assembly = ArtifactAssembly()
    call = rpc.watch(link.channel, rpc.WATCH_ROUTER, m.WatchRouterRequest(known_version))
    try:
        async for piece in call:
            artifact = assembly.add(piece)
            if artifact is not None:
                yield artifact
    except grpc.aio.AioRpcError as error:
        raise translated(error, link.address) from error
    finally:
        call.cancel()
