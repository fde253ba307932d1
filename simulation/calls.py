"""gRPC in the simulated world: the same channels, calls and contexts, as far as Ridgeway uses them, over its network.

A call is two lanes of frames in order, like the TCP connection that really carries it: a lost frame comes later, a
damaged one breaks the connection (TLS notices), one that cannot get through for long does too. Requests and answers
are bytes on the lanes, so both ends really encode and decode.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from ridgeway.simulation.process import AT_WORK, PowerLost, Process, context_of

if TYPE_CHECKING:
    from ridgeway.simulation.world import World

# As the daemons' keepalive: a connection on which nothing gets through for so long is given up.
KEEPALIVE_S = 30.0
RETRANSMISSION_S = 0.2
LOOK_S = 0.5
# Frames on the way before a writer has to wait.
WINDOW = 16

_NOTHING: Any = object()

Status = tuple[grpc.StatusCode, str]
Frame = bytes | None


@dataclass(eq=False)
class Listener:
    """A server that can be called: whose, and what it serves."""

    process: Process
    handlers: Sequence[grpc.GenericRpcHandler]
    interceptors: Sequence[grpc.aio.ServerInterceptor]


@dataclass(frozen=True)
class Details:
    """Which method is called, as interceptors and handlers are told."""

    method: str
    invocation_metadata: tuple[tuple[str, str], ...]


class Inbox:
    """Frames that have come and were not taken yet, and the end of the stream."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, frame: bytes) -> None:
        """A frame has come."""
        self._frames.append(frame)
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    async def take(self) -> bytes | None:
        """The next frame; None after the last."""
        while not self._frames:
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._frames.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Lane:
    """One direction of a call: frames arrive in order, late or never."""

    def __init__(self, world: "World", source: str, target: str, arrive: Callable[[Any], None]) -> None:
        self.broken = False
        self.on_broken: Callable[[], None] = lambda: None
        self._world = world
        self._source = source
        self._target = target
        self._arrive = arrive
        self._last_due_s = 0.0
        self._stuck_since_s: float | None = None
        self._waiting: deque[tuple[float, Any]] = deque()
        self._space: asyncio.Future[None] | None = None

    def send(self, frame: Any) -> None:
        """Put a frame on its way."""
        network, now_s = self._world.network, self._world.scheduler.now_s
        delay_s = network.delay_s(self._source)
        while network.loses(self._source, self._target):
            delay_s += RETRANSMISSION_S * 2 ** self._world.random.randrange(4)
        if network.damages(self._source):
            self._world.scheduler.after(delay_s, self._break)
            return
        self._last_due_s = max(self._last_due_s, now_s + delay_s)
        self._waiting.append((self._last_due_s, frame))
        self._world.scheduler.at(self._last_due_s, self._deliver)

    async def room(self) -> None:
        """Wait until not too many frames are on their way."""
        while len(self._waiting) > WINDOW and not self.broken:
            self._space = asyncio.get_running_loop().create_future()
            await self._space

    def _deliver(self) -> None:
        now_s = self._world.scheduler.now_s
        while self._waiting and self._waiting[0][0] <= now_s and not self.broken:
            if not self._world.network.reaches(self._source, self._target):
                self._stuck(now_s)
                return
            self._stuck_since_s = None
            self._arrive(self._waiting.popleft()[1])
        self._wake()

    def _stuck(self, now_s: float) -> None:
        since_s = self._stuck_since_s = now_s if self._stuck_since_s is None else self._stuck_since_s
        if now_s - since_s > KEEPALIVE_S:
            self._break()
        else:
            self._world.scheduler.after(LOOK_S, self._deliver)

    def _break(self) -> None:
        if not self.broken:
            self.broken = True
            self._wake()
            self.on_broken()

    def _wake(self) -> None:
        if self._space is not None and not self._space.done():
            self._space.set_result(None)


class ServerContext:
    """What a behaviour is told of its call."""

    def __init__(self, channel: "Channel", details: Details) -> None:
        self._channel = channel
        self._details = details
        self._status: Status | None = None

    def auth_context(self) -> dict[str, tuple[bytes, ...]]:
        """The caller's certificate."""
        shown = self._channel.certificate_pem
        return {} if shown is None else {"x509_pem_cert": (shown,)}

    def peer(self) -> str:
        """Where the call comes from."""
        return f"host:{self._channel.source}:1"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """What the call carries beside its request."""
        return self._details.invocation_metadata

    def code(self) -> grpc.StatusCode | None:
        """The status that it was ended with."""
        return self._status[0] if self._status else None

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        """End the call with a status."""
        self._status = code, details
        raise grpc.aio.AbortError

    @property
    def status(self) -> Status:
        """What the caller is told."""
        return self._status or (grpc.StatusCode.UNKNOWN, "the server failed")


