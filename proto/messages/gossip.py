"""What peers say to each other."""

from dataclasses import dataclass, field
from enum import IntEnum


class PeerState(IntEnum):
    """What is believed of a peer; the numbers are the wire's."""

    UNSPECIFIED = 0
    ALIVE = 1
    SUSPECT = 2
    DEAD = 3


class ProbeKind(IntEnum):
    """A step of failure detection; the numbers are the wire's."""

    UNSPECIFIED = 0
    PING = 1
    INDIRECT_PING = 2
    ACK = 3
    NACK = 4


@dataclass(frozen=True, slots=True)
class PeerUpdate:
    """News of one peer."""

    peer: str = ""
    state: PeerState = PeerState.UNSPECIFIED
    incarnation: int = 0
    accuser: str = ""


@dataclass(frozen=True, slots=True)
class GossipRecord:
    """A record as its owner signed it, with the key and sequence that its body states."""

    key: str = ""
    sequence: int = 0
    body: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """Which record a peer holds under a key."""

    key: str = ""
    sequence: int = 0
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class TriePart:
    """One place of a peer's trie of records: 16 children, or all that it holds there."""

    prefix: bytes = b""
    children: tuple[bytes, ...] = ()
    held: tuple[RecordSummary, ...] = ()
    pending: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerDigest:
    """What a peer holds, in a few bytes, and the records that are new to it."""

    root: bytes = b""
    records: int = 0
    sum_digest: bytes = b""
    weights_digest: bytes = b""
    peers_digest: bytes = b""
    answer: bool = False
    fresh: tuple[GossipRecord, ...] = ()
    parts: tuple[TriePart, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A step towards equal sets of records."""

    parts: tuple[TriePart, ...] = ()
    offers: tuple[RecordSummary, ...] = ()
    wants: tuple[str, ...] = ()
    records: tuple[GossipRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """One chunk of one payload."""

    payload_digest: bytes = b""
    index: int = 0


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Ask for chunks."""

    places: tuple[ChunkPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class GossipChunk:
    """One 512 KiB piece of a payload; the last may be shorter."""

    payload_digest: bytes = b""
    index: int = 0
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ChunkAbsence:
    """The sender does not hold this payload."""

    payload_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class PeerProbe:
    """A step of failure detection."""

    kind: ProbeKind = ProbeKind.UNSPECIFIED
    number: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class PeerFrame:
    """News of peers, and at most one body."""

    format_version: int = 0
    updates: tuple[PeerUpdate, ...] = ()
    digest: PeerDigest | None = None
    reconciliation: Reconciliation | None = None
    chunk_request: ChunkRequest | None = None
    chunk: GossipChunk | None = None
    chunk_absence: ChunkAbsence | None = None
    probe: PeerProbe | None = None
