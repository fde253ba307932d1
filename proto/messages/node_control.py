"""What an owner asks of its own node."""

from dataclasses import dataclass, field

from ridgeway.proto.messages.experts import Expert
from ridgeway.proto.messages.peers import GossipStatus


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where one domain's private prompts lie, or their statistics, on the node's own disk."""

    domain: str = ""
    location: str = ""
    field: str = ""
    skip_bad: bool = False
    statistics: bool = False


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Enrol and contribute through the running daemon."""

    token: str = field(default="", repr=False)
    sources: tuple[PromptSource, ...] = ()
    experts: tuple[Expert, ...] = ()
    embedder: str = ""
    hold_out: float = 0.0
    generalists: tuple[Expert, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaveRequest:
    """Withdraw a domain or leave, through the running daemon."""

    domain: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a join or leave has come."""

    stage: str = ""
    domain: str = ""
    done: int = 0
    total: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GetNodeStatusRequest:
    """Nothing to say."""


@dataclass(frozen=True, slots=True)
class NodeDomain:
    """One domain as its node sees it; of its privacy budget, if there is one, the share that is spent."""

    domain: str = ""
    location: str = ""
    sequence: int = 0
    rows: int = 0
    committed: bool = False
    budget_spent: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The node as it sees itself."""

    owner: str = ""
    federation_id: str = ""
    coordinator_address: str = ""
    connected: bool = False
    router_version: int = 0
    router_received_unix_ms: int = 0
    certificate_expires_unix_ms: int = 0
    domains: tuple[NodeDomain, ...] = ()
    last_error: str = ""
    manifest_json: bytes = b""
    waiting: str = ""
    identity_sha256: str = ""
    gossip: GossipStatus | None = None
