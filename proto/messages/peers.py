"""How peers let each other in, and what one sees of the others."""

from dataclasses import dataclass

from ridgeway.proto.messages.contributions import SignedRecord
from ridgeway.proto.messages.gossip import GossipRecord, PeerState


@dataclass(frozen=True, slots=True)
class GreetRequest:
    """A caller's nonce."""

    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class GreetResponse:
    """Proof of the identity that answers, and its nonce."""

    nonce: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer as another sees it."""

    owner: str = ""
    state: PeerState = PeerState.UNSPECIFIED
    linked: bool = False
    incarnation: int = 0
    in_step: bool = False
    last_exchange_unix_ms: int = 0
    sum_digest: bytes = b""
    weights_digest: bytes = b""
    differs: bool = False
    offences: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True)
class GossipStatus:
    """Gossip as one peer sees it."""

    root: bytes = b""
    records: int = 0
    pending: int = 0
    sum_digest: bytes = b""
    weights_digest: bytes = b""
    peers: tuple[PeerStatus, ...] = ()
    refused: int = 0
    administrator: bool = False
    authority: bool = False
    faults: tuple[str, ...] = ()
    address: str = ""
    coordinator: str = ""


@dataclass(frozen=True, slots=True)
class DescribePeersRequest:
    """Ask for the charter before enrolling."""

    invitation: SignedRecord | None = None


@dataclass(frozen=True, slots=True)
class DescribePeersResponse:
    """The charter."""

    charter: SignedRecord | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What a newcomer waits for, or the records that let it in."""

    waiting: str = ""
    records: tuple[GossipRecord, ...] = ()
