"""The open connections: how many there may be, and how long each may take.

A connection carries one request and is closed after the answer, so its life has three parts, each with its time: until
the request's head is here, until its body is here and answered, or for as long as it watches. Asyncio's transports hand
every byte through the guard, and TLS is below it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from ridgeway.web.limits import Limits

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connections:
    """Makes the protocol of each connection; of those that have not asked anything yet the oldest makes room.

    Args:
        serve: makes the protocol that serves a connection.
        limits: how many may be open, and for how long.
    """

    def __init__(self, serve: Callable[[], asyncio.Protocol], limits: Limits) -> None:
        self.limits = limits
        self._serve = serve
        self._waiting: OrderedDict[GuardedConnection, None] = OrderedDict()
        self._asking: set[GuardedConnection] = set()

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return GuardedConnection(self._serve(), self)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._waiting) + len(self._asking)

    def admit(self, connection: "GuardedConnection") -> bool:
        """Take a connection in, if need be in the place of one that has not asked anything; False if all have."""
        if len(self) >= self.limits.connections:
            if not self._waiting:
                return False
            oldest, _ = self._waiting.popitem(last=False)
            oldest.abort()
        self._waiting[connection] = None
        return True

    def asks(self, connection: "GuardedConnection") -> None:
        """A connection's request is here."""
        if connection in self._waiting:
            del self._waiting[connection]
            self._asking.add(connection)

    def gone(self, connection: "GuardedConnection") -> None:
        """A connection has ended."""
        self._waiting.pop(connection, None)
        self._asking.discard(connection)


class GuardedConnection(asyncio.Protocol):
    """Hands everything on to the protocol that serves, and ends the connection when its time is up."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what servers of streams hand in
        self._transport = transport
        self._admitted = self._connections.admit(self)
        if not self._admitted:
            self._end(_BUSY)
            return
        self._deadline = asyncio.get_running_loop().call_later(self._connections.limits.head_wait_s, self._end, _LATE)
        self._inner.connection_made(transport)

    def request_came(self) -> None:
        """The request's head is here: from now on the answer's time runs."""
        self._connections.asks(self)
        self._cancel_deadline()
        answer_wait_s = self._connections.limits.answer_wait_s
        self._deadline = asyncio.get_running_loop().call_later(answer_wait_s, self.abort)

    def streams(self) -> None:
        """The answer is a stream, which takes as long as somebody reads it."""
        self._cancel_deadline()

    def data_received(self, data: bytes) -> None:
        """Hand on."""
        if self._admitted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on, and make room."""
        self._cancel_deadline()
        self._connections.gone(self)
        if self._admitted:
            self._inner.connection_lost(exc)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self, last_words: bytes) -> None:
        if self._transport is not None:
            self._transport.write(last_words)
            self._transport.close()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
