"""What becomes of a record that comes in: ignored, refused, made to wait, awaited with its payload, or counted."""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence

from ridgeway.gossip.effects import Abandon, Applied, Equivocated, OwnRecordAhead, Persist, Withheld
from ridgeway.gossip.judging import Accept, InvalidRecord, Judge, NotYet
from ridgeway.gossip.limits import (
    RECORDS_MAX,
    RECORDS_PER_AUTHOR_MAX,
    REFUSED_MAX,
    WAITING_BYTES_MAX,
    WAITING_MAX,
)
from ridgeway.gossip.post import Post
from ridgeway.gossip.record import Entry, gossip_digest
from ridgeway.gossip.record_set import RecordSet
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.transfers import Transfers
from ridgeway.proto.messages import GossipRecord


def _identity(digest: bytes, record: GossipRecord) -> bytes:
    """Body and signature: what failed with one signature may hold with another, and nobody may spoil it in advance."""
    return hashlib.sha256(digest + record.signature).digest()


class _Remembered:
    """The last few digests of something."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def add(self, digest: bytes) -> None:
        self._digests[digest] = None
        if len(self._digests) > REFUSED_MAX:
            self._digests.popitem(last=False)


class _WaitingRoom:
    """Records that wait for another one, by the key of that; when it is full the oldest go, and come again by
    gossip."""

    def __init__(self) -> None:
        self._records: OrderedDict[bytes, tuple[str, GossipRecord]] = OrderedDict()
        self._by_key: dict[str, set[bytes]] = {}
        self._size = 0

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._records

    def add(self, identity: bytes, waits_for: str, record: GossipRecord) -> None:
        self._records[identity] = (waits_for, record)
        self._by_key.setdefault(waits_for, set()).add(identity)
        self._size += len(record.body)
        while len(self._records) > WAITING_MAX or self._size > WAITING_BYTES_MAX:
            self._remove(next(iter(self._records)))

    def released(self, key: str) -> list[GossipRecord]:
        """Those that waited for a key, which is here now."""
        return [self._remove(identity) for identity in sorted(self._by_key.get(key, ()))]

    def _remove(self, identity: bytes) -> GossipRecord:
        waits_for, record = self._records.pop(identity)
        self._size -= len(record.body)
        self._by_key[waits_for].discard(identity)
        if not self._by_key[waits_for]:
            del self._by_key[waits_for]
        return record


class Intake:
    """The way of records into the set.

    Args:
        retransmissions: how often a fresh record is told.
    """

    def __init__(
        self,
        judge: Judge,
        records: RecordSet,
        transfers: Transfers,
        roster: Roster,
        post: Post,
        retransmissions: Callable[[], int],
    ) -> None:
        self._judge = judge
        self._records = records
        self._transfers = transfers
        self._roster = roster
        self._post = post
        self._retransmissions = retransmissions
        self._refused = _Remembered()
        self._spoiled = _Remembered()
        self._reported = _Remembered()
        self._waiting = _WaitingRoom()
        self._counted: list[Entry] = []
        self._superseded: list[Entry] = []

    def receive(self, member: Member, records: Iterable[GossipRecord]) -> None:
        """Take records that a peer sent; what counts at once is persisted and applied before this returns.

        Raises:
            InvalidRecord: one of them is not valid; those before it are taken.
        """
        queue = deque(records)
        try:
            while queue:
                queue += self._receive(member, queue.popleft())
        finally:
            self._flush()

    def publish(self, records: Sequence[GossipRecord]) -> None:
        """Take our own records, whose payloads are durable.

        Raises:
            InvalidRecord: one of them is not valid, cannot be judged yet, or has a sequence number that is used up;
                nothing was taken.
        """
        staged: dict[str, Entry] = {}
        for record in records:
            verdict = self._judge(record, lambda key: staged.get(key) or self._records.get(key))
            if isinstance(verdict, NotYet):
                raise InvalidRecord(f"{record.key} needs {verdict.waits_for or 'a newer release'} first; publish that")
            entry = Entry(record, gossip_digest(record), verdict.author, verdict.payload)
            held = staged.get(record.key) or self._records.get(record.key)
            if held is not None and held.rank >= entry.rank and held.digest != entry.digest:
                raise InvalidRecord(
                    f"sequence {record.sequence} of {record.key} is used up; sign again with "
                    f"{held.record.sequence + 1} or more"
                )
            staged[record.key] = entry
        for entry in staged.values():
            self._count(entry)
        self._flush()

    def judged(self, digest: bytes, *, valid: bool) -> None:
        """Take the verdict on a whole payload."""
        entry = self._transfers.judged(digest, valid=valid)
        if entry is not None and valid:
            self._count(entry)
            self._flush()
        elif entry is not None:
            self._spoiled.add(digest)

    def withhold(self, payload_digest: bytes) -> None:
        """A payload was lost: what refers to it counts no longer, and is fetched again."""
        self._transfers.start_over(payload_digest)
        lost = self._records.withhold(payload_digest)
        if lost:
            self._post.add(Withheld(lost, self._records.root))
        for entry in lost:
            if entry.payload is not None:
                self._transfers.expect(entry, entry.payload)

    def _receive(self, member: Member, record: GossipRecord) -> list[GossipRecord]:
        """Take one record; what can be judged because of it."""
        digest = gossip_digest(record)
        held, pending = self._records.get(record.key), self._transfers.get(record.key)
        if pending is not None and pending.digest == digest:
            self._transfers.add_source(pending, member)
            return []
        if held is not None and (held.record.sequence > record.sequence or held.digest == digest):
            return []
        identity = _identity(digest, record)
        if identity in self._waiting or digest in self._reported or digest in self._spoiled:
            return []
        if identity in self._refused:
            raise InvalidRecord(f"it sent a record of {record.key} again that had been refused")
        try:
            verdict = self._judge(record, self._records.get)
        except InvalidRecord:
            self._refused.add(identity)
            raise
        if isinstance(verdict, NotYet):
            if verdict.waits_for:
                self._waiting.add(identity, verdict.waits_for, record)
            return []
        return self._accept(member, Entry(record, digest, verdict.author, verdict.payload), verdict)

    def _accept(self, member: Member, entry: Entry, verdict: Accept) -> list[GossipRecord]:
        if not self._is_greater(entry) or not self._has_room(entry):
            return []
        if entry.author == self._roster.name:
            self._post.add(OwnRecordAhead(entry))
        if verdict.payload is None:
            return self._count(entry)
        if not self._transfers.full:
            whole = self._records.holds_payload(verdict.payload.digest)
            self._transfers.expect(entry, verdict.payload, range(len(verdict.payload.chunk_digests)) if whole else ())
            self._transfers.add_source(entry, member)
        return []

    def _is_greater(self, entry: Entry) -> bool:
        """Whether an entry is to be taken; two of one sequence number are reported.

        One that is awaited may never come, so it keeps out lesser ones only if they too would have to be awaited.
        """
        held, pending = self._records.get(entry.key), self._transfers.get(entry.key)
        for known in (held, pending):
            if known is None:
                continue
            if known.record.sequence == entry.record.sequence and entry.digest != known.digest:
                kept, other = sorted((known, entry), key=lambda each: each.rank, reverse=True)
                self._post.add(Equivocated(kept, other))
                self._reported.add(other.digest)
        above_pending = pending is None or entry.payload is None or entry.rank > pending.rank
        return above_pending and (held is None or entry.rank > held.rank)

    def _has_room(self, entry: Entry) -> bool:
        if self._records.get(entry.key) is not None:
            return True
        return len(self._records) < RECORDS_MAX and self._records.of_author(entry.author) < RECORDS_PER_AUTHOR_MAX

    def _count(self, entry: Entry) -> list[GossipRecord]:
        """An entry counts from now on; what waited for it."""
        superseded = self._transfers.settle(entry)
        if superseded is not None:
            self._superseded.append(superseded)
        if not self._records.merge(entry, self._retransmissions()):
            return []
        self._counted.append(entry)
        return self._waiting.released(entry.key)

    def _flush(self) -> None:
        """What came to count is made durable before anything that tells others of it."""
        if self._counted:
            entries, self._counted = tuple(self._counted), []
            self._post.add(Persist(entries))
            self._post.add(Applied(entries, self._records.root))
        while self._superseded:
            self._post.add(Abandon(self._superseded.pop()))
