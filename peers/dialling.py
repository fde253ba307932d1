"""Opening a stream: dial, greet, prove who we are, and keep it until it ends."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from ridgeway.crypto.certificates import owner_dns_name
from ridgeway.crypto.identity import IdentityKey
from ridgeway.errors import RidgewayError
from ridgeway.peers.caller import FindMember, fingerprint, require_member
from ridgeway.peers.connections import Connections, Stream
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.greeting import NONCE_BYTES, check_greeting, sign_greeting
from ridgeway.roster.standing import Member
from ridgeway.runtime.remote_errors import translated
from ridgeway.runtime.tls import MemberTls, member_channel

_log = logging.getLogger("ridgeway.peers")

# A peer that takes nothing for so long is not there any more.
WRITE_WAIT_S = 30.0
GOODBYE_S = 2.0
PROOF_KEY = "ridgeway-proof-bin"
NONCE_KEY = "ridgeway-nonce-bin"


@dataclass(frozen=True, slots=True)
class Self:
    """Who this peer is.

    Attributes:
        owner: its name.
        federation_id: its federation.
        identity: its key.
        tls: its present certificate, asked for at every connection.
    """

    owner: str
    federation_id: str
    identity: IdentityKey = field(repr=False)
    tls: Callable[[], MemberTls]


class Dialler:
    """Opens streams.

    Args:
        we: this peer.
        find: who is a member.
        connections: where streams belong.
        timeout_s: for an attempt to connect.

    Attributes:
        problems: why the last attempt to reach a member failed, by owner.
    """

    def __init__(self, we: Self, find: FindMember, connections: Connections, timeout_s: float) -> None:
        self._we = we
        self._find = find
        self._connections = connections
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.problems: dict[str, str] = {}

    def dial(self, peer: str, address: str) -> None:
        """Begin to open a stream."""
        self._connections.expect(peer)
        task = asyncio.create_task(self._hold(peer, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _hold(self, peer: str, address: str) -> None:
        """One stream, from the first packet to the last."""
        channel: grpc.aio.Channel | None = None
        try:
            tls = self._we.tls()
            channel = member_channel(address, tls, owner_dns_name(peer))
            call = await self._open(channel, peer, tls)
            self.problems.pop(peer, None)
            stream = await self._connections.attach(peer)
        except (RidgewayError, OSError, TimeoutError) as error:
            self._note(peer, error)
            await self._connections.failed(peer)
        except grpc.aio.AioRpcError as error:
            self._note(peer, translated(error, f"{peer} at {address}"))
            await self._connections.failed(peer)
        else:
            await self._converse(call, stream)
        finally:
            if channel is not None:
                await channel.close()

    def _note(self, peer: str, error: Exception) -> None:
        said = str(error) or type(error).__name__
        if self.problems.get(peer) != said:
            _log.info("cannot reach %s: %s", peer, said)
        self.problems[peer] = said

    async def _open(self, channel: grpc.aio.Channel, peer: str, tls: MemberTls) -> Any:
        member = require_member(peer, self._find)
        metadata = await greet(channel, self._we, member, tls, self._timeout_s)
        start = channel.stream_stream(rpc.EXCHANGE.path)
        call = start(metadata=metadata)
        # The other side sends its first metadata once it has let us in.
        async with asyncio.timeout(self._timeout_s):
            await call.initial_metadata()
        return call

    async def _converse(self, call: Any, stream: Stream) -> None:
        writing = asyncio.create_task(_write(call, stream))
        reading = asyncio.create_task(self._read(call, stream))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if stream.ended.is_set():
                # We end it: the other side reads to the end and says so.
                await asyncio.wait({reading}, timeout=GOODBYE_S)
        finally:
            for task in (writing, reading):
                task.cancel()
            call.cancel()
            await asyncio.wait({writing, reading})
            await self._connections.detach(stream)
            for task in (writing, reading):
                if not task.cancelled() and isinstance(error := task.exception(), grpc.aio.AioRpcError):
                    self._note(stream.peer, translated(error, stream.peer))

    async def _read(self, call: Any, stream: Stream) -> None:
        async for data in call:
            await self._connections.receive(stream, data)
        stream.clean = True


async def greet(
    channel: grpc.aio.Channel, we: Self, member: Member, tls: MemberTls, timeout_s: float
) -> tuple[tuple[str, bytes], ...]:
    """Let a member prove who it is, and make the proof of who we are that a stream with it begins with.

    Raises:
        BadSignature: it is somebody else.
    """
    shown, nonce = fingerprint(tls.certificate_pem), secrets.token_bytes(NONCE_BYTES)
    greeted = await rpc.call(channel, rpc.GREET, m.GreetRequest(nonce), timeout_s=timeout_s)
    check_greeting(
        member.identity_public_key, greeted.signature, we.federation_id, member.owner, we.owner, shown, nonce
    )
    proof = sign_greeting(we.identity, we.federation_id, we.owner, member.owner, shown, greeted.nonce)
    return (PROOF_KEY, proof), (NONCE_KEY, greeted.nonce)


@asynccontextmanager
async def round_stream(
    we: Self, member: Member, timeout_s: float
) -> "AsyncIterator[grpc.aio.StreamStreamCall[m.RoundReply, m.RoundOrder]]":
    """A stream of rounds with a member that can be dialled.

    Raises:
        Unreachable, Refused, BadSignature: there is none, or it has ended.
    """
    address = member.profile.address if member.profile else ""
    tls = we.tls()
    channel = member_channel(address, tls, owner_dns_name(member.owner))
    try:
        metadata = await greet(channel, we, member, tls, timeout_s)
        yield rpc.converse(channel, rpc.PEERS_TAKE_PART, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise translated(error, f"{member.owner} at {address}") from error
    finally:
        await channel.close()


async def _write(call: Any, stream: Stream) -> None:
    async for data in stream.outgoing():
        async with asyncio.timeout(WRITE_WAIT_S):
            await call.write(data)
    await call.done_writing()
