"""What an operator asks of a federation."""

from dataclasses import dataclass, field

from ridgeway.proto.messages.experts import Expert
from ridgeway.proto.messages.membership import CommittedContribution, MemberState
from ridgeway.proto.messages.rounds import RoundStatus


@dataclass(frozen=True, slots=True)
class RouterTrial:
    """What all hold-outs together say of one router version."""

    router_version: int = 0
    prompts: int = 0
    balanced_accuracy: float = 0.0
    inverse_temperature: float = 0.0
    calibration_error: float = 0.0
    rule: str = ""
    top_k: int = 0
    domains: tuple[str, ...] = ()
    confusion: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GetStatusRequest:
    """Nothing to say."""


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member as the coordinator sees it."""

    owner: str = ""
    state: MemberState = MemberState.UNSPECIFIED
    connected: bool = False
    router_version: int = 0
    since_unix_ms: int = 0
    certificate_expires_unix_ms: int = 0
    contributions: tuple[CommittedContribution, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """One domain of the sum."""

    domain: str = ""
    rows: int = 0
    owners: tuple[str, ...] = ()
    experts: tuple[Expert, ...] = ()


@dataclass(frozen=True, slots=True)
class FederationStatus:
    """The federation as the coordinator sees it."""

    federation_id: str = ""
    manifest_json: bytes = b""
    router_version: int = 0
    sum_digest: bytes = b""
    ridge: float = 0.0
    members: tuple[MemberStatus, ...] = ()
    domains: tuple[DomainStatus, ...] = ()
    published_unix_ms: int = 0
    router_sum_digest: bytes = b""
    router_edition: int = 0
    trials: tuple[RouterTrial, ...] = ()
    rounds: RoundStatus | None = None


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Copy everything that a backup needs."""


@dataclass(frozen=True, slots=True)
class SnapshotResponse:
    """Where in the data directory the copy lies."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class InviteRequest:
    """Make an invitation for one owner."""

    owner: str = ""
    lifetime_seconds: int = 0


@dataclass(frozen=True, slots=True)
class InviteResponse:
    """The line to hand over, once."""

    token: str = field(default="", repr=False)
    expires_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class OwnerRequest:
    """Name one owner."""

    owner: str = ""


@dataclass(frozen=True, slots=True)
class OwnerResponse:
    """The sum's digest afterwards."""

    sum_digest: bytes = b""
