"""Sockets inside a data directory: whoever may open the directory may call, and nobody else.

A socket's path may have 107 bytes, a data directory's may have more; so the socket is named through an open descriptor
of its directory, which is short on Linux whatever the path.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from ridgeway.runtime.channel_options import channel_options


class SocketDirectory:
    """An open descriptor of a data directory, to name sockets by."""

    def __init__(self, directory: Path) -> None:
        self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def address(self, name: str) -> str:
        """gRPC's name for a socket in the directory."""
        return f"unix:/proc/self/fd/{self._descriptor}/{name}"

    def close(self) -> None:
        """Release the descriptor; sockets named by it go on."""
        os.close(self._descriptor)


def bind(server: grpc.aio.Server, directory: Path, name: str) -> SocketDirectory:
    """Let a server listen on a socket in the directory, mode 0600; a dead process's socket is replaced.

    Call only while holding the directory's lock. Close what is returned after the server stopped.
    """
    path = directory / name
    path.unlink(missing_ok=True)
    sockets = SocketDirectory(directory)
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    server.add_secure_port(sockets.address(name), credentials)
    path.chmod(0o600)
    return sockets


@asynccontextmanager
async def connect(directory: Path, name: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the process that listens on a socket in the directory."""
    sockets = SocketDirectory(directory)
    try:
        credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
        options = [*channel_options(), ("grpc.default_authority", "localhost")]
        async with grpc.aio.secure_channel(sockets.address(name), credentials, options=options) as channel:
            yield channel
    finally:
        sockets.close()
