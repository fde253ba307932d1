"""The connection to the coordinator: mutual TLS with the node's present certificate, errors as sentences."""

import asyncio
import contextlib
from typing import TypeVar

import grpc

from ridgeway.errors import RidgewayError
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import Refused, translated
from ridgeway.runtime.tls import MemberTls, member_channel

Request = TypeVar("Request")
Response = TypeVar("Response")

CALL_TIMEOUT_S = 30.0
# Calls that run on a replaced channel get this long to end.
OLD_CHANNEL_GRACE_S = 30.0

AUTHORITY_FILE = "authority.pem"
# Key and certificate in one file, so that they are replaced together.
CREDENTIAL_FILE = "member.pem"
_BOUNDARY = b"-----BEGIN CERTIFICATE-----"

_TRANSIENT = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNKNOWN,
}


class CredentialMissing(RidgewayError):
    """A node's files without its certificate."""


def is_transient(error: RidgewayError) -> bool:
    """Whether the same call may succeed later."""
    return not isinstance(error, Refused) or error.code in _TRANSIENT


def write_credential(directory: DataDirectory, key_pem: bytes, certificate_pem: bytes) -> None:
    """Replace key and certificate together."""
    directory.write(CREDENTIAL_FILE, key_pem + certificate_pem)


def read_tls(directory: DataDirectory) -> MemberTls:
    """Authority, certificate and key of an enrolled node.

    Raises:
        CredentialMissing: the files are not there.
    """
    authority, credential = directory.read(AUTHORITY_FILE), directory.read(CREDENTIAL_FILE)
    if authority is None or credential is None or _BOUNDARY not in credential:
        raise CredentialMissing(f"{directory.path} lacks the node's certificate; join again with a new invitation")
    key, boundary, certificate = credential.partition(_BOUNDARY)
    return MemberTls(authority, boundary + certificate, key)


class Link:
    """A channel to the coordinator that can be given a new certificate while calls run."""

    def __init__(self, address: str, tls: MemberTls) -> None:
        self.address = address
        self.tls = tls
        self.channel = member_channel(address, tls)
        self._closing: set[asyncio.Task[None]] = set()

    async def call(self, method: rpc.Method[Request, Response], request: Request) -> Response:
        """Run a unary RPC.

        Raises:
            Unreachable, Refused: it did not succeed.
        """
        try:
            return await rpc.call(self.channel, method, request, timeout_s=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise translated(error, self.address) from error

    def present(self, tls: MemberTls) -> None:
        """Use a new certificate for every call from now on; running calls end on the old connection."""
        old, self.channel, self.tls = self.channel, member_channel(self.address, tls), tls
        closing = asyncio.create_task(old.close(OLD_CHANNEL_GRACE_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End the connection."""
        for closing in self._closing:
            closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.channel.close()
