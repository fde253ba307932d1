"""The messages of ridgeway.v1 as plain dataclasses, field for field as in ridgeway.proto, which says what they mean.

The rest of Ridgeway sees these; only the codec sees the generated classes. A test compares both field by field.
"""

from dataclasses import dataclass, field
from enum import IntEnum


class MemberState(IntEnum):
    """Where a member stands; the numbers are the wire's."""

    UNSPECIFIED = 0
    INVITED = 1
    ACTIVE = 2
    LEFT = 3
    REVOKED = 4
    EVICTED = 5


@dataclass(frozen=True, slots=True)
class Credential:
    """What an invitation proves: this owner may enrol in this federation."""

    federation_id: str = ""
    owner: str = ""
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class DescribeRequest:
    """Ask for the manifest before enrolling."""

    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class DescribeResponse:
    """The manifest, canonical JSON."""

    manifest_json: bytes = b""


@dataclass(frozen=True, slots=True)
class EmbedderFingerprint:
    """Tokeniser and matrix by hash, and the name people know them by."""

    name: str = ""
    tokenizer_sha256: str = ""
    matrix_sha256: str = ""
    vocabulary_size: int = 0
    dimension: int = 0


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """Turn an invitation into a membership."""

    credential: Credential | None = None
    signing_request_pem: bytes = b""
    identity_public_key: bytes = b""
    identity_proof: bytes = b""
    embedder: EmbedderFingerprint | None = None


