"""The records that count: a join-semilattice of entries by key, its trie, and what of it is fresh.

merge(S, e) keeps of each key the entry of greatest (sequence, digest). So for any sets A, B, C: A v B = B v A,
(A v B) v C = A v (B v C), A v A = A, and a key's rank never falls; a withdrawal stays as a record like any other.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ridgeway.gossip.limits import FRESH_BYTES_MAX, FRESH_MAX
from ridgeway.gossip.record import Entry
from ridgeway.gossip.trie import Node, Place, position, put, trie_of
from ridgeway.proto.messages import GossipRecord, RecordSummary


def summary_of(entry: Entry) -> RecordSummary:
    """What stands for an entry in a comparison."""
    return RecordSummary(entry.key, entry.record.sequence, entry.digest)


@dataclass(slots=True)
class _Fresh:
    version: int
    left: int


class RecordSet:
    """Entries by key.

    Args:
        entries: at the start, at most one for each key.

    Attributes:
        trie: over all entries.
        version: grows with every change.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.key: entry for entry in entries}
        self._versions = dict.fromkeys(self._entries, 1)
        self._fresh: OrderedDict[str, _Fresh] = OrderedDict()
        self._payloads: dict[bytes, set[str]] = {}
        self._authors: dict[str, int] = {}
        for entry in self._entries.values():
            self._count(entry, 1)
        self.trie: Node = trie_of(map(summary_of, self._entries.values()))
        self.version = 1

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def root(self) -> bytes:
        """Digest of the whole set, 32 bytes."""
        return self.trie.digest

    def get(self, key: str) -> Entry | None:
        """The entry that counts under a key."""
        return self._entries.get(key)

    def of_author(self, author: str) -> int:
        """How many entries are an author's."""
        return self._authors.get(author, 0)

    def version_of(self, key: str) -> int:
        """The version with which the entry under a key came."""
        return self._versions[key]

    def holds_payload(self, payload_digest: bytes) -> bool:
        """Whether an entry refers to this payload, which then is whole and durable."""
        return payload_digest in self._payloads

    def merge(self, entry: Entry, retransmissions: int) -> bool:
        """Take an entry over if it is greater than the one under its key; whether it was."""
        before = self._entries.get(entry.key)
        if before is not None and before.rank >= entry.rank:
            return False
        if before is not None:
            self._count(before, -1)
        self._count(entry, 1)
        self._entries[entry.key] = entry
        self.trie = put(self.trie, Place(position(entry.key), summary_of(entry)))
        self.version += 1
        self._versions[entry.key] = self.version
        self._fresh[entry.key] = _Fresh(self.version, retransmissions)
        self._fresh.move_to_end(entry.key)
        if len(self._fresh) > FRESH_MAX:
            self._fresh.popitem(last=False)
        return True

    def withhold(self, payload_digest: bytes) -> tuple[Entry, ...]:
        """Take out all entries that refer to a payload that was lost."""
        lost = tuple(self._entries[key] for key in sorted(self._payloads.get(payload_digest, ())))
        for entry in lost:
            self._count(entry, -1)
            del self._entries[entry.key], self._versions[entry.key]
            self._fresh.pop(entry.key, None)
        self.trie = trie_of(map(summary_of, self._entries.values()))
        self.version += 1
        return lost

    def fresh_for(self, version: int) -> tuple[GossipRecord, ...]:
        """The newest records for a peer that holds everything of some version, counted as told."""
        records: list[GossipRecord] = []
        size = 0
        for key, fresh in list(reversed(self._fresh.items())):
            if fresh.version <= version:
                continue
            record = self._entries[key].record
            size += len(record.body) + len(record.signature) + len(key)
            if records and size > FRESH_BYTES_MAX:
                break
            records.append(record)
            fresh.left -= 1
            if fresh.left <= 0:
                del self._fresh[key]
        return tuple(records)

    def _count(self, entry: Entry, change: int) -> None:
        self._authors[entry.author] = self._authors.get(entry.author, 0) + change
        if entry.payload is None:
            return
        keys = self._payloads.setdefault(entry.payload.digest, set())
        keys.add(entry.key) if change > 0 else keys.discard(entry.key)
        if not keys:
            del self._payloads[entry.payload.digest]
