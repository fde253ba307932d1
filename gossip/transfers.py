"""Payloads on their way: fetched chunk by chunk from whoever holds them, a few at once, whatever gets lost.

A payload is named by its content hash and its chunks' digests stand in the signed record, so any peer may serve any
chunk, and none can serve a wrong one. What is on disk already is not fetched again, also after a restart.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ridgeway.crypto.payload_digest import chunk_digest
from ridgeway.gossip.draw import Draw
from ridgeway.gossip.effects import Abandon, CompletePayload, Expect, StoreChunk
from ridgeway.gossip.frame_check import ImproperFrame
from ridgeway.gossip.limits import (
    ABSENCE_S,
    CHUNK_PATIENCE_S,
    CHUNK_TIMEOUT_MAX_S,
    CHUNKS_IN_FLIGHT_MAX,
    CHUNKS_IN_FLIGHT_PER_PEER_MAX,
    HOPE_S,
    PENDING_MAX,
    SOURCES_MAX,
    TRANSFERS_MAX,
)
from ridgeway.gossip.paces import Paces
from ridgeway.gossip.post import Post
from ridgeway.gossip.record import Entry, Payload
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.timers import Timers
from ridgeway.gossip.trie import position
from ridgeway.proto.messages import ChunkPlace, ChunkRequest, GossipChunk


@dataclass(slots=True)
class _Asked:
    peer: str
    until_s: float


@dataclass(slots=True)
class _Transfer:
    """One payload.

    Attributes:
        missing: places of chunks neither written nor asked for.
        asked: places that a peer was asked for.
        sources: peers that hold it, with the time before which they are not to be asked.
        losses: how often a chunk did not come.
        hope_s: when a chunk came last, or somebody said that it holds the payload.
        served: who sent chunks of it.
    """

    payload: Payload
    missing: list[int]
    entries: dict[str, Entry] = field(default_factory=dict)
    asked: dict[int, _Asked] = field(default_factory=dict)
    sources: dict[str, float] = field(default_factory=dict)
    losses: int = 0
    hope_s: float = 0.0
    served: set[str] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        return not self.missing and not self.asked


class Transfers:
    """Entries that count as soon as their payload is whole and durable.

    Args:
        offend: called with a peer and a sentence when it turns out later that no honest peer sends what it sent.
    """

    def __init__(
        self, roster: Roster, post: Post, timers: Timers, draw: Draw, offend: Callable[[Member, str], None]
    ) -> None:
        self._roster = roster
        self._post = post
        self._timers = timers
        self._draw = draw
        self._offend = offend
        self._transfers: OrderedDict[bytes, _Transfer] = OrderedDict()
        self._pending: dict[str, Entry] = {}
        self._sorted: list[tuple[bytes, bytes]] | None = []
        self._in_flight: dict[str, int] = {}
        self._paces = Paces()

    def get(self, key: str) -> Entry | None:
        """The entry under a key whose payload is awaited."""
        return self._pending.get(key)

    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of their keys."""
        return tuple(self._pending[key] for key in sorted(self._pending))

    @property
    def full(self) -> bool:
        """Whether no further entry can be awaited."""
        return len(self._pending) >= PENDING_MAX

    @property
    def awaited(self) -> list[tuple[bytes, bytes]]:
        """Positions and digests of all of them, sorted."""
        if self._sorted is None:
            self._sorted = sorted((position(entry.key), entry.digest) for entry in self._pending.values())
        return self._sorted

    def expect(self, entry: Entry, payload: Payload, on_disk: Iterable[int] = (), *, restored: bool = False) -> None:
        """Await an entry's payload, of which some chunks may be on disk already; instead of a lesser entry's."""
        before = self._pending.get(entry.key)
        if not restored:
            self._post.add(Expect(entry))
        self._pending[entry.key] = entry
        self._sorted = None
        transfer = self._transfers.get(payload.digest)
        if transfer is None:
            have = frozenset(on_disk)
            missing = [index for index in range(len(payload.chunk_digests)) if index not in have]
            transfer = self._transfers[payload.digest] = _Transfer(payload, missing, hope_s=self._post.now_s)
            self._await_hope(transfer)
        transfer.entries[entry.key] = entry
        if before is not None:
            # Only now: chunks that both refer to stay.
            self._detach(before)
            self._post.add(Abandon(before))
        if transfer.whole:
            self._post.add(CompletePayload(entry))

    def add_source(self, entry: Entry, member: Member) -> None:
        """A peer holds an awaited entry, and so its payload."""
        transfer = self._of(entry)
        # Whoever awaits a record of ours shows it to us, too: that alone is no sign that its payload is anywhere.
        if entry.author != self._roster.name:
            transfer.hope_s = self._post.now_s
        if member.name in transfer.sources:
            return
        if len(transfer.sources) >= SOURCES_MAX:
            unlinked = [name for name in transfer.sources if not self._linked(name)]
            del transfer.sources[unlinked[0] if unlinked else next(iter(transfer.sources))]
        transfer.sources[member.name] = 0.0

    def settle(self, entry: Entry) -> Entry | None:
        """An entry counts now: what is awaited under its key, and not greater, is awaited no more.

        Returns what is to be abandoned once the entry is durable: both may refer to the same payload.
        """
        pending = self._pending.get(entry.key)
        if pending is None or pending.rank > entry.rank:
            return None
        self._remove(pending)
        return pending if pending.digest != entry.digest else None

    def abandon(self, entry: Entry) -> None:
        """An entry will not count after all."""
        self._remove(entry)
        self._post.add(Abandon(entry))

    def judged(self, digest: bytes, *, valid: bool) -> Entry | None:
        """Take the verdict on a payload; the entry, if it is still awaited and its payload is still whole."""
        entry = next((each for each in self._pending.values() if each.digest == digest), None)
        if entry is None or not self._of(entry).whole:
            return None
        if valid:
            self._remove(entry)
            return entry
        for name in sorted(self._of(entry).served):
            member = self._roster.get(name)
            if member is not None:
                self._offend(member, "it passed on a payload whose numbers are no statistics")
        self.abandon(entry)
        return entry

    def take(self, member: Member, chunk: GossipChunk) -> None:
        """Check a chunk that came, and write it.

        Raises:
            ImproperFrame: it is not the chunk that was signed.
        """
        self._paces.arrived(member.name, chunk.payload_digest, chunk.index, len(chunk.data), self._post.now_s)
        transfer = self._transfers.get(chunk.payload_digest)
        if transfer is None or not (chunk.index in transfer.asked or chunk.index in transfer.missing):
            return
        payload = transfer.payload
        wrong = len(chunk.data) != payload.chunk_length(chunk.index)
        if wrong or chunk_digest(chunk.data) != payload.chunk_digests[chunk.index]:
            raise ImproperFrame("it sent a chunk that is not the one its owner signed")
        self._release(transfer, chunk.index)
        if chunk.index in transfer.missing:
            transfer.missing.remove(chunk.index)
        transfer.served.add(member.name)
        transfer.hope_s = self._post.now_s
        self._post.add(StoreChunk(payload, chunk.index, chunk.data))
        if transfer.whole:
            for entry in transfer.entries.values():
                self._post.add(CompletePayload(entry))

    def start_over(self, payload_digest: bytes) -> None:
        """What was written of a payload is gone."""
        transfer = self._transfers.get(payload_digest)
        if transfer is not None:
            for index in list(transfer.asked):
                self._release(transfer, index)
            transfer.missing = list(range(len(transfer.payload.chunk_digests)))

    def by(self, author: str) -> Iterator[Entry]:
        """What is awaited of an author, who may not know of it any more after a restore."""
        return (entry for entry in self._pending.values() if entry.author == author)

    def absent(self, member: Member, payload_digest: bytes) -> None:
        """A peer does not hold a payload."""
        transfer = self._transfers.get(payload_digest)
        if transfer is not None:
            self._not_from(transfer, member.name)

    def lost(self, member: Member) -> None:
        """No stream with a peer stands any more: what it was asked for will not come."""
        self._paces.forget(member.name)
        if self._in_flight.get(member.name):
            for transfer in self._transfers.values():
                self._put_back(transfer, member.name)

    def pump(self) -> None:
        """Ask for chunks, as many as may be on their way."""
        wanted: dict[str, list[ChunkPlace]] = {}
        free = CHUNKS_IN_FLIGHT_MAX - sum(self._in_flight.values())
        active = sum(1 for transfer in self._transfers.values() if transfer.asked)
        for transfer in self._transfers.values():
            if free <= 0:
                break
            if not transfer.missing or (active >= TRANSFERS_MAX and not transfer.asked):
                continue
            asked_before = bool(transfer.asked)
            while free > 0 and transfer.missing and (source := self._source(transfer)) is not None:
                index = transfer.missing.pop(0)
                wanted.setdefault(source, []).append(ChunkPlace(transfer.payload.digest, index))
                self._ask(transfer, index, source)
                free -= 1
            active += bool(transfer.asked) and not asked_before
        for name, places in wanted.items():
            member = self._roster.get(name)
            if member is not None:
                self._post.send(member, chunk_request=ChunkRequest(tuple(places)))

    def _ask(self, transfer: _Transfer, index: int, source: str) -> None:
        usual_s = CHUNK_PATIENCE_S + self._paces.expected_s(source, transfer.payload.chunk_length(index))
        patience_s = min(CHUNK_TIMEOUT_MAX_S, usual_s * 2.0 ** min(transfer.losses // 4, 10))
        asked = transfer.asked[index] = _Asked(source, self._post.now_s + patience_s)
        self._paces.asked(source, transfer.payload.digest, index, self._post.now_s)
        self._in_flight[source] = self._in_flight.get(source, 0) + 1

        def overdue(_: float) -> None:
            if transfer.asked.get(index) is asked:
                transfer.losses += 1
                self._not_from(transfer, source)

        self._timers.at(asked.until_s, overdue)

    def busy(self, member: Member) -> bool:
        """Whether a chunk that we asked of a peer should be on its way: what it says waits behind that."""
        return bool(self._in_flight.get(member.name))

    def _await_hope(self, transfer: _Transfer) -> None:
        def look(now_s: float) -> None:
            if self._transfers.get(transfer.payload.digest) is not transfer:
                return
            if transfer.whole or now_s < transfer.hope_s + HOPE_S:
                self._await_hope(transfer)
                return
            for entry in list(transfer.entries.values()):
                self.abandon(entry)

        self._timers.at(max(transfer.hope_s, self._post.now_s) + HOPE_S, look)

    def _source(self, transfer: _Transfer) -> str | None:
        usable = [
            name
            for name, not_before_s in transfer.sources.items()
            if not_before_s <= self._post.now_s
            and self._linked(name)
            and self._in_flight.get(name, 0) < CHUNKS_IN_FLIGHT_PER_PEER_MAX
        ]
        # A stream carries one chunk after another: whose stream is free comes first.
        least = min((self._in_flight.get(name, 0) for name in usable), default=0)
        usable = [name for name in usable if self._in_flight.get(name, 0) == least]
        return self._draw.sample(usable, 1)[0] if usable else None

    def _of(self, entry: Entry) -> _Transfer:
        return self._transfers[entry.payload.digest if entry.payload is not None else b""]

    def _linked(self, name: str) -> bool:
        member = self._roster.get(name)
        return member is not None and member.linked

    def _not_from(self, transfer: _Transfer, name: str) -> None:
        if name in transfer.sources:
            transfer.sources[name] = self._post.now_s + ABSENCE_S
            self._timers.at(self._post.now_s + ABSENCE_S, lambda _: None)
        self._put_back(transfer, name)

    def _put_back(self, transfer: _Transfer, name: str) -> None:
        for index in [index for index, asked in transfer.asked.items() if asked.peer == name]:
            self._release(transfer, index)
            transfer.missing.append(index)

    def _release(self, transfer: _Transfer, index: int) -> None:
        asked = transfer.asked.pop(index, None)
        if asked is not None:
            self._in_flight[asked.peer] -= 1
            if not self._in_flight[asked.peer]:
                del self._in_flight[asked.peer]

    def _remove(self, entry: Entry) -> None:
        del self._pending[entry.key]
        self._sorted = None
        self._detach(entry)

    def _detach(self, entry: Entry) -> None:
        transfer = self._of(entry)
        if transfer.entries.get(entry.key) is entry:
            del transfer.entries[entry.key]
        if not transfer.entries:
            for index in list(transfer.asked):
                self._release(transfer, index)
            del self._transfers[transfer.payload.digest]
