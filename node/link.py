"""The connection to the coordinator: mutual TLS with the node's present certificate, errors as sentences."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import grpc

from ridgeway.crypto.certificates import validity
from ridgeway.errors import RidgewayError
from ridgeway.proto import rpc
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import Refused, Unreachable, translated
from ridgeway.runtime.tls import MemberTls, member_channel

Request = TypeVar("Request")
Response = TypeVar("Response")

CALL_TIMEOUT_S = 30.0

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


class BadCredential(RidgewayError):
    """A certificate that is none."""


class CertificateExpired(RidgewayError):
    """Too late to renew."""


def is_transient(error: RidgewayError) -> bool:
    """Whether the same call may succeed later, without anybody doing anything."""
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.code in _TRANSIENT)


def write_credential(directory: DataDirectory, key_pem: bytes, certificate_pem: bytes) -> None:
    """Replace key and certificate together.

    Raises:
        BadCredential: what came is no certificate; what we had stays.
    """
    try:
        validity(certificate_pem)
    except ValueError as error:
        raise BadCredential("the coordinator sent no certificate; check that it runs a compatible release") from error
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


@dataclass(slots=True)
class _Connection:
    channel: grpc.aio.Channel
    users: int = 0
    replaced: bool = False


class Link:
    """A connection to the coordinator that can be given a new certificate while calls run.

    Attributes:
        address: HOST:PORT.
        tls: what it shows and whom it believes.
    """

    def __init__(self, address: str, tls: MemberTls) -> None:
        self.address = address
        self.tls = tls
        self._connection = _Connection(member_channel(address, tls))
        self._on_replacement: set[Callable[[], object]] = set()

    def require_valid(self, now: datetime) -> None:
        """Check that the certificate has not ended: nobody would know us by it, not even to renew it.

        Raises:
            CertificateExpired: it has.
        """
        if validity(self.tls.certificate_pem)[1] <= now:
            raise CertificateExpired(
                "the node's certificate expired while nothing renewed it; ask the federation's operator to revoke this"
                " owner and send a new invitation, and join with it"
            )

    @property
    def ready(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._connection.channel.get_state() is grpc.ChannelConnectivity.READY

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """The present channel for one call; a replaced one is closed when the last call on it has ended."""
        connection = self._connection
        connection.users += 1
        try:
            yield connection.channel
        finally:
            connection.users -= 1
            if connection.replaced and connection.users == 0:
                await connection.channel.close()

    async def call(self, method: rpc.Method[Request, Response], request: Request) -> Response:
        """Run a unary RPC.

        Raises:
            Unreachable, Refused: it did not succeed.
        """
        async with self.channel() as channel:
            try:
                return await rpc.call(channel, method, request, timeout_s=CALL_TIMEOUT_S, metadata=call_metadata())
            except grpc.aio.AioRpcError as error:
                raise translated(error, self.address) from error

    async def present(self, tls: MemberTls) -> None:
        """Use a new certificate for every call from now on; running calls end on the old connection."""
        old, self.tls = self._connection, tls
        self._connection = _Connection(member_channel(self.address, tls))
        old.replaced = True
        for told in tuple(self._on_replacement):
            told()
        if old.users == 0:
            await old.channel.close()

    @contextmanager
    def told_of_replacement(self, told: Callable[[], object]) -> Iterator[None]:
        """Call something when the certificate is replaced, for calls that would run for ever on the old one."""
        self._on_replacement.add(told)
        try:
            yield
        finally:
            self._on_replacement.discard(told)

    async def close(self) -> None:
        """End the connection and every call on it."""
        await self._connection.channel.close()
