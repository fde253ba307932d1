"""What gossip carries: signed records under keys, and which of two counts.

Records of one key are ordered by (sequence, digest): a total order, so that "the greater counts" is commutative,
associative and idempotent, also if an owner signs two different records with one sequence number.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ridgeway.crypto.labels import GOSSIP_RECORD_DIGEST
from ridgeway.crypto.payload_digest import CHUNK_BYTES, payload_digest
from ridgeway.proto.messages import GossipRecord


def gossip_digest(record: GossipRecord) -> bytes:
    """SHA-256 over key, sequence and body, 32 bytes; the signature says who stated them, not what was stated."""
    key = record.key.encode()
    header = GOSSIP_RECORD_DIGEST + struct.pack("<IQ", len(key), record.sequence)
    return hashlib.sha256(header + key + record.body).digest()


@dataclass(frozen=True, slots=True)
class Payload:
    """What a record refers to, as its signed body states it.

    Attributes:
        length: in bytes, at least 1.
        chunk_digests: SHA-256 of each chunk of 512 KiB.
        digest: the content hash that names it (`crypto.payload_digest`).
    """

    length: int
    chunk_digests: tuple[bytes, ...]
    digest: bytes

    @classmethod
    def of(cls, length: int, chunk_digests: Sequence[bytes]) -> "Payload":
        """The reference for a payload of so many bytes with these chunks."""
        return cls(length, tuple(chunk_digests), payload_digest(length, chunk_digests))

    def chunk_length(self, index: int) -> int:
        """How long the chunk at this place must be, in bytes."""
        return min(CHUNK_BYTES, self.length - index * CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that the trust layer accepted.

    Attributes:
        record: as its owner signed it.
        digest: `gossip_digest` of it.
        author: whose key signed it.
        payload: what must be whole and durable before the record counts; None if nothing.
    """

    record: GossipRecord
    digest: bytes
    author: str
    payload: Payload | None = None

    @property
    def key(self) -> str:
        """What the record is about."""
        return self.record.key

    @property
    def rank(self) -> tuple[int, bytes]:
        """Of two records with one key the one of greater rank counts."""
        return self.record.sequence, self.digest
