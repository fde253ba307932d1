"""One peer: every event goes in here, every effect comes out. See the package's docstring for how to drive it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.gossip import events as ev
from ridgeway.gossip.beliefs import Beliefs
from ridgeway.gossip.divergence import Divergence
from ridgeway.gossip.draw import Draw
from ridgeway.gossip.effects import Effects, Misbehaved, SendChunk
from ridgeway.gossip.exchange import Exchange
from ridgeway.gossip.frame_check import ImproperFrame, check_frame
from ridgeway.gossip.intake import Intake
from ridgeway.gossip.judging import InvalidRecord, Judge
from ridgeway.gossip.limits import (
    CHUNK_BYTES_PER_S,
    CHUNK_PATIENCE_S,
    CHUNKS_SERVED_BURST,
    CHUNKS_SERVED_PER_S,
    FRAME_VERSION,
    FRAMES_BURST,
    FRAMES_PER_S,
)
from ridgeway.gossip.links import Links
from ridgeway.gossip.news import News
from ridgeway.gossip.parameters import LAN, Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.probing import Probing
from ridgeway.gossip.record import Entry
from ridgeway.gossip.record_set import RecordSet
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.steady_clock import SteadyClock
from ridgeway.gossip.timers import Timers
from ridgeway.gossip.transfers import Transfers
from ridgeway.proto.messages import ChunkAbsence, ChunkRequest, PeerFrame, PeerState
from ridgeway.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True)
class Restored:
    """What the store gives back at a start.

    Attributes:
        held: every entry that was persisted last under its key, its payload durable and whole.
        pending: entries of `Expect` that were neither persisted nor abandoned, and those of `Withheld`.
        chunks: by payload digest, the places of whole chunks on disk, for pending entries; only those whose digest the
            shell has checked, unless they were synced.
    """

    held: Iterable[Entry] = ()
    pending: Iterable[Entry] = ()
    chunks: Mapping[bytes, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerView:
    """One peer as this one sees it, for status and metrics."""

    peer: str
    state: PeerState
    incarnation: int
    linked: bool
    offences: int
    in_step: bool


class Peer:
    """The machine.

    Args:
        name: this peer's owner name.
        judge: of the trust layer.
        draw: randomness; nothing secret is drawn from it.
        restored: what the store gives back.
        parameters: see there.
        first: the member that all others dial first and speak with at every exchange; empty: nobody.
    """

    def __init__(
        self,
        name: str,
        judge: Judge,
        draw: Draw,
        restored: Restored = Restored(),
        parameters: Parameters = LAN,
        first: str = "",
    ) -> None:
        self._clock, self._timers = SteadyClock(), Timers()
        self._roster, self._news = Roster(name, first), News()
        self._post = Post(self._roster, self._news, parameters)
        self._draw, self._parameters = draw, parameters
        self._records = RecordSet(restored.held)
        self._beliefs = Beliefs(self._roster, self._news, self._post, self._timers, parameters)
        self._transfers = Transfers(self._roster, self._post, self._timers, draw, self._offend)
        self._probing = Probing(
            self._roster, self._beliefs, self._post, self._timers, draw, parameters, self._transfers.busy
        )
        self._intake = Intake(
            judge,
            self._records,
            self._transfers,
            self._roster,
            self._post,
            self._beliefs.record_retransmissions,
        )
        self._divergence = Divergence(self._post, parameters)
        self._exchange = Exchange(
            self._roster,
            self._records,
            self._transfers,
            self._intake,
            self._beliefs,
            self._divergence,
            Links(self._roster, self._post, draw, parameters),
            self._post,
            self._timers,
            draw,
            parameters,
        )
        self._frames: dict[str, TokenBucket] = {}
        self._served: dict[str, TokenBucket] = {}
        self._started = self._gossiping = False
        for entry in restored.pending:
            if entry.payload is not None:
                chunks = restored.chunks.get(entry.payload.digest, frozenset())
                self._transfers.expect(entry, entry.payload, chunks, restored=True)

    def handle(self, event: ev.Event, now_s: float) -> Effects:
        """What to do now. Never raises for anything that another peer sent.

        Raises:
            InvalidRecord: one of `Publish`'s records is not valid, or cannot be judged yet; nothing of it was taken.
        """
        self._post.now_s = self._clock.advance(now_s)
        if not self._started:
            self._started = True
            self._exchange.start(self._post.now_s)
            self._probing.start(self._post.now_s)
        for due_s, action in self._timers.due(self._post.now_s):
            action(due_s)
        self._handlers[type(event)](self, event)
        self._transfers.pump()
        self._gossip_soon()
        return self._post.take()

    @property
    def wake_at_s(self) -> float:
        """When to report a `Tick` at the latest, on the caller's clock."""
        return self._clock.on_callers(self._timers.next_s)

    @property
    def root(self) -> bytes:
        """Digest of the set of records that count here; equal at two peers exactly if their sets are equal."""
        return self._records.root

    def held(self, key: str) -> Entry | None:
        """The record that counts under a key."""
        return self._records.get(key)

    def entries(self) -> tuple[Entry, ...]:
        """All records that count, in the order of their keys."""
        return tuple(sorted(self._records, key=lambda entry: entry.key))

    def pending(self) -> tuple[Entry, ...]:
        """Records whose payloads are on their way, in the order of their keys."""
        return self._transfers.entries()

    def holders(self, key: str) -> int:
        """How many other peers are known to hold the record that counts here under a key, or a greater one.

        A lower bound, which a leaving owner waits for before it goes.

        Raises:
            KeyError: no record counts under this key.
        """
        version = self._records.version_of(key)
        return sum(1 for member in self._roster if member.holds_version >= version)

    def peers(self) -> tuple[PeerView, ...]:
        """All other members as they are seen from here, in the order of their names."""
        offences = self._roster.penalties.offences
        now_s = self._post.now_s
        views = (
            PeerView(m.name, m.state, m.incarnation, m.linked, offences(m.name, now_s), m.in_step) for m in self._roster
        )
        return tuple(sorted(views, key=lambda view: view.peer))

    def _tick(self, _: ev.Tick) -> None:
        """The timers have been looked at already."""

    def _members_known(self, event: ev.MembersKnown) -> None:
        for member in self._roster.replace(event.addresses):
            self._beliefs.forget(member)
            self._transfers.lost(member)
            self._frames.pop(member.name, None)
            self._served.pop(member.name, None)
            if member.linked:
                self._post.hang_up(member, "it is a member no more")

    def _linked(self, event: ev.Linked) -> None:
        member = self._roster.get(event.peer)
        if member is None:
            return
        self._roster.link(member)
        if self._roster.penalties.ignored(member.name, self._post.now_s):
            self._post.hang_up(member, "it sent what no honest peer sends, and is ignored for a while")

    def _link_lost(self, event: ev.LinkLost) -> None:
        member = self._roster.get(event.peer)
        if member is None:
            return
        self._roster.unlink(member)
        self._transfers.lost(member)
        if not event.clean:
            self._probing.hurry(member)

    def _frame_received(self, event: ev.FrameReceived) -> None:
        member, frame, now_s = self._roster.get(event.peer), event.frame, self._post.now_s
        if member is None or self._roster.penalties.ignored(member.name, now_s):
            return
        solicited = frame.chunk is not None
        bucket = self._frames.setdefault(member.name, TokenBucket(FRAMES_PER_S, FRAMES_BURST))
        if frame.format_version != FRAME_VERSION or not (solicited or bucket.take(now_s)):
            return
        member.heard_s = now_s
        try:
            check_frame(frame)
            for update in frame.updates:
                self._beliefs.hear(update)
            self._open(member, frame)
        except (ImproperFrame, InvalidRecord) as error:
            self._offend(member, str(error))

    def _open(self, member: Member, frame: PeerFrame) -> None:
        if frame.digest is not None:
            self._exchange.receive_digest(member, frame.digest)
        elif frame.reconciliation is not None:
            self._exchange.receive_step(member, frame.reconciliation)
        elif frame.probe is not None:
            self._probing.receive(member, frame.probe)
        elif frame.chunk is not None:
            self._transfers.take(member, frame.chunk)
        elif frame.chunk_request is not None:
            self._serve(member, frame.chunk_request)
        elif frame.chunk_absence is not None:
            self._transfers.absent(member, frame.chunk_absence.payload_digest)

    def _serve(self, member: Member, request: ChunkRequest) -> None:
        bucket = self._served.setdefault(member.name, TokenBucket(CHUNKS_SERVED_PER_S, CHUNKS_SERVED_BURST))
        for place in request.places:
            if not self._records.holds_payload(place.payload_digest):
                self._post.send(member, chunk_absence=ChunkAbsence(place.payload_digest))
            elif bucket.take(self._post.now_s):
                member.served_until_s = self._post.now_s + CHUNK_PATIENCE_S + CHUNK_BYTES / CHUNK_BYTES_PER_S
                self._post.add(SendChunk(member.name, place.payload_digest, place.index))

    def _frame_malformed(self, event: ev.FrameMalformed) -> None:
        member = self._roster.get(event.peer)
        if member is not None:
            self._offend(member, "it sent bytes that are no frame")

    def _publish(self, event: ev.Publish) -> None:
        self._intake.publish(event.records)

    def _payload_judged(self, event: ev.PayloadJudged) -> None:
        self._intake.judged(event.digest, valid=event.valid)

    def _payload_missing(self, event: ev.PayloadMissing) -> None:
        self._intake.withhold(event.payload_digest)

    def _sum_ready(self, event: ev.SumReady) -> None:
        self._divergence.latest = event

    def _gossip_soon(self) -> None:
        """News of peers does not wait for the next exchange."""
        if self._news and not self._gossiping:
            self._gossiping = True
            self._timers.at(self._post.now_s + self._parameters.gossip_interval_s, self._gossip)

    def _gossip(self, _: float) -> None:
        self._gossiping = False
        partners = self._roster.partners()
        for member in self._draw.sample(partners, min(self._parameters.gossip_nodes, len(partners))):
            if self._news:
                self._post.send(member)

    def _offend(self, member: Member, reason: str) -> None:
        offences, ignored_s = self._roster.penalties.offend(member.name, self._post.now_s)
        self._post.add(Misbehaved(member.name, reason, offences, ignored_s))
        self._transfers.lost(member)
        self._post.hang_up(member, reason)

    _handlers: dict[type[Any], Callable[[Any, Any], None]] = {  # noqa: RUF012 - a table, never changed
        ev.Tick: _tick,
        ev.MembersKnown: _members_known,
        ev.Linked: _linked,
        ev.LinkLost: _link_lost,
        ev.FrameReceived: _frame_received,
        ev.FrameMalformed: _frame_malformed,
        ev.Publish: _publish,
        ev.PayloadJudged: _payload_judged,
        ev.PayloadMissing: _payload_missing,
        ev.SumReady: _sum_ready,
    }