class Call:
    """One call, as its client holds it; also what serves it, on the other side of the lanes."""

    def __init__(self, channel: "Channel", method: str, encode: Any, decode: Any, metadata: Any) -> None:
        world = self._world = channel.world
        self._encode, self._decode = encode, decode
        self._client = AT_WORK.get()
        self._inbox, self._requests = Inbox(), Inbox()
        self._status: Status | None = None
        self._cancelled = False
        self._serving: asyncio.Task[None] | None = None
        self._server: Process | None = None
        self._method = method
        source, target = channel.source, channel.target.rpartition(":")[0]
        self._up = Lane(world, source, target, self._at_server)
        self._down = Lane(world, target, source, self._at_client)
        self._up.on_broken = self._down.on_broken = partial(self._broken, "the connection broke")
        self._channel = channel
        self._up.send(Details(method, tuple(metadata or ())))

    # The client's side

    def done(self) -> bool:
        """Whether it has ended for the client."""
        return self._status is not None

    async def write(self, request: Any) -> None:
        """Send a request."""
        self._require_open()
        self._send_up(self._encode(request))
        await self._up.room()
        self._require_open()

    def send_only(self, request: Any) -> None:
        """Send the one request that there is."""
        self._send_up(self._encode(request))
        self._up.send(None)

    async def done_writing(self) -> None:
        """No more requests."""
        self._up.send(None)

    async def read(self) -> Any:
        """The next answer, or EOF after the last."""
        try:
            frame = await self._inbox.take()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if frame is not None:
            return self._decode(frame)
        self._raise_for_status()
        return grpc.aio.EOF

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (answer := await self.read()) is not grpc.aio.EOF:
            yield answer

    async def only(self) -> Any:
        """The one answer that there is."""
        answer = await self.read()
        if answer is grpc.aio.EOF:
            raise _error((grpc.StatusCode.INTERNAL, "no answer came"))
        return answer

    def cancel(self) -> bool:
        """End it from the client's side."""
        if self._status is not None:
            return False
        self._cancelled = True
        self._end((grpc.StatusCode.CANCELLED, "cancelled by the client"))
        self._up.send(grpc.StatusCode.CANCELLED)
        return True

    async def code(self) -> grpc.StatusCode:
        """Its status, once it has ended."""
        while self._status is None:
            await self._inbox.take()
        return self._status[0]

    async def details(self) -> str:
        """Its status's sentence."""
        await self.code()
        return self._status[1] if self._status else ""

    def expire(self) -> None:
        """Its time is over."""
        if self._status is None:
            self._end((grpc.StatusCode.DEADLINE_EXCEEDED, "deadline exceeded"))
            self._up.send(grpc.StatusCode.CANCELLED)

    def _require_open(self) -> None:
        if self._status is not None:
            raise asyncio.InvalidStateError("the call has ended")

    def _raise_for_status(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError
        if self._status is not None and self._status[0] is not grpc.StatusCode.OK:
            raise _error(self._status)

    def _send_up(self, frame: bytes) -> None:
        frame = self._world.watch_frame(self._channel.source, self._channel.target, self._method, "request", frame)
        self._up.send(frame)

    def _at_client(self, frame: Any) -> None:
        if self._client is not None and not self._client.alive:
            return
        if isinstance(frame, bytes):
            self._inbox.put(frame)
        else:
            self._end(frame)

    def _end(self, status: Status) -> None:
        if self._status is None:
            self._status = status
            self._inbox.end()
            self._up.broken = self._up.broken or status[0] is grpc.StatusCode.UNAVAILABLE
            self._up._wake()

    def _broken(self, why: str) -> None:
        """The connection is gone; each side is told, if it is there."""
        if self._client is None or self._client.alive:
            self._end((grpc.StatusCode.UNAVAILABLE, why))
        self._up.broken = self._down.broken = True
        self._down._wake()
        self._stop_serving()

    # The server's side

    def _at_server(self, frame: Any) -> None:
        if isinstance(frame, Details):
            self._accept(frame)
        elif self._server is None or not self._server.alive:
            return
        elif frame is None:
            self._requests.end()
        elif isinstance(frame, bytes):
            self._requests.put(frame)
        else:
            self._stop_serving()

    def _accept(self, details: Details) -> None:
        listener = self._world.listeners.get(self._channel.target)
        if listener is None or not listener.process.alive:
            self._broken("connection refused")
            return
        self._server = listener.process
        for process in (self._server, self._client):
            if process is not None:
                process.on_death.append(self._peer_died)
        context = context_of(self._server)
        self._serving = context.run(asyncio.get_running_loop().create_task, self._serve(listener, details))

    def _peer_died(self) -> None:
        """The other side's system tells at once if only the process died, and nothing does after a power cut."""
        world = self._world
        silent = world.random.random() < 0.3
        world.scheduler.after(
            KEEPALIVE_S if silent else world.random.uniform(0.001, 0.1), partial(self._broken, "gone")
        )

    def _stop_serving(self) -> None:
        if self._serving is not None and self._server is not None and self._server.alive:
            self._serving.cancel()
        self._requests.end()

    async def _serve(self, listener: Listener, details: Details) -> None:
        context = ServerContext(self._channel, details)
        try:
            handler = await _handler(listener, details)
            if handler is None:
                self._down.send((grpc.StatusCode.UNIMPLEMENTED, "no such method"))
                return
            await self._behave(handler, context)
            status: Status = grpc.StatusCode.OK, ""
        except grpc.aio.AbortError:
            status = context.status
        except PowerLost:
            return
        except Exception as error:  # noqa: BLE001 - as gRPC does
            self._world.unexpected(listener.process, error)
            status = grpc.StatusCode.UNKNOWN, "the server failed"
        self._down.send(status)

    async def _behave(self, handler: grpc.RpcMethodHandler, context: ServerContext) -> None:
        requests = self._received()
        given: Any = requests
        if not handler.request_streaming:
            given = await anext(requests, _NOTHING)
            if given is _NOTHING:
                await context.abort(grpc.StatusCode.INTERNAL, "no request came")
        if not handler.response_streaming:
            await self._answer(handler.response_serializer(await handler.unary_unary(given, context)))
            return
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        async for answer in behaviour(given, context):
            await self._answer(handler.response_serializer(answer))

    async def _received(self) -> AsyncIterator[bytes]:
        while (frame := await self._requests.take()) is not None:
            yield frame

    async def _answer(self, frame: bytes) -> None:
        frame = self._world.watch_frame(self._channel.target, self._channel.source, self._method, "answer", frame)
        self._down.send(frame)
        await self._down.room()


async def _handler(listener: Listener, details: Details) -> grpc.RpcMethodHandler:
    async def found(details: Details) -> grpc.RpcMethodHandler:
        handlers = (handler.service(details) for handler in listener.handlers)
        return next((handler for handler in handlers if handler is not None), None)

    continuation: Any = found
    for interceptor in reversed(listener.interceptors):
        continuation = partial(interceptor.intercept_service, continuation)
    return await continuation(details)


def _error(status: Status) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(status[0], nothing, nothing, status[1])


@dataclass(eq=False)
class Channel:
    """A connection from one host to an address.

    Attributes:
        world: where.
        source: whose.
        target: the address.
        certificate_pem: what it shows; None for an enrolment.
    """

    world: "World"
    source: str
    target: str
    certificate_pem: bytes | None = None
    _calls: list[Call] = field(default_factory=list)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every call on it."""
        for call in self._calls:
            call.cancel()

    def get_state(self) -> grpc.ChannelConnectivity:
        """Ready, until a call shows otherwise."""
        return grpc.ChannelConnectivity.READY

    def unary_unary(self, path: str, encode: Any, decode: Any) -> Any:
        """See grpc.aio."""

        async def run(request: Any, timeout: float, metadata: Any = ()) -> Any:  # noqa: ASYNC109 - gRPC's
            call = self._begin(path, encode, decode, metadata)
            asyncio.get_running_loop().call_later(timeout, call.expire)
            call.send_only(request)
            return await call.only()

        return run

    def unary_stream(self, path: str, encode: Any, decode: Any) -> Any:
        """See grpc.aio."""

        def start(request: Any, metadata: Any = ()) -> Call:
            call = self._begin(path, encode, decode, metadata)
            call.send_only(request)
            return call

        return start

    def stream_stream(self, path: str, encode: Any, decode: Any) -> Any:
        """See grpc.aio; requests are written, never iterated."""

        def start(requests: None = None, timeout: float | None = None, metadata: Any = ()) -> Call:
            del requests, timeout
            return self._begin(path, encode, decode, metadata)

        return start

    def _begin(self, path: str, encode: Any, decode: Any, metadata: Any) -> Call:
        call = Call(self, path, encode, decode, metadata)
        self._calls = [other for other in self._calls if not other.done()]
        self._calls.append(call)
        return call
