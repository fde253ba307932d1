"""The Peers service: streams that others open."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime

import grpc

from ridgeway.errors import RidgewayError
from ridgeway.peers.caller import Caller, FindMember, NotAMember, identify, require_member
from ridgeway.peers.connections import Connections, Stream
from ridgeway.peers.dialling import NONCE_KEY, PROOF_KEY, Self
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.greeting import NONCE_BYTES, check_greeting, sign_greeting
from ridgeway.rounds.hall import Hall
from ridgeway.runtime.remote_errors import Malformed

# Greetings that no stream has followed yet; a caller opens its stream right away.
NONCES_MAX = 1024


class Ignored(RidgewayError):
    """A peer that broke the rules lately."""


class Removed(RidgewayError):
    """A stream that this side ends."""


class ExchangeService:
    """Lets members' streams in.

    Args:
        we: this peer.
        find: who is a member.
        connections: where streams belong.
        now: the clock.
        hall: the rounds that we add up; None in a federation that does not mask.
    """

    def __init__(
        self,
        we: Self,
        find: FindMember,
        connections: Connections,
        now: Callable[[], datetime],
        hall: Hall | None = None,
    ) -> None:
        self._hall = hall
        self._we = we
        self._find = find
        self._connections = connections
        self._now = now
        self._nonces: OrderedDict[bytes, str] = OrderedDict()

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers; frames as bytes, so that what cannot be read is counted against its sender."""
        table = {
            rpc.GREET.name: rpc.handler(rpc.GREET, self.greet),
            rpc.EXCHANGE.name: grpc.stream_stream_rpc_method_handler(self.exchange),
            rpc.PEERS_TAKE_PART.name: rpc.handler(rpc.PEERS_TAKE_PART, self.take_part),
        }
        return grpc.method_handlers_generic_handler(rpc.PEERS, table)

    def _identify(self, context: grpc.aio.ServicerContext) -> Caller:
        caller = identify(context, self._we.federation_id, self._find, self._now())
        if self._connections.ignored(caller.member.owner):
            raise Ignored("this node sent what no honest peer sends, and is not listened to for a while")
        return caller

    async def greet(self, request: m.GreetRequest, context: grpc.aio.ServicerContext) -> m.GreetResponse:
        """Prove who we are to a member, and draw what it is to sign."""
        caller, we = self._identify(context), self._we
        if len(request.nonce) != NONCE_BYTES:
            raise Malformed(f"a greeting has a nonce of {NONCE_BYTES} bytes")
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._nonces[nonce] = caller.member.owner
        while len(self._nonces) > NONCES_MAX:
            self._nonces.popitem(last=False)
        signature = sign_greeting(
            we.identity, we.federation_id, we.owner, caller.member.owner, caller.certificate_sha256, request.nonce
        )
        return m.GreetResponse(nonce, signature)

    async def exchange(self, frames: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """One stream, until either side ends it."""
        caller = self._identify(context)
        self._check_proof(caller, context)
        await context.send_initial_metadata(())
        stream = await self._connections.attach(caller.member.owner)
        reading = asyncio.create_task(self._read(frames, stream))
        try:
            async for data in stream.outgoing():
                yield data
            if stream.reason:
                raise Removed(stream.reason)
        finally:
            reading.cancel()
            await self._connections.detach(stream)

    async def take_part(
        self, replies: AsyncIterator[m.RoundReply], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[m.RoundOrder]:
        """One member's stream of rounds, while it is our turn to add up."""
        caller = self._identify(context)
        self._check_proof(caller, context)
        if self._hall is None:
            raise Malformed("this federation does not mask, so it has no rounds; upgrade the node that asks for one")
        owner = caller.member.owner
        orders = self._hall.follow(owner, replies, lambda: require_member(owner, self._find))
        async with aclosing(orders):
            async for order in orders:
                yield order

    def _check_proof(self, caller: Caller, context: grpc.aio.ServicerContext) -> None:
        said = dict(context.invocation_metadata() or ())
        nonce, proof = said.get(NONCE_KEY, b""), said.get(PROOF_KEY, b"")
        member = caller.member
        if not isinstance(nonce, bytes) or not isinstance(proof, bytes) or self._nonces.pop(nonce, "") != member.owner:
            raise NotAMember("a stream begins with a greeting; upgrade the node that opened it")
        we = self._we
        check_greeting(
            member.identity_public_key,
            proof,
            we.federation_id,
            member.owner,
            we.owner,
            caller.certificate_sha256,
            nonce,
        )

    async def _read(self, frames: AsyncIterator[bytes], stream: Stream) -> None:
        try:
            async for data in frames:
                await self._connections.receive(stream, data)
            stream.clean = True
        finally:
            stream.end()
