"""What happens to a peer: the shell reports it with `Peer.handle(event, now_s)`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ridgeway.proto.messages import GossipRecord, PeerFrame


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; due at `Peer.wake_at_s`, harmless at any other time."""


@dataclass(frozen=True, slots=True)
class MembersKnown:
    """Who is a member, from the signed records: all of them, whenever that changes.

    Attributes:
        addresses: HOST:PORT by member, empty if it has none that others can reach. Our own name may be among them.
    """

    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Linked:
    """A stream to a member stands, opened by either side; a second one with the same member is not reported."""

    peer: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The last stream to a member ended, or a `Connect` failed.

    Attributes:
        peer: who.
        clean: the other side ended it in order (status OK), so nothing is wrong with it.
    """

    peer: str
    clean: bool = False


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame came from a member, in the order of its stream."""

    peer: str
    frame: PeerFrame = field(repr=False)


@dataclass(frozen=True, slots=True)
class FrameMalformed:
    """Bytes came from a member that are no frame (`proto.codec.MalformedMessage`), or more than `FRAME_BYTES_MAX`."""

    peer: str


@dataclass(frozen=True, slots=True)
class Publish:
    """This peer's own new records, signed, their payloads durable already; they are judged like anybody's.

    Attributes:
        records: in the order in which they depend on each other (a membership before what it signs).
    """

    records: tuple[GossipRecord, ...]


@dataclass(frozen=True, slots=True)
class PayloadJudged:
    """What became of a `CompletePayload`.

    Attributes:
        digest: of its entry.
        valid: the payload is durable, and the trust layer found its numbers to be statistics. Not valid: the record is
            refused for ever, as every honest peer refuses it.
    """

    digest: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class PayloadMissing:
    """A payload that should be durable cannot be read (a damaged file): its records no longer count here until it has
    been fetched again."""

    payload_digest: bytes


@dataclass(frozen=True, slots=True)
class SumReady:
    """The sum over exactly the records of one root, and the router solved from it.

    Attributes:
        root: from `Applied`; one that is not current any more is ignored.
        sum_digest: SHA-256 of the sum.
        weights_digest: SHA-256 of W rounded to the stated number of bits; empty if no router can be solved.
    """

    root: bytes
    sum_digest: bytes
    weights_digest: bytes = b""


Event = (
    Tick
    | MembersKnown
    | Linked
    | LinkLost
    | FrameReceived
    | FrameMalformed
    | Publish
    | PayloadJudged
    | PayloadMissing
    | SumReady
)
