"""The streams between this peer and others: one is enough for a pair, whoever opened it.

Frames for a peer lie in one outbox, which the writers of all streams with it empty. A frame that finds the outbox full
is dropped: gossip relies on no frame's arrival. What is read goes to the engine, which holds the reader up when it has
enough to do, and so the sender.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from ridgeway.gossip.events import Event, FrameMalformed, FrameReceived, Linked, LinkLost
from ridgeway.gossip.limits import FRAME_BYTES_MAX, SEND_QUEUE_BYTES_MAX
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.messages import PeerFrame

_log = logging.getLogger("ridgeway.peers")

Report = Callable[[Event], Awaitable[None]]


@dataclass(eq=False, slots=True)
class Outbox:
    """Encoded frames for one peer."""

    frames: deque[bytes] = field(default_factory=deque)
    waiting_bytes: int = 0
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, data: bytes) -> bool:
        """Add a frame; False if there is no room."""
        if self.waiting_bytes + len(data) > SEND_QUEUE_BYTES_MAX:
            return False
        self.frames.append(data)
        self.waiting_bytes += len(data)
        self.filled.set()
        return True

    def take(self) -> bytes:
        """The oldest frame."""
        data = self.frames.popleft()
        self.waiting_bytes -= len(data)
        if not self.frames:
            self.filled.clear()
        return data


@dataclass(eq=False, slots=True)
class Stream:
    """One stream with a peer.

    Attributes:
        peer: with whom.
        outbox: what is to be sent.
        ended: set when it is to end.
        reason: why, if we end it.
        clean: the other side ended it in order.
        on_sent: told of the bytes of each frame that was sent.
    """

    peer: str
    outbox: Outbox
    on_sent: Callable[[int], None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    clean: bool = False

    def end(self, reason: str = "") -> None:
        """End it."""
        self.reason = self.reason or reason
        self.ended.set()
        # Wakes whoever waits for a frame.
        self.outbox.filled.set()

    async def outgoing(self) -> AsyncIterator[bytes]:
        """Frames to write; once the stream is to end, what was queued before."""
        while self.outbox.frames or not self.ended.is_set():
            await self.outbox.filled.wait()
            if self.outbox.frames:
                data = self.outbox.take()
                yield data
                self.on_sent(len(data))
            elif not self.ended.is_set():
                self.outbox.filled.clear()


class Connections:
    """All streams of this peer.

    Args:
        report: takes events to the engine.

    Attributes:
        on_traffic: told of the bytes of each frame, sent and received.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self.on_traffic: Callable[[int, int], None] = lambda *_: None
        self._outboxes: dict[str, Outbox] = {}
        self._streams: dict[str, list[Stream]] = {}
        self._ignored_until: dict[str, float] = {}

    def send(self, peer: str, frame: PeerFrame) -> None:
        """Send a frame, if there is a stream or one is being opened, and room."""
        outbox = self._outboxes.get(peer)
        if outbox is not None and not outbox.put(encode(frame)):
            _log.debug("%s reads too slowly; a frame was dropped", peer)

    def expect(self, peer: str) -> None:
        """A stream is being opened: frames wait for it."""
        self._outboxes.setdefault(peer, Outbox())

    async def failed(self, peer: str) -> None:
        """It could not be opened."""
        if not self._streams.get(peer):
            self._outboxes.pop(peer, None)
            await self._report(LinkLost(peer))

    async def attach(self, peer: str) -> Stream:
        """A stream stands."""
        outbox = self._outboxes.setdefault(peer, Outbox())
        stream = Stream(peer, outbox, on_sent=lambda sent: self.on_traffic(sent, 0))
        streams = self._streams.setdefault(peer, [])
        streams.append(stream)
        if len(streams) == 1:
            await self._report(Linked(peer))
        return stream

    async def detach(self, stream: Stream) -> None:
        """A stream has ended; with the last one the frames that wait are gone."""
        stream.end()
        streams = self._streams.get(stream.peer, [])
        if stream in streams:
            streams.remove(stream)
            if not streams:
                del self._streams[stream.peer]
                self._outboxes.pop(stream.peer, None)
                await self._report(LinkLost(stream.peer, stream.clean))

    async def receive(self, stream: Stream, data: bytes) -> None:
        """Take in what came over a stream."""
        self.on_traffic(0, len(data))
        if len(data) > FRAME_BYTES_MAX:
            await self._report(FrameMalformed(stream.peer))
            return
        try:
            frame = decode(PeerFrame, data)
        except MalformedMessage:
            await self._report(FrameMalformed(stream.peer))
            return
        await self._report(FrameReceived(stream.peer, frame))

    def disconnect(self, peer: str, reason: str) -> None:
        """End every stream with a peer."""
        for stream in tuple(self._streams.get(peer, ())):
            stream.clean = True
            stream.end(reason)

    def ignore(self, peer: str, seconds: float) -> None:
        """Refuse a peer's streams for a while."""
        self._ignored_until[peer] = time.monotonic() + seconds

    def ignored(self, peer: str) -> bool:
        """Whether a peer's streams are refused now."""
        return self._ignored_until.get(peer, 0.0) > time.monotonic()

    @property
    def linked(self) -> set[str]:
        """With whom there is a stream."""
        return set(self._streams)

    def close(self) -> None:
        """End all streams, in order."""
        for peer in tuple(self._streams):
            self.disconnect(peer, "")
