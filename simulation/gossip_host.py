"""One simulated peer: the machine, a disk, a clock, streams to others; it performs effects in order and may die
between.

The sum here is of integers, added and subtracted as records come to count, as a real one is.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatchmethod
from random import Random
from typing import TYPE_CHECKING

from ridgeway.gossip import effects as ef
from ridgeway.gossip import events as ev
from ridgeway.gossip.limits import FRAME_VERSION
from ridgeway.gossip.peer import Peer
from ridgeway.gossip.record import Entry
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.proto.messages import ChunkAbsence, GossipChunk, PeerFrame, PeerState
from ridgeway.simulation.gossip_claims import claim
from ridgeway.simulation.gossip_store import GossipStore
from ridgeway.simulation.gossip_trust import Owner, judge, value_of
from ridgeway.simulation.scheduler import Event

if TYPE_CHECKING:
    from ridgeway.simulation.gossip_world import GossipWorld

# How long a sum takes.
SUM_S = 0.05
# Between a payload's last chunk and its verdict.
CHECK_S = 0.02


class Died(Exception):
    """The process ended between two effects."""


def unchanged(_: str, frame: PeerFrame) -> PeerFrame | bytes:
    """What an honest peer sends: what its machine says."""
    return frame


@dataclass(slots=True)
class Tally:
    """What a host has sent and done, for figures and checks."""

    frames: int = 0
    bytes_sent: int = 0
    connects: int = 0
    deaths_seen: list[tuple[float, str]] = field(default_factory=list)
    diverged: list[ef.Diverged] = field(default_factory=list)
    equivocated: list[ef.Equivocated] = field(default_factory=list)
    misbehaved: list[ef.Misbehaved] = field(default_factory=list)
    own_ahead: list[Entry] = field(default_factory=list)


class GossipHost:
    """A peer in a world.

    Args:
        world: where.
        name: its owner name.
        address: where others reach it; empty: nowhere.

    Attributes:
        peer: its machine; None while it is down.
        total: the running sum.
        speak: what becomes of a frame on its way out; a liar has another.
        dies: asked before each effect whether to die now.
    """

    def __init__(self, world: "GossipWorld", name: str, address: str) -> None:
        self.world, self.name, self.address = world, name, address
        self.owner = Owner(name)
        self.store = GossipStore()
        self.peer: Peer | None = None
        self.links: set[str] = set()
        self.queued: dict[str, list[PeerFrame]] = {}
        self.total = 0
        self.applied: dict[str, Entry] = {}
        self.tally = Tally()
        self.speak: Callable[[str, PeerFrame], PeerFrame | bytes] = unchanged
        self.dies: Callable[[], bool] = lambda: False
        self.clock_offset_s = 0.0
        self._life = 0
        self._tick: Event | None = None

    @property
    def up(self) -> bool:
        """Whether its process runs."""
        return self.peer is not None

    def clock_s(self) -> float:
        """What its clock shows."""
        return self.world.scheduler.now_s + self.clock_offset_s

    def start(self) -> None:
        """Start the process from what is on disk."""
        self._life += 1
        draw = Random(self.world.random.random())
        restored = self.store.restored()
        self.peer = Peer(self.name, judge, draw, restored, self.world.parameters, self.world.first)
        self.applied = {entry.key: entry for entry in restored.held}
        self.total = sum(value_of(entry.record) for entry in restored.held)
        self.world.announce(self)
        self._compute_sum()
        own = self.store.held.get(self.owner.key)
        if self.owner.sequence and self.up and (own is None or value_of(own.record) != self.owner.value):
            self.publish()

    def stop(self) -> None:
        """End the process at once; what was not synced is lost or not."""
        self.peer = None
        self.store.crash(self.world.random)
        self.links.clear()
        self.queued.clear()
        if self._tick is not None:
            self._tick.cancel()

    def handle(self, event: ev.Event) -> None:
        """Report an event, and perform what follows."""
        if self.peer is None:
            return
        try:
            for effect in self.peer.handle(event, self.clock_s()):
                if self.dies():
                    raise Died
                self._perform(effect)
        except Died:
            self.world.crash(self.name)
            return
        self._set_tick()

    def publish(self) -> None:
        """Sign the owner's wish and let it count."""
        own = self.store.held.get(self.owner.key)
        self.owner.sequence = max(self.owner.sequence, own.record.sequence if own is not None else 0)
        record = self.owner.next_record()
        payload = self.owner.payload
        if payload is not None:
            self.world.store_payload(self.store, payload)
        self.handle(ev.Publish((record,)))

    def arrive(self, source: str, data: bytes) -> None:
        """Bytes came."""
        if self.peer is None:
            return
        if source not in self.links:
            self.world.refuse(source, self.name)
            return
        try:
            frame = decode(PeerFrame, data)
        except MalformedMessage:
            self.handle(ev.FrameMalformed(source))
            return
        self.handle(ev.FrameReceived(source, frame))

    def later(self, delay_s: float, event: ev.Event) -> None:
        """Report an event after a while, if the process still runs then."""
        life = self._life
        self.world.scheduler.after(delay_s, lambda: self.handle(event) if self._life == life else None)

    def _set_tick(self) -> None:
        if self.peer is None:
            return
        due_s = self.world.scheduler.now_s + max(0.0, self.peer.wake_at_s - self.clock_s())
        if self._tick is not None and self._tick.action is not None and self._tick.due_s == due_s:
            return
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self.world.scheduler.at(due_s, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        self.handle(ev.Tick())

    def _compute_sum(self) -> None:
        if self.peer is None:
            return
        root = self.peer.root
        digest = hashlib.sha256(str(self.total).encode()).digest()
        self.later(SUM_S, ev.SumReady(root, digest, digest[:8]))

    @singledispatchmethod
    def _perform(self, effect: ef.Effect) -> None:
        raise NotImplementedError(type(effect).__name__)

    @_perform.register
    def _(self, effect: ef.Persist) -> None:
        for entry in effect.entries:
            if entry.payload is not None:
                file = self.store.files.get(entry.payload.digest)
                claim(file is not None and file.synced, "an entry counts before its payload is durable")
        self.store.persist(effect.entries)

    @_perform.register
    def _(self, effect: ef.Applied) -> None:
        for entry in effect.entries:
            before = self.applied.get(entry.key)
            claim(before is None or before.rank < entry.rank, "an entry counted after a greater one")
            self.total += value_of(entry.record) - (value_of(before.record) if before else 0)
            self.applied[entry.key] = entry
        self._compute_sum()

    @_perform.register
    def _(self, effect: ef.Withheld) -> None:
        self.store.withhold(effect.entries)
        for entry in effect.entries:
            del self.applied[entry.key]
            self.total -= value_of(entry.record)
        self._compute_sum()

    @_perform.register
    def _(self, effect: ef.Send) -> None:
        self.world.check_sent(self, effect.frame)
        if effect.peer in self.links:
            self._transmit(effect.peer, effect.frame)
        elif effect.peer in self.queued:
            self.queued[effect.peer].append(effect.frame)

    @_perform.register
    def _(self, effect: ef.SendChunk) -> None:
        data = self.store.read(effect.payload_digest, effect.index)
        if data is None:
            frame = PeerFrame(FRAME_VERSION, chunk_absence=ChunkAbsence(effect.payload_digest))
            self.later(0.0, ev.PayloadMissing(effect.payload_digest))
        else:
            frame = PeerFrame(FRAME_VERSION, chunk=GossipChunk(effect.payload_digest, effect.index, data))
        if effect.peer in self.links:
            self._transmit(effect.peer, frame)

    @_perform.register
    def _(self, effect: ef.Connect) -> None:
        self.tally.connects += 1
        if effect.peer not in self.links:
            self.queued.setdefault(effect.peer, [])
        self.world.connect(self.name, effect.peer)

    @_perform.register
    def _(self, effect: ef.Disconnect) -> None:
        self.world.disconnect(self.name, effect.peer, clean=not effect.reason)

    @_perform.register
    def _(self, effect: ef.Expect) -> None:
        self.store.expect(effect.entry)

    @_perform.register
    def _(self, effect: ef.StoreChunk) -> None:
        self.store.write(effect.payload, effect.index, effect.data)

    @_perform.register
    def _(self, effect: ef.CompletePayload) -> None:
        payload = effect.entry.payload
        claim(payload is not None and self.store.whole(payload), "a payload said to be whole is not")
        self.later(CHECK_S, ev.PayloadJudged(effect.entry.digest, valid=True))

    @_perform.register
    def _(self, effect: ef.Abandon) -> None:
        self.store.abandon(effect.entry)

    @_perform.register
    def _(self, effect: ef.PeerChanged) -> None:
        if effect.state is PeerState.DEAD:
            self.tally.deaths_seen.append((self.world.scheduler.now_s, effect.peer))

    @_perform.register
    def _(self, effect: ef.Equivocated) -> None:
        self.tally.equivocated.append(effect)

    @_perform.register
    def _(self, effect: ef.OwnRecordAhead) -> None:
        self.tally.own_ahead.append(effect.entry)
        if effect.entry.key == self.owner.key:
            self.owner.sequence = max(self.owner.sequence, effect.entry.record.sequence)
            life = self._life
            self.world.scheduler.after(0.0, lambda: self.publish() if self._life == life and self.up else None)

    @_perform.register
    def _(self, effect: ef.Diverged) -> None:
        self.tally.diverged.append(effect)

    @_perform.register
    def _(self, effect: ef.Misbehaved) -> None:
        self.tally.misbehaved.append(effect)

    def _transmit(self, peer: str, frame: PeerFrame) -> None:
        said = self.speak(peer, frame)
        data = said if isinstance(said, bytes) else encode(said)
        self.tally.frames += 1
        self.tally.bytes_sent += len(data)
        self.world.network.send(self.name, peer, data)

    def linked(self, other: str) -> None:
        """A stream stands."""
        waiting = self.queued.pop(other, [])
        if other not in self.links:
            self.links.add(other)
            self.handle(ev.Linked(other))
        for frame in waiting if self.up and other in self.links else []:
            self._transmit(other, frame)

    def unlinked(self, other: str, *, clean: bool) -> None:
        """A stream, or the attempt at one, has ended."""
        self.queued.pop(other, None)
        self.links.discard(other)
        self.handle(ev.LinkLost(other, clean))