@dataclass(frozen=True, slots=True)
class EnrolResponse:
    """The first certificate and where to go with it."""

    certificate_pem: bytes = b""
    member_address: str = ""
    manifest_json: bytes = b""
    next_sequence: int = 0


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A body exactly as signed, and the signature."""

    body: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ContributionBody:
    """One owner's statistics for one domain: everything but the payload."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    domain: str = ""
    sequence: int = 0
    manifest_digest: bytes = b""
    rows: int = 0
    payload_bytes: int = 0
    chunk_digests: tuple[bytes, ...] = ()
    bytes_per_number: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class WithdrawalBody:
    """A domain, or the whole owner, goes out of the sum."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    domain: str = ""
    sequence: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PayloadChunk:
    """One 512 KiB piece of a payload; the last may be shorter."""

    index: int = 0
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ContributeRequest:
    """Exactly one of the two: first the record, then its chunks in order."""

    record: SignedRecord | None = None
    chunk: PayloadChunk | None = None


@dataclass(frozen=True, slots=True)
class UploadReady:
    """The chunk that the coordinator wants next."""

    next_chunk: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """The contribution is durable and in the sum."""

    sequence: int = 0
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ContributeResponse:
    """Exactly one of the two."""

    ready: UploadReady | None = None
    committed: Committed | None = None


@dataclass(frozen=True, slots=True)
class WithdrawResponse:
    """The withdrawal is durable and out of the sum."""

    sequence: int = 0
    sum_digest: bytes = b""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Expert:
    """An LLM behind an OpenAI-compatible URL that serves a domain."""

    owner: str = ""
    domain: str = ""
    url: str = ""
    model: str = ""
    price: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RegisterExpertsRequest:
    """All experts of the caller, replacing those before."""

    experts: tuple[Expert, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisterExpertsResponse:
    """Nothing to say."""


@dataclass(frozen=True, slots=True)
class RenewCertificateRequest:
    """A signing request with the key of the next certificate."""

    signing_request_pem: bytes = b""


@dataclass(frozen=True, slots=True)
class RenewCertificateResponse:
    """The next certificate."""

    certificate_pem: bytes = b""


@dataclass(frozen=True, slots=True)
class GetMembershipRequest:
    """Nothing to say."""


@dataclass(frozen=True, slots=True)
class CommittedContribution:
    """What the ledger holds for one owner and domain."""

    domain: str = ""
    sequence: int = 0
    rows: int = 0
    payload_digest: bytes = b""
    committed_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """The caller's own part of the ledger."""

    next_sequence: int = 0
    contributions: tuple[CommittedContribution, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchRouterRequest:
    """Follow the router feed from the version at hand."""

    known_version: int = 0
    known_edition: int = 0


@dataclass(frozen=True, slots=True)
class RouterChunk:
    """A piece of a router artifact."""

    version: int = 0
    total_bytes: int = 0
    offset: int = 0
    data: bytes = field(default=b"", repr=False)
    edition: int = 0


@dataclass(frozen=True, slots=True)
class RouterArtifact:
    """A router as it travels and as it lies on disk."""

    version: int = 0
    domains: tuple[str, ...] = ()
    dimension: int = 0
    weights: bytes = field(default=b"", repr=False)
    ridge: float = 0.0
    sum_digest: bytes = b""
    manifest_digest: bytes = b""
    experts: tuple[Expert, ...] = ()
    published_unix_ms: int = 0
    edition: int = 0
    inverse_temperature: float = 0.0
    calibration_prompts: int = 0
    calibration_error: float = 0.0
    rule: str = ""
    top_k: int = 0


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """How one way to decide did on one domain's hold-out."""

    chosen: tuple[int, ...] = ()
    confidence: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class DomainTrial:
    """How a router did on one domain's hold-out."""

    domain: str = ""
    ways: tuple[TrialCounts, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialReport:
    """How a router did on an owner's hold-outs."""

    router_version: int = 0
    router_domains: tuple[str, ...] = ()
    domains: tuple[DomainTrial, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialResponse:
    """Whether a trial counts."""

    counted: bool = False


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


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """One prompt."""

    prompt: str = field(default="", repr=False)
    top_k: int = 0
    min_confidence: float = 0.0
    fallback: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class RouteBatchRequest:
    """Many prompts."""

    prompts: tuple[str, ...] = field(default=(), repr=False)
    top_k: int = 0
    min_confidence: float = 0.0
    fallback: str = ""
    objective: str = ""


@dataclass(frozen=True, slots=True)
class DomainVote:
    """What speaks for one domain."""

    domain: str = ""
    votes: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a prompt goes, and how sure the router is."""

    domain: str = ""
    confidence: float = 0.0
    votes: tuple[DomainVote, ...] = ()
    expert: Expert | None = None
    router_version: int = 0
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class RouteResponse:
    """The decision for one prompt."""

    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """Exactly one of the two."""

    decision: Decision | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class RouteBatchResponse:
    """The outcomes in the order of the prompts."""

    entries: tuple[BatchEntry, ...] = ()


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
    gossip: "GossipStatus | None" = None


@dataclass(frozen=True, slots=True)
class CharterBody:
    """What the authority founded."""

    format_version: int = 0
    federation_id: str = ""
    manifest_json: bytes = b""
    authority_public_key: bytes = b""


@dataclass(frozen=True, slots=True)
class GrantBody:
    """An owner is an administrator, or no longer."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    sequence: int = 0
    identity_public_key: bytes = b""
    issuer_certificate_pem: bytes = b""
    active: bool = False


@dataclass(frozen=True, slots=True)
class MembershipBody:
    """An identity key is an owner's."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    identity_public_key: bytes = b""
    stated_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class VerdictBody:
    """An owner is a member no longer, or the authority says that it is one still."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    sequence: int = 0
    issuer: str = ""
    state: MemberState = MemberState.UNSPECIFIED
    confirmed_issuer: str = ""
    stated_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class DepartureBody:
    """An owner leaves."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    stated_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class ProfileBody:
    """Where an owner's node is, and its experts."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    sequence: int = 0
    address: str = ""
    enrolment_address: str = ""
    experts: tuple[Expert, ...] = ()


@dataclass(frozen=True, slots=True)
class InvitationBody:
    """Who holds the one-time key may become this owner."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    one_time_public_key: bytes = b""
    expires_unix_ms: int = 0


@dataclass(frozen=True, slots=True)
class CertificateRequestBody:
    """An owner asks for a certificate."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    sequence: int = 0
    identity_public_key: bytes = b""
    signing_request_pem: bytes = b""
    issuer_request_pem: bytes = b""
    invitation: SignedRecord | None = None
    redemption: bytes = b""


@dataclass(frozen=True, slots=True)
class CertificateBody:
    """An owner's certificate."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    sequence: int = 0
    certifier: str = ""
    certificate_chain_pem: bytes = b""


@dataclass(frozen=True, slots=True)
class RoundSeat:
    """One member of a round's cohort among peers, and what it brought."""

    owner: str = ""
    generation: int = 0
    issuer: str = ""
    survived: bool = False
    changed: bool = False
    domains: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundBody:
    """How a round among peers ended; of a committed one, where its sum is."""

    format_version: int = 0
    terms: RoundTerms | None = None
    seats: tuple[RoundSeat, ...] = ()
    committed: bool = False
    domains: tuple[str, ...] = ()
    payload_bytes: int = 0
    chunk_digests: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalBody:
    """A round's sum, for its cohort to vote on."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    sequence: int = 0
    round: bytes = b""


@dataclass(frozen=True, slots=True)
class VoteBody:
    """How a member of a round's cohort wants it to end."""

    format_version: int = 0
    federation_id: str = ""
    owner: str = ""
    generation: int = 0
    issuer: str = ""
    sequence: int = 0
    nonce: bytes = b""
    round_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class CertifiedVote:
    """One vote of a certificate."""

    position: int = 0
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class RoundCertificate:
    """Enough votes for one end of a round."""

    votes: tuple[CertifiedVote, ...] = ()


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
