"""Drives the gossip machine: one event after another, and its effects in order, each done before the next.

Blocking work (the store, payloads) runs on one thread of its own; the machine itself and the roster belong to the event
loop. If the disk fails, the engine stops: what follows a failed write would tell others of what is not durable.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from ridgeway.errors import RidgewayError
from ridgeway.gossip import effects as ef
from ridgeway.gossip import events as ev
from ridgeway.gossip.limits import FRAME_VERSION
from ridgeway.gossip.peer import Peer, Restored
from ridgeway.gossip.record import Entry
from ridgeway.peers.connections import Connections
from ridgeway.peers.dialling import Dialler
from ridgeway.peers.payload_folder import PayloadFolder, PayloadLost
from ridgeway.peers.record_store import RecordStore
from ridgeway.proto import messages as m
from ridgeway.roster.charter import Charter
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.standing import Roster

_log = logging.getLogger("ridgeway.peers")

P = ParamSpec("P")
T = TypeVar("T")

# Events that wait; a reader whose frame finds no room waits with it, and so does whoever sends.
EVENTS_MAX = 256
# One that leaves is listened to a little longer, so that it learns that its farewell was heard.
FAREWELL_S = 15.0
FAULTS_KEPT = 20


@dataclass(slots=True)
class Heard:
    """What a peer told of itself last.

    Attributes:
        unix_ms: when.
        root, sum_digest, weights_digest: see `PeerDigest`.
    """

    unix_ms: int
    root: bytes
    sum_digest: bytes
    weights_digest: bytes


@dataclass(slots=True)
class News:
    """What happened since the start, for status and metrics."""

    heard: dict[str, Heard] = field(default_factory=dict)
    refused: int = 0
    faults: deque[str] = field(default_factory=lambda: deque(maxlen=FAULTS_KEPT))


class Engine:
    """One peer's machine, records and streams.

    Args:
        owner: this peer's name.
        charter: the federation's.
        store: the records.
        payloads: the payloads.

    Attributes:
        roster: what the records mean.
        news: for status.
        changed: set whenever the records changed; whoever waits for it replaces it.
        on_applied: called after records came to count, with the new root.
        on_behind: called with a record of ours that this copy of the node did not know.
    """

    def __init__(self, owner: str, charter: Charter, store: RecordStore, payloads: PayloadFolder) -> None:
        self.owner = owner
        self.charter = charter
        self.store = store
        self.payloads = payloads
        self.roster = Roster()
        self.news = News()
        self.changed = asyncio.Event()
        self.on_applied: Callable[[bytes], None] = lambda _: None
        self.on_behind: Callable[[Entry], None] = lambda _: None
        self.connections = Connections(self.report)
        self._dialler: Dialler | None = None
        self._events: asyncio.Queue[tuple[ev.Event, asyncio.Future[None] | None]] = asyncio.Queue(EVENTS_MAX)
        self._urgent: deque[ev.Event] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="records")
        self._known: dict[str, str] = {}
        self._adopting: set[bytes] = set()
        held, restored = self._restored()
        first = charter.manifest.dialled_first
        self._machine = Peer(owner, TrustJudge(charter), random.SystemRandom(), restored, first=first)
        self.roster.take(held)

    def _restored(self) -> tuple[list[Entry], Restored]:
        """What lies on disk. A payload that is not whole any more is fetched again."""
        held, pending = self.store.held(), self.store.pending()
        lost = [e for e in held if e.payload is not None and not self.payloads.is_whole(e.payload)]
        if lost:
            self.store.withhold(lost)
            for entry in lost:
                if entry.payload is not None:
                    self.payloads.lost(entry.payload.digest)
            held, pending = [e for e in held if e not in lost], pending + lost
        arrived = {e.payload.digest: self.payloads.arrived(e.payload) for e in pending if e.payload is not None}
        return held, Restored(held, pending, arrived)

    # From the outside

    async def report(self, event: ev.Event) -> None:
        """Tell of an event; waits while there is much to do."""
        await self._events.put((event, None))

    async def publish(self, records: Iterable[m.GossipRecord]) -> None:
        """Sign off on our own records: when this returns they are durable, and will be passed on.

        Raises:
            InvalidRecord: one of them is not valid, or its number is used up; nothing was taken.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._events.put((ev.Publish(tuple(records)), done))
        await done

    async def sum_ready(self, root: bytes, sum_digest: bytes, weights_digest: bytes) -> None:
        """The sum over a set of records was made."""
        await self.report(ev.SumReady(root, sum_digest, weights_digest))

    async def on_disk(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something on the thread of the store and the payloads."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._disk, partial(function, *args, **kwargs)))

    def held(self, key: RecordKey) -> Entry | None:
        """The record that counts under a key."""
        return self._machine.held(str(key))

    def awaits(self, kind: RecordKind) -> bool:
        """Whether the payload of a record of this kind is on its way here."""
        return any(RecordKey.parse(entry.key).kind is kind for entry in self._machine.pending())

    def holders(self, key: RecordKey) -> int:
        """How many others are known to hold what counts here under a key; 0 if nothing does."""
        return self._machine.holders(str(key)) if self._machine.held(str(key)) else 0

    @contextmanager
    def adopting(self, payload_digest: bytes) -> Iterator[None]:
        """Keep a payload whose record is about to be published."""
        self._adopting.add(payload_digest)
        try:
            yield
        finally:
            self._adopting.discard(payload_digest)

    async def forget_payloads(self, needed: set[bytes]) -> None:
        """Remove payloads that neither a record nor the sum needs."""
        awaited = {e.payload.digest for e in self._machine.pending() if e.payload is not None}
        held = {e.payload.digest for e in self._machine.entries() if e.payload is not None}
        await self.on_disk(self.payloads.keep_only, held | awaited | needed | self._adopting, awaited)

    @property
    def machine(self) -> Peer:
        """For status; events go through `report`."""
        return self._machine

    # The loop

    async def run(self, dialler: Dialler) -> None:
        """Gossip until cancelled.

        Raises:
            OSError, StoreError: the disk failed.
        """
        self._dialler = dialler
        self._tell_members()
        try:
            while True:
                event, done = await self._next()
                await self._handle(event, done)
        finally:
            self.connections.close()
            await dialler.close()
            for task in tuple(self._tasks):
                task.cancel()

    def close(self) -> None:
        """Finish what was begun on disk, and close the store. Blocks."""
        self._disk.shutdown(wait=True)
        self.store.close()

    async def _next(self) -> tuple[ev.Event, asyncio.Future[None] | None]:
        if self._urgent:
            return self._urgent.popleft(), None
        wait_s = self._machine.wake_at_s - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                return await self._events.get()
        except TimeoutError:
            return ev.Tick(), None

    async def _handle(self, event: ev.Event, done: asyncio.Future[None] | None) -> None:
        if isinstance(event, ev.FrameReceived):
            self._listen(event)
        try:
            effects = self._machine.handle(event, time.monotonic())
        except RidgewayError as error:
            if done is None:
                raise
            done.set_exception(error)
            return
        try:
            for effect in effects:
                await self._performers[type(effect)](self, effect)
        except BaseException as error:
            if done is not None and not done.done():
                done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            raise
        if done is not None and not done.done():
            done.set_result(None)

    def _listen(self, event: ev.FrameReceived) -> None:
        digest = event.frame.digest
        if digest is not None:
            now_ms = time.time_ns() // 1_000_000
            self.news.heard[event.peer] = Heard(now_ms, digest.root, digest.sum_digest, digest.weights_digest)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What the records say of members

    def _tell_members(self) -> None:
        """Tell the machine who is a member, and end the streams of those who are none any more."""
        now_ms = time.time_ns() // 1_000_000
        known, leaving = {}, False
        for member in self.roster.members.values():
            farewell = member.state is m.MemberState.LEFT and now_ms - member.since_unix_ms < FAREWELL_S * 1000
            leaving |= farewell
            if member.active or farewell:
                address = member.profile.address if member.profile and member.active else ""
                known[member.owner] = address
        if known != self._known:
            for gone in self._known.keys() - known.keys():
                self.connections.disconnect(gone, self._why_gone(gone))
            self._known = known
            self._urgent.append(ev.MembersKnown(known))
        if leaving:
            asyncio.get_running_loop().call_later(FAREWELL_S, self._tell_members_later)

    def _why_gone(self, name: str) -> str:
        member = self.roster.member(name)
        state = f" ({member.state.name.lower()})" if member else ""
        return f"{name} is no member any more{state}; it needs a new invitation"

    def _tell_members_later(self) -> None:
        self._begin(self.report(ev.Tick()))
        self._tell_members()

    def _look_at(self, entries: Iterable[Entry]) -> None:
        if any(RecordKey.parse(e.key).kind is not RecordKind.CONTRIBUTION for e in entries):
            self._tell_members()
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    # Effects

    async def _persist(self, effect: ef.Persist) -> None:
        await self.on_disk(self.store.persist, effect.entries)

    async def _applied(self, effect: ef.Applied) -> None:
        self.roster.take(effect.entries)
        self._look_at(effect.entries)
        self.on_applied(effect.root)

    async def _withheld(self, effect: ef.Withheld) -> None:
        await self.on_disk(self.store.withhold, effect.entries)
        self.roster.lose(effect.entries)
        self._look_at(effect.entries)
        self.on_applied(effect.root)

    async def _send(self, effect: ef.Send) -> None:
        self.connections.send(effect.peer, effect.frame)

    async def _send_chunk(self, effect: ef.SendChunk) -> None:
        try:
            data = await self.on_disk(self.payloads.chunk, effect.payload_digest, effect.index)
        except PayloadLost as error:
            _log.warning("%s", error)
            await self.on_disk(self.payloads.lost, effect.payload_digest)
            absent = m.ChunkAbsence(effect.payload_digest)
            self.connections.send(effect.peer, m.PeerFrame(FRAME_VERSION, chunk_absence=absent))
            self._urgent.append(ev.PayloadMissing(effect.payload_digest))
            return
        chunk = m.GossipChunk(effect.payload_digest, effect.index, data)
        self.connections.send(effect.peer, m.PeerFrame(FRAME_VERSION, chunk=chunk))

    async def _connect(self, effect: ef.Connect) -> None:
        if self._dialler is not None:
            self._dialler.dial(effect.peer, effect.address)

    async def _disconnect(self, effect: ef.Disconnect) -> None:
        self.connections.disconnect(effect.peer, effect.reason)

    async def _expect(self, effect: ef.Expect) -> None:
        await self.on_disk(self.store.expect, effect.entry)

    async def _store_chunk(self, effect: ef.StoreChunk) -> None:
        await self.on_disk(self.payloads.write, effect.payload, effect.index, effect.data)

    async def _complete(self, effect: ef.CompletePayload) -> None:
        valid = await self.on_disk(self.payloads.complete, effect.entry, self.charter.manifest)
        if not valid:
            self.news.refused += 1
            _log.warning("the numbers of %s are no statistics; the record is refused", effect.entry.key)
        self._urgent.append(ev.PayloadJudged(effect.entry.digest, valid))

    async def _abandon(self, effect: ef.Abandon) -> None:
        await self.on_disk(self.store.abandon, effect.entry)
        payload = effect.entry.payload
        awaited = {e.payload.digest for e in self._machine.pending() if e.payload is not None}
        if payload is not None and payload.digest not in awaited:
            await self.on_disk(self.payloads.give_up, payload.digest)

    async def _peer_changed(self, effect: ef.PeerChanged) -> None:
        _log.info("%s is %s", effect.peer, effect.state.name.lower())

    async def _equivocated(self, effect: ef.Equivocated) -> None:
        kept = effect.kept
        self._fault(f"{kept.author} signed two records of {kept.key} with number {kept.record.sequence}")

    async def _own_record_ahead(self, effect: ef.OwnRecordAhead) -> None:
        self.on_behind(effect.entry)

    async def _diverged(self, effect: ef.Diverged) -> None:
        what = "the sum" if effect.what == "sum" else "the rounded router weights"
        self._fault(f"{effect.peer} holds the same records, and {what} differs: ours {effect.ours.hex()[:16]},"
                    f" theirs {effect.theirs.hex()[:16]}")  # fmt: skip

    async def _misbehaved(self, effect: ef.Misbehaved) -> None:
        self.news.refused += 1
        self.connections.ignore(effect.peer, effect.ignored_s)
        _log.warning(
            "%s is not listened to for %.0f s after offence %d: %s",
            effect.peer, effect.ignored_s, effect.offences, effect.reason,
        )  # fmt: skip

    def _fault(self, sentence: str) -> None:
        self.news.faults.append(sentence)
        _log.error("%s", sentence)

    _performers: dict[type[Any], Callable[[Any, Any], Any]] = {  # noqa: RUF012 - a table, never changed
        ef.Persist: _persist,
        ef.Applied: _applied,
        ef.Withheld: _withheld,
        ef.Send: _send,
        ef.SendChunk: _send_chunk,
        ef.Connect: _connect,
        ef.Disconnect: _disconnect,
        ef.Expect: _expect,
        ef.StoreChunk: _store_chunk,
        ef.CompletePayload: _complete,
        ef.Abandon: _abandon,
        ef.PeerChanged: _peer_changed,
        ef.Equivocated: _equivocated,
        ef.OwnRecordAhead: _own_record_ahead,
        ef.Diverged: _diverged,
        ef.Misbehaved: _misbehaved,
    }
