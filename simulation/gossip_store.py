"""What a simulated peer has on disk, and what of it a crash leaves."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from ridgeway.gossip.peer import Restored
from ridgeway.gossip.record import Entry, Payload
from ridgeway.gossip.record_set import summary_of
from ridgeway.gossip.trie import trie_of


@dataclass(slots=True)
class PayloadFile:
    """Chunks of one payload, by place; those that were synced stay."""

    payload: Payload
    chunks: dict[int, bytes] = field(default_factory=dict, repr=False)
    synced: bool = False


class GossipStore:
    """Entries and payloads of one peer.

    Attributes:
        held: durable entries by key.
        pending: entries whose payload is awaited.
        files: payloads by digest.
    """

    def __init__(self) -> None:
        self.held: dict[str, Entry] = {}
        self.pending: dict[str, Entry] = {}
        self.files: dict[bytes, PayloadFile] = {}
        self._root: bytes | None = None

    def persist(self, entries: Iterable[Entry]) -> None:
        """Replace entries, in one transaction."""
        for entry in entries:
            self.held[entry.key] = entry
            if self.pending.get(entry.key) == entry:
                del self.pending[entry.key]
        self._root = None

    def withhold(self, entries: Iterable[Entry]) -> None:
        """Take entries out."""
        for entry in entries:
            self.held.pop(entry.key, None)
        self._root = None

    def expect(self, entry: Entry) -> None:
        """Await an entry."""
        self.pending[entry.key] = entry

    def abandon(self, entry: Entry) -> None:
        """Await it no more, and drop the chunks that nobody refers to."""
        if self.pending.get(entry.key) == entry:
            del self.pending[entry.key]
        if entry.payload is not None and entry.payload.digest not in self._referred():
            self.files.pop(entry.payload.digest, None)

    def write(self, payload: Payload, index: int, data: bytes) -> None:
        """Write a chunk, unsynced."""
        self.files.setdefault(payload.digest, PayloadFile(payload)).chunks[index] = data

    def add_payload(self, payload: Payload, data: dict[int, bytes]) -> None:
        """Write a whole payload, synced."""
        self.files[payload.digest] = PayloadFile(payload, data, synced=True)

    def whole(self, payload: Payload) -> bool:
        """Sync a payload; whether all of it is there."""
        file = self.files.get(payload.digest)
        if file is None or len(file.chunks) < len(payload.chunk_digests):
            return False
        file.synced = True
        return True

    def read(self, payload_digest: bytes, index: int) -> bytes | None:
        """A chunk, if it is there."""
        file = self.files.get(payload_digest)
        return file.chunks.get(index) if file is not None else None

    @property
    def root(self) -> bytes:
        """Of what is durable, computed from scratch."""
        if self._root is None:
            self._root = trie_of(map(summary_of, self.held.values())).digest
        return self._root

    def crash(self, random: Random) -> None:
        """Of what was not synced, some survives."""
        for file in self.files.values():
            if not file.synced:
                file.chunks = {index: data for index, data in file.chunks.items() if random.random() < 0.5}

    def copy(self) -> "GossipStore":
        """A backup."""
        other = GossipStore()
        other.held, other.pending = dict(self.held), dict(self.pending)
        other.files = {
            digest: PayloadFile(file.payload, dict(file.chunks), file.synced) for digest, file in self.files.items()
        }
        return other

    def restored(self) -> Restored:
        """What a peer is built from."""
        chunks = {digest: frozenset(file.chunks) for digest, file in self.files.items()}
        return Restored(tuple(self.held.values()), tuple(self.pending.values()), chunks)

    def _referred(self) -> set[bytes]:
        entries = (*self.held.values(), *self.pending.values())
        return {entry.payload.digest for entry in entries if entry.payload is not None}
