"""What a peer wants done: data, performed by the shell in the order given, each before the next."""

from dataclasses import dataclass, field

from ridgeway.gossip.record import Entry, Payload
from ridgeway.proto.messages import PeerFrame, PeerState


@dataclass(frozen=True, slots=True)
class Persist:
    """Make these entries durable (one transaction, synced): each replaces the one before under its key. The very
    entry is pending no more; another one under its key, which may be greater, stays pending until an `Abandon`. From
    here on they are acknowledged and passed on, so nothing that follows may happen before."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """These records count now: bring the sum up to date and report `SumReady(root, ...)`. Follows their `Persist`.

    Attributes:
        entries: what came to count.
        root: of the set of all records that count.
    """

    entries: tuple[Entry, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class Withheld:
    """These records count no longer, since their payloads were lost; they come back by `Applied`. Take them out of the
    sum and out of what `Restored.held` will say."""

    entries: tuple[Entry, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame over the stream with a member. Drop it if there is no stream, or more than `SEND_QUEUE_BYTES_MAX`
    wait on it: nothing relies on a frame's arrival."""

    peer: str
    frame: PeerFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendChunk:
    """Read a chunk of a durable payload and send it as `GossipChunk`, in a `PeerFrame` of `FRAME_VERSION`. If it cannot
    be read, send a `ChunkAbsence` and report `PayloadMissing`."""

    peer: str
    payload_digest: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a stream to a member at its address, and report `Linked`, or `LinkLost` if that fails (within
    `Parameters.dial_timeout_s`). Frames sent to it before that wait."""

    peer: str
    address: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End all streams with a member, whoever opened them, after what is queued was sent; `LinkLost` need not be
    reported.

    Attributes:
        peer: who.
        reason: a sentence, for the log and the stream's status; empty: nothing is wrong (status OK), it only makes
            room.
    """

    peer: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Expect:
    """A payload is about to arrive in chunks: remember the entry durably as pending, so that after a restart the
    transfer goes on (`Restored.pending`)."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """Write a chunk, whose digest was checked; no need to sync it yet."""

    payload: Payload
    index: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CompletePayload:
    """All chunks are written: sync them, check the numbers, and report `PayloadJudged`."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Abandon:
    """A pending entry will not be completed, because a greater record came or its payload was refused: forget it.
    Chunks that no other entry refers to may be deleted."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class PeerChanged:
    """What is believed of a peer has changed; for status and metrics."""

    peer: str
    state: PeerState
    incarnation: int


@dataclass(frozen=True, slots=True)
class Equivocated:
    """An owner signed two records with one sequence number. All peers keep the same one; say so loudly.

    Attributes:
        kept: the one that counts.
        other: the one that does not.
    """

    kept: Entry
    other: Entry


@dataclass(frozen=True, slots=True)
class OwnRecordAhead:
    """Others hold a record that we signed and do not know, under a number that we thought free: this peer was restored
    from an old copy. Sign what should count with a greater number than `entry.record.sequence`."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Diverged:
    """A peer with the same records lastingly reports another sum, or other weights: a fault in one of the two.

    Attributes:
        peer: who.
        root: of the records that both hold.
        what: "sum" or "weights".
        ours: our digest.
        theirs: the peer's.
    """

    peer: str
    root: bytes
    what: str
    ours: bytes
    theirs: bytes


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """A peer sent what no honest peer sends; it is disconnected (a `Disconnect` goes with this) and counted.

    Attributes:
        peer: who.
        reason: a sentence.
        offences: so many now count against it.
        ignored_s: for so long its streams are to be refused.
    """

    peer: str
    reason: str
    offences: int
    ignored_s: float


Effect = (
    Persist
    | Applied
    | Withheld
    | Send
    | SendChunk
    | Connect
    | Disconnect
    | Expect
    | StoreChunk
    | CompletePayload
    | Abandon
    | PeerChanged
    | Equivocated
    | OwnRecordAhead
    | Diverged
    | Misbehaved
)
Effects = list[Effect]
