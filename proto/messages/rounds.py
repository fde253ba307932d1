"""Rounds of secure aggregation."""

from dataclasses import dataclass, field
from enum import IntEnum

from ridgeway.proto.messages.contributions import PayloadChunk


class RoundKind(IntEnum):
    """What becomes of a round's sum; the numbers are the wire's."""

    UNSPECIFIED = 0
    INCREMENTAL = 1
    FULL = 2
    TRIAL = 3


@dataclass(frozen=True, slots=True)
class Intention:
    """What an owner would do in the next round, and what it knows of the last ones."""

    domains: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    settled_round: bytes = b""
    open_round: bytes = b""
    out_of_step: bool = False
    trial_version: int = 0
    exposed: tuple[str, ...] = ()
    exposed_kind: RoundKind = RoundKind.UNSPECIFIED
    last_round: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """What the ledger holds of an owner, and what the next round waits for."""

    settled_round: bytes = b""
    waiting: str = ""
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class RoundTerms:
    """What one round is about; every signature and key of the round covers these bytes."""

    format_version: int = 0
    federation_id: str = ""
    manifest_digest: bytes = b""
    number: int = 0
    nonce: bytes = b""
    kind: RoundKind = RoundKind.UNSPECIFIED
    router_version: int = 0
    router_domains: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    era: int = 0
    base: bytes = b""
    aggregator: str = ""
    generation: int = 0
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A body exactly as signed, the signature, and whose it is."""

    identity_public_key: bytes = b""
    body: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class AdvertisementBody:
    """One owner's fresh public keys for a round, and what it brings."""

    format_version: int = 0
    terms_digest: bytes = b""
    owner: str = ""
    mask_key: bytes = b""
    sealing_key: bytes = b""
    seed_commitment: bytes = b""
    changed: bool = False
    domains: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()
    generation: int = 0
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One neighbour's place in the cohort, with the Merkle proof of it."""

    position: int = 0
    advertisement: Advertisement | None = None
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """The cohort as one of its members sees it."""

    size: int = 0
    position: int = 0
    threshold: int = 0
    root: bytes = b""
    proof: tuple[bytes, ...] = ()
    domains: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class SealedShare:
    """Shares that only one other can open."""

    position: int = 0
    box: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SealedShares:
    """A node's shares for all its neighbours."""

    shares: tuple[SealedShare, ...] = ()


@dataclass(frozen=True, slots=True)
class ShareDelivery:
    """Who has shared its secrets, and the shares for one node."""

    sharers: bytes = b""
    shares: tuple[SealedShare, ...] = ()


@dataclass(frozen=True, slots=True)
class InputWanted:
    """Send the masked vector now."""


@dataclass(frozen=True, slots=True)
class Survivors:
    """Whose input is in the sum."""

    survivors: bytes = b""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A survivor's signature of the list of survivors."""

    position: int = 0
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Agreements:
    """The signatures of a node's neighbours."""

    agreements: tuple[Agreement, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """One share of one owner's secret."""

    position: int = 0
    value: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Revelation:
    """The shares that remove the masks: of each owner of one kind only."""

    seed_shares: tuple[Share, ...] = ()
    key_shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """How a round ended."""

    committed: bool = False
    reason: str = ""
    sum_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class RoundReply:
    """Exactly one step of a node."""

    intention: Intention | None = None
    advertisement: Advertisement | None = None
    shares: SealedShares | None = None
    input: PayloadChunk | None = None
    agreement: Agreement | None = None
    revelation: Revelation | None = None
    refusal: str = ""
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class RoundOrder:
    """Exactly one step of the aggregator."""

    situation: Situation | None = None
    terms: RoundTerms | None = None
    cohort: Cohort | None = None
    shares: ShareDelivery | None = None
    input_wanted: InputWanted | None = None
    survivors: Survivors | None = None
    agreements: Agreements | None = None
    outcome: RoundOutcome | None = None
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """Rounds of secure aggregation as the coordinator sees them."""

    waiting: str = ""
    phase: str = ""
    number: int = 0
    cohort: int = 0
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    last_outcome: str = ""
    committed: int = 0
    aborted: int = 0
    dropouts: int = 0
