from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MemberState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMBER_STATE_UNSPECIFIED: _ClassVar[MemberState]
    MEMBER_STATE_INVITED: _ClassVar[MemberState]
    MEMBER_STATE_ACTIVE: _ClassVar[MemberState]
    MEMBER_STATE_LEFT: _ClassVar[MemberState]
    MEMBER_STATE_REVOKED: _ClassVar[MemberState]
    MEMBER_STATE_EVICTED: _ClassVar[MemberState]

class RoundKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUND_KIND_UNSPECIFIED: _ClassVar[RoundKind]
    ROUND_KIND_INCREMENTAL: _ClassVar[RoundKind]
    ROUND_KIND_FULL: _ClassVar[RoundKind]
    ROUND_KIND_TRIAL: _ClassVar[RoundKind]

class PeerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PEER_STATE_UNSPECIFIED: _ClassVar[PeerState]
    PEER_STATE_ALIVE: _ClassVar[PeerState]
    PEER_STATE_SUSPECT: _ClassVar[PeerState]
    PEER_STATE_DEAD: _ClassVar[PeerState]

class ProbeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROBE_KIND_UNSPECIFIED: _ClassVar[ProbeKind]
    PROBE_KIND_PING: _ClassVar[ProbeKind]
    PROBE_KIND_INDIRECT_PING: _ClassVar[ProbeKind]
    PROBE_KIND_ACK: _ClassVar[ProbeKind]
    PROBE_KIND_NACK: _ClassVar[ProbeKind]
MEMBER_STATE_UNSPECIFIED: MemberState
MEMBER_STATE_INVITED: MemberState
MEMBER_STATE_ACTIVE: MemberState
MEMBER_STATE_LEFT: MemberState
MEMBER_STATE_REVOKED: MemberState
MEMBER_STATE_EVICTED: MemberState
ROUND_KIND_UNSPECIFIED: RoundKind
ROUND_KIND_INCREMENTAL: RoundKind
ROUND_KIND_FULL: RoundKind
ROUND_KIND_TRIAL: RoundKind
PEER_STATE_UNSPECIFIED: PeerState
PEER_STATE_ALIVE: PeerState
PEER_STATE_SUSPECT: PeerState
PEER_STATE_DEAD: PeerState
PROBE_KIND_UNSPECIFIED: ProbeKind
PROBE_KIND_PING: ProbeKind
PROBE_KIND_INDIRECT_PING: ProbeKind
PROBE_KIND_ACK: ProbeKind
PROBE_KIND_NACK: ProbeKind

class Credential(_message.Message):
    __slots__ = ("federation_id", "owner", "secret")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    owner: str
    secret: bytes
    def __init__(self, federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., secret: _Optional[bytes] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("manifest_json",)
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    manifest_json: bytes
    def __init__(self, manifest_json: _Optional[bytes] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("credential", "signing_request_pem", "identity_public_key", "identity_proof", "embedder")
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    SIGNING_REQUEST_PEM_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PROOF_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    credential: Credential
    signing_request_pem: bytes
    identity_public_key: bytes
    identity_proof: bytes
    embedder: EmbedderFingerprint
    def __init__(self, credential: _Optional[_Union[Credential, _Mapping]] = ..., signing_request_pem: _Optional[bytes] = ..., identity_public_key: _Optional[bytes] = ..., identity_proof: _Optional[bytes] = ..., embedder: _Optional[_Union[EmbedderFingerprint, _Mapping]] = ...) -> None: ...

class EmbedderFingerprint(_message.Message):
    __slots__ = ("name", "tokenizer_sha256", "matrix_sha256", "vocabulary_size", "dimension")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_SHA256_FIELD_NUMBER: _ClassVar[int]
    MATRIX_SHA256_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    tokenizer_sha256: str
    matrix_sha256: str
    vocabulary_size: int
    dimension: int
    def __init__(self, name: _Optional[str] = ..., tokenizer_sha256: _Optional[str] = ..., matrix_sha256: _Optional[str] = ..., vocabulary_size: _Optional[int] = ..., dimension: _Optional[int] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("certificate_pem", "member_address", "manifest_json", "next_sequence")
    CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    certificate_pem: bytes
    member_address: str
    manifest_json: bytes
    next_sequence: int
    def __init__(self, certificate_pem: _Optional[bytes] = ..., member_address: _Optional[str] = ..., manifest_json: _Optional[bytes] = ..., next_sequence: _Optional[int] = ...) -> None: ...

class SignedRecord(_message.Message):
    __slots__ = ("body", "signature")
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    signature: bytes
    def __init__(self, body: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ContributionBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "domain", "sequence", "manifest_digest", "rows", "payload_bytes", "chunk_digests", "bytes_per_number", "generation")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    domain: str
    sequence: int
    manifest_digest: bytes
    rows: int
    payload_bytes: int
    chunk_digests: _containers.RepeatedScalarFieldContainer[bytes]
    bytes_per_number: int
    generation: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., domain: _Optional[str] = ..., sequence: _Optional[int] = ..., manifest_digest: _Optional[bytes] = ..., rows: _Optional[int] = ..., payload_bytes: _Optional[int] = ..., chunk_digests: _Optional[_Iterable[bytes]] = ..., bytes_per_number: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class WithdrawalBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "domain", "sequence", "generation")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    domain: str
    sequence: int
    generation: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., domain: _Optional[str] = ..., sequence: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class ContributeRequest(_message.Message):
    __slots__ = ("record", "chunk")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    record: SignedRecord
    chunk: PayloadChunk
    def __init__(self, record: _Optional[_Union[SignedRecord, _Mapping]] = ..., chunk: _Optional[_Union[PayloadChunk, _Mapping]] = ...) -> None: ...

class PayloadChunk(_message.Message):
    __slots__ = ("index", "data")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    index: int
    data: bytes
    def __init__(self, index: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ContributeResponse(_message.Message):
    __slots__ = ("ready", "committed")
    READY_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    ready: UploadReady
    committed: Committed
    def __init__(self, ready: _Optional[_Union[UploadReady, _Mapping]] = ..., committed: _Optional[_Union[Committed, _Mapping]] = ...) -> None: ...

class UploadReady(_message.Message):
    __slots__ = ("next_chunk",)
    NEXT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    next_chunk: int
    def __init__(self, next_chunk: _Optional[int] = ...) -> None: ...

class Committed(_message.Message):
    __slots__ = ("sequence", "repeated")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    repeated: bool
    def __init__(self, sequence: _Optional[int] = ..., repeated: bool = ...) -> None: ...

class WithdrawResponse(_message.Message):
    __slots__ = ("sequence", "sum_digest", "repeated")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    sum_digest: bytes
    repeated: bool
    def __init__(self, sequence: _Optional[int] = ..., sum_digest: _Optional[bytes] = ..., repeated: bool = ...) -> None: ...

class Expert(_message.Message):
    __slots__ = ("owner", "domain", "url", "model", "price", "latency_ms")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    domain: str
    url: str
    model: str
    price: float
    latency_ms: float
    def __init__(self, owner: _Optional[str] = ..., domain: _Optional[str] = ..., url: _Optional[str] = ..., model: _Optional[str] = ..., price: _Optional[float] = ..., latency_ms: _Optional[float] = ...) -> None: ...

class RegisterExpertsRequest(_message.Message):
    __slots__ = ("experts",)
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    experts: _containers.RepeatedCompositeFieldContainer[Expert]
    def __init__(self, experts: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ...) -> None: ...

class RegisterExpertsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RenewCertificateRequest(_message.Message):
    __slots__ = ("signing_request_pem",)
    SIGNING_REQUEST_PEM_FIELD_NUMBER: _ClassVar[int]
    signing_request_pem: bytes
    def __init__(self, signing_request_pem: _Optional[bytes] = ...) -> None: ...

class RenewCertificateResponse(_message.Message):
    __slots__ = ("certificate_pem",)
    CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    certificate_pem: bytes
    def __init__(self, certificate_pem: _Optional[bytes] = ...) -> None: ...

class GetMembershipRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Membership(_message.Message):
    __slots__ = ("next_sequence", "contributions")
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    next_sequence: int
    contributions: _containers.RepeatedCompositeFieldContainer[CommittedContribution]
    def __init__(self, next_sequence: _Optional[int] = ..., contributions: _Optional[_Iterable[_Union[CommittedContribution, _Mapping]]] = ...) -> None: ...

class CommittedContribution(_message.Message):
    __slots__ = ("domain", "sequence", "rows", "payload_digest", "committed_unix_ms")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    domain: str
    sequence: int
    rows: int
    payload_digest: bytes
    committed_unix_ms: int
    def __init__(self, domain: _Optional[str] = ..., sequence: _Optional[int] = ..., rows: _Optional[int] = ..., payload_digest: _Optional[bytes] = ..., committed_unix_ms: _Optional[int] = ...) -> None: ...

class WatchRouterRequest(_message.Message):
    __slots__ = ("known_version", "known_edition")
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    KNOWN_EDITION_FIELD_NUMBER: _ClassVar[int]
    known_version: int
    known_edition: int
    def __init__(self, known_version: _Optional[int] = ..., known_edition: _Optional[int] = ...) -> None: ...

class RouterChunk(_message.Message):
    __slots__ = ("version", "total_bytes", "offset", "data", "edition")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EDITION_FIELD_NUMBER: _ClassVar[int]
    version: int
    total_bytes: int
    offset: int
    data: bytes
    edition: int
    def __init__(self, version: _Optional[int] = ..., total_bytes: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., edition: _Optional[int] = ...) -> None: ...

class RouterArtifact(_message.Message):
    __slots__ = ("version", "domains", "dimension", "weights", "ridge", "sum_digest", "manifest_digest", "experts", "published_unix_ms", "edition", "inverse_temperature", "calibration_prompts", "calibration_error", "rule", "top_k")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    RIDGE_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    EDITION_FIELD_NUMBER: _ClassVar[int]
    INVERSE_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_PROMPTS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ERROR_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    version: int
    domains: _containers.RepeatedScalarFieldContainer[str]
    dimension: int
    weights: bytes
    ridge: float
    sum_digest: bytes
    manifest_digest: bytes
    experts: _containers.RepeatedCompositeFieldContainer[Expert]
    published_unix_ms: int
    edition: int
    inverse_temperature: float
    calibration_prompts: int
    calibration_error: float
    rule: str
    top_k: int
    def __init__(self, version: _Optional[int] = ..., domains: _Optional[_Iterable[str]] = ..., dimension: _Optional[int] = ..., weights: _Optional[bytes] = ..., ridge: _Optional[float] = ..., sum_digest: _Optional[bytes] = ..., manifest_digest: _Optional[bytes] = ..., experts: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ..., published_unix_ms: _Optional[int] = ..., edition: _Optional[int] = ..., inverse_temperature: _Optional[float] = ..., calibration_prompts: _Optional[int] = ..., calibration_error: _Optional[float] = ..., rule: _Optional[str] = ..., top_k: _Optional[int] = ...) -> None: ...

class TrialReport(_message.Message):
    __slots__ = ("router_version", "router_domains", "domains")
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROUTER_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    router_version: int
    router_domains: _containers.RepeatedScalarFieldContainer[str]
    domains: _containers.RepeatedCompositeFieldContainer[DomainTrial]
    def __init__(self, router_version: _Optional[int] = ..., router_domains: _Optional[_Iterable[str]] = ..., domains: _Optional[_Iterable[_Union[DomainTrial, _Mapping]]] = ...) -> None: ...

class DomainTrial(_message.Message):
    __slots__ = ("domain", "ways")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    WAYS_FIELD_NUMBER: _ClassVar[int]
    domain: str
    ways: _containers.RepeatedCompositeFieldContainer[TrialCounts]
    def __init__(self, domain: _Optional[str] = ..., ways: _Optional[_Iterable[_Union[TrialCounts, _Mapping]]] = ...) -> None: ...

class TrialCounts(_message.Message):
    __slots__ = ("chosen", "confidence")
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    chosen: _containers.RepeatedScalarFieldContainer[int]
    confidence: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, chosen: _Optional[_Iterable[int]] = ..., confidence: _Optional[_Iterable[int]] = ...) -> None: ...

class TrialResponse(_message.Message):
    __slots__ = ("counted",)
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    counted: bool
    def __init__(self, counted: bool = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FederationStatus(_message.Message):
    __slots__ = ("federation_id", "manifest_json", "router_version", "sum_digest", "ridge", "members", "domains", "published_unix_ms", "router_sum_digest", "router_edition", "trials", "rounds")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RIDGE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    ROUTER_SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ROUTER_EDITION_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    manifest_json: bytes
    router_version: int
    sum_digest: bytes
    ridge: float
    members: _containers.RepeatedCompositeFieldContainer[MemberStatus]
    domains: _containers.RepeatedCompositeFieldContainer[DomainStatus]
    published_unix_ms: int
    router_sum_digest: bytes
    router_edition: int
    trials: _containers.RepeatedCompositeFieldContainer[RouterTrial]
    rounds: RoundStatus
    def __init__(self, federation_id: _Optional[str] = ..., manifest_json: _Optional[bytes] = ..., router_version: _Optional[int] = ..., sum_digest: _Optional[bytes] = ..., ridge: _Optional[float] = ..., members: _Optional[_Iterable[_Union[MemberStatus, _Mapping]]] = ..., domains: _Optional[_Iterable[_Union[DomainStatus, _Mapping]]] = ..., published_unix_ms: _Optional[int] = ..., router_sum_digest: _Optional[bytes] = ..., router_edition: _Optional[int] = ..., trials: _Optional[_Iterable[_Union[RouterTrial, _Mapping]]] = ..., rounds: _Optional[_Union[RoundStatus, _Mapping]] = ...) -> None: ...

class RoundStatus(_message.Message):
    __slots__ = ("waiting", "phase", "number", "cohort", "missing", "changed", "last_outcome", "committed", "aborted", "dropouts")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    LAST_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    DROPOUTS_FIELD_NUMBER: _ClassVar[int]
    waiting: str
    phase: str
    number: int
    cohort: int
    missing: _containers.RepeatedScalarFieldContainer[str]
    changed: _containers.RepeatedScalarFieldContainer[str]
    last_outcome: str
    committed: int
    aborted: int
    dropouts: int
    def __init__(self, waiting: _Optional[str] = ..., phase: _Optional[str] = ..., number: _Optional[int] = ..., cohort: _Optional[int] = ..., missing: _Optional[_Iterable[str]] = ..., changed: _Optional[_Iterable[str]] = ..., last_outcome: _Optional[str] = ..., committed: _Optional[int] = ..., aborted: _Optional[int] = ..., dropouts: _Optional[int] = ...) -> None: ...

class RouterTrial(_message.Message):
    __slots__ = ("router_version", "prompts", "balanced_accuracy", "inverse_temperature", "calibration_error", "rule", "top_k", "domains", "confusion")
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    BALANCED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INVERSE_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ERROR_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_FIELD_NUMBER: _ClassVar[int]
    router_version: int
    prompts: int
    balanced_accuracy: float
    inverse_temperature: float
    calibration_error: float
    rule: str
    top_k: int
    domains: _containers.RepeatedScalarFieldContainer[str]
    confusion: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, router_version: _Optional[int] = ..., prompts: _Optional[int] = ..., balanced_accuracy: _Optional[float] = ..., inverse_temperature: _Optional[float] = ..., calibration_error: _Optional[float] = ..., rule: _Optional[str] = ..., top_k: _Optional[int] = ..., domains: _Optional[_Iterable[str]] = ..., confusion: _Optional[_Iterable[int]] = ...) -> None: ...

class MemberStatus(_message.Message):
    __slots__ = ("owner", "state", "connected", "router_version", "since_unix_ms", "certificate_expires_unix_ms", "contributions")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    SINCE_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_EXPIRES_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    state: MemberState
    connected: bool
    router_version: int
    since_unix_ms: int
    certificate_expires_unix_ms: int
    contributions: _containers.RepeatedCompositeFieldContainer[CommittedContribution]
    def __init__(self, owner: _Optional[str] = ..., state: _Optional[_Union[MemberState, str]] = ..., connected: bool = ..., router_version: _Optional[int] = ..., since_unix_ms: _Optional[int] = ..., certificate_expires_unix_ms: _Optional[int] = ..., contributions: _Optional[_Iterable[_Union[CommittedContribution, _Mapping]]] = ...) -> None: ...

class DomainStatus(_message.Message):
    __slots__ = ("domain", "rows", "owners", "experts")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    domain: str
    rows: int
    owners: _containers.RepeatedScalarFieldContainer[str]
    experts: _containers.RepeatedCompositeFieldContainer[Expert]
    def __init__(self, domain: _Optional[str] = ..., rows: _Optional[int] = ..., owners: _Optional[_Iterable[str]] = ..., experts: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ...) -> None: ...

class RoundReply(_message.Message):
    __slots__ = ("intention", "advertisement", "shares", "input", "agreement", "revelation", "refusal", "nonce")
    INTENTION_FIELD_NUMBER: _ClassVar[int]
    ADVERTISEMENT_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    REVELATION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    intention: Intention
    advertisement: Advertisement
    shares: SealedShares
    input: PayloadChunk
    agreement: Agreement
    revelation: Revelation
    refusal: str
    nonce: bytes
    def __init__(self, intention: _Optional[_Union[Intention, _Mapping]] = ..., advertisement: _Optional[_Union[Advertisement, _Mapping]] = ..., shares: _Optional[_Union[SealedShares, _Mapping]] = ..., input: _Optional[_Union[PayloadChunk, _Mapping]] = ..., agreement: _Optional[_Union[Agreement, _Mapping]] = ..., revelation: _Optional[_Union[Revelation, _Mapping]] = ..., refusal: _Optional[str] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class RoundOrder(_message.Message):
    __slots__ = ("situation", "terms", "cohort", "shares", "input_wanted", "survivors", "agreements", "outcome", "nonce")
    SITUATION_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    INPUT_WANTED_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    situation: Situation
    terms: RoundTerms
    cohort: Cohort
    shares: ShareDelivery
    input_wanted: InputWanted
    survivors: Survivors
    agreements: Agreements
    outcome: RoundOutcome
    nonce: bytes
    def __init__(self, situation: _Optional[_Union[Situation, _Mapping]] = ..., terms: _Optional[_Union[RoundTerms, _Mapping]] = ..., cohort: _Optional[_Union[Cohort, _Mapping]] = ..., shares: _Optional[_Union[ShareDelivery, _Mapping]] = ..., input_wanted: _Optional[_Union[InputWanted, _Mapping]] = ..., survivors: _Optional[_Union[Survivors, _Mapping]] = ..., agreements: _Optional[_Union[Agreements, _Mapping]] = ..., outcome: _Optional[_Union[RoundOutcome, _Mapping]] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class Intention(_message.Message):
    __slots__ = ("domains", "remaining", "settled_round", "open_round", "out_of_step", "trial_version", "exposed", "exposed_kind", "last_round")
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    SETTLED_ROUND_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROUND_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_STEP_FIELD_NUMBER: _ClassVar[int]
    TRIAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_KIND_FIELD_NUMBER: _ClassVar[int]
    LAST_ROUND_FIELD_NUMBER: _ClassVar[int]
    domains: _containers.RepeatedScalarFieldContainer[str]
    remaining: _containers.RepeatedScalarFieldContainer[str]
    settled_round: bytes
    open_round: bytes
    out_of_step: bool
    trial_version: int
    exposed: _containers.RepeatedScalarFieldContainer[str]
    exposed_kind: RoundKind
    last_round: int
    def __init__(self, domains: _Optional[_Iterable[str]] = ..., remaining: _Optional[_Iterable[str]] = ..., settled_round: _Optional[bytes] = ..., open_round: _Optional[bytes] = ..., out_of_step: bool = ..., trial_version: _Optional[int] = ..., exposed: _Optional[_Iterable[str]] = ..., exposed_kind: _Optional[_Union[RoundKind, str]] = ..., last_round: _Optional[int] = ...) -> None: ...

class Situation(_message.Message):
    __slots__ = ("settled_round", "waiting", "undecided")
    SETTLED_ROUND_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    UNDECIDED_FIELD_NUMBER: _ClassVar[int]
    settled_round: bytes
    waiting: str
    undecided: bool
    def __init__(self, settled_round: _Optional[bytes] = ..., waiting: _Optional[str] = ..., undecided: bool = ...) -> None: ...

class RoundTerms(_message.Message):
    __slots__ = ("format_version", "federation_id", "manifest_digest", "number", "nonce", "kind", "router_version", "router_domains", "members", "era", "base", "aggregator", "generation", "issuer")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROUTER_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ERA_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATOR_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    manifest_digest: bytes
    number: int
    nonce: bytes
    kind: RoundKind
    router_version: int
    router_domains: _containers.RepeatedScalarFieldContainer[str]
    members: _containers.RepeatedScalarFieldContainer[str]
    era: int
    base: bytes
    aggregator: str
    generation: int
    issuer: str
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., manifest_digest: _Optional[bytes] = ..., number: _Optional[int] = ..., nonce: _Optional[bytes] = ..., kind: _Optional[_Union[RoundKind, str]] = ..., router_version: _Optional[int] = ..., router_domains: _Optional[_Iterable[str]] = ..., members: _Optional[_Iterable[str]] = ..., era: _Optional[int] = ..., base: _Optional[bytes] = ..., aggregator: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ...) -> None: ...

class Advertisement(_message.Message):
    __slots__ = ("identity_public_key", "body", "signature")
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    identity_public_key: bytes
    body: bytes
    signature: bytes
    def __init__(self, identity_public_key: _Optional[bytes] = ..., body: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class AdvertisementBody(_message.Message):
    __slots__ = ("format_version", "terms_digest", "owner", "mask_key", "sealing_key", "seed_commitment", "changed", "domains", "remaining", "generation", "issuer")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TERMS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    MASK_KEY_FIELD_NUMBER: _ClassVar[int]
    SEALING_KEY_FIELD_NUMBER: _ClassVar[int]
    SEED_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    terms_digest: bytes
    owner: str
    mask_key: bytes
    sealing_key: bytes
    seed_commitment: bytes
    changed: bool
    domains: _containers.RepeatedScalarFieldContainer[str]
    remaining: _containers.RepeatedScalarFieldContainer[str]
    generation: int
    issuer: str
    def __init__(self, format_version: _Optional[int] = ..., terms_digest: _Optional[bytes] = ..., owner: _Optional[str] = ..., mask_key: _Optional[bytes] = ..., sealing_key: _Optional[bytes] = ..., seed_commitment: _Optional[bytes] = ..., changed: bool = ..., domains: _Optional[_Iterable[str]] = ..., remaining: _Optional[_Iterable[str]] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ...) -> None: ...

class Cohort(_message.Message):
    __slots__ = ("size", "position", "threshold", "root", "proof", "domains", "neighbours")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    size: int
    position: int
    threshold: int
    root: bytes
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    domains: _containers.RepeatedScalarFieldContainer[str]
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbour]
    def __init__(self, size: _Optional[int] = ..., position: _Optional[int] = ..., threshold: _Optional[int] = ..., root: _Optional[bytes] = ..., proof: _Optional[_Iterable[bytes]] = ..., domains: _Optional[_Iterable[str]] = ..., neighbours: _Optional[_Iterable[_Union[Neighbour, _Mapping]]] = ...) -> None: ...

class Neighbour(_message.Message):
    __slots__ = ("position", "advertisement", "proof")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ADVERTISEMENT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    position: int
    advertisement: Advertisement
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, position: _Optional[int] = ..., advertisement: _Optional[_Union[Advertisement, _Mapping]] = ..., proof: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SealedShare(_message.Message):
    __slots__ = ("position", "box")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    position: int
    box: bytes
    def __init__(self, position: _Optional[int] = ..., box: _Optional[bytes] = ...) -> None: ...

class SealedShares(_message.Message):
    __slots__ = ("shares",)
    SHARES_FIELD_NUMBER: _ClassVar[int]
    shares: _containers.RepeatedCompositeFieldContainer[SealedShare]
    def __init__(self, shares: _Optional[_Iterable[_Union[SealedShare, _Mapping]]] = ...) -> None: ...

class ShareDelivery(_message.Message):
    __slots__ = ("sharers", "shares")
    SHARERS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    sharers: bytes
    shares: _containers.RepeatedCompositeFieldContainer[SealedShare]
    def __init__(self, sharers: _Optional[bytes] = ..., shares: _Optional[_Iterable[_Union[SealedShare, _Mapping]]] = ...) -> None: ...

class InputWanted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Survivors(_message.Message):
    __slots__ = ("survivors",)
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    survivors: bytes
    def __init__(self, survivors: _Optional[bytes] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("position", "signature")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    position: int
    signature: bytes
    def __init__(self, position: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Agreements(_message.Message):
    __slots__ = ("agreements",)
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    agreements: _containers.RepeatedCompositeFieldContainer[Agreement]
    def __init__(self, agreements: _Optional[_Iterable[_Union[Agreement, _Mapping]]] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("position", "value")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    position: int
    value: bytes
    def __init__(self, position: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class Revelation(_message.Message):
    __slots__ = ("seed_shares", "key_shares")
    SEED_SHARES_FIELD_NUMBER: _ClassVar[int]
    KEY_SHARES_FIELD_NUMBER: _ClassVar[int]
    seed_shares: _containers.RepeatedCompositeFieldContainer[Share]
    key_shares: _containers.RepeatedCompositeFieldContainer[Share]
    def __init__(self, seed_shares: _Optional[_Iterable[_Union[Share, _Mapping]]] = ..., key_shares: _Optional[_Iterable[_Union[Share, _Mapping]]] = ...) -> None: ...

class RoundOutcome(_message.Message):
    __slots__ = ("committed", "reason", "sum_digest")
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    committed: bool
    reason: str
    sum_digest: bytes
    def __init__(self, committed: bool = ..., reason: _Optional[str] = ..., sum_digest: _Optional[bytes] = ...) -> None: ...

class GreetRequest(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...

class GreetResponse(_message.Message):
    __slots__ = ("nonce", "signature")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    signature: bytes
    def __init__(self, nonce: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class PeerFrame(_message.Message):
    __slots__ = ("format_version", "updates", "digest", "reconciliation", "chunk_request", "chunk", "chunk_absence", "probe")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RECONCILIATION_FIELD_NUMBER: _ClassVar[int]
    CHUNK_REQUEST_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CHUNK_ABSENCE_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    updates: _containers.RepeatedCompositeFieldContainer[PeerUpdate]
    digest: PeerDigest
    reconciliation: Reconciliation
    chunk_request: ChunkRequest
    chunk: GossipChunk
    chunk_absence: ChunkAbsence
    probe: PeerProbe
    def __init__(self, format_version: _Optional[int] = ..., updates: _Optional[_Iterable[_Union[PeerUpdate, _Mapping]]] = ..., digest: _Optional[_Union[PeerDigest, _Mapping]] = ..., reconciliation: _Optional[_Union[Reconciliation, _Mapping]] = ..., chunk_request: _Optional[_Union[ChunkRequest, _Mapping]] = ..., chunk: _Optional[_Union[GossipChunk, _Mapping]] = ..., chunk_absence: _Optional[_Union[ChunkAbsence, _Mapping]] = ..., probe: _Optional[_Union[PeerProbe, _Mapping]] = ...) -> None: ...

class PeerUpdate(_message.Message):
    __slots__ = ("peer", "state", "incarnation", "accuser")
    PEER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    ACCUSER_FIELD_NUMBER: _ClassVar[int]
    peer: str
    state: PeerState
    incarnation: int
    accuser: str
    def __init__(self, peer: _Optional[str] = ..., state: _Optional[_Union[PeerState, str]] = ..., incarnation: _Optional[int] = ..., accuser: _Optional[str] = ...) -> None: ...

class GossipRecord(_message.Message):
    __slots__ = ("key", "sequence", "body", "signature")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    key: str
    sequence: int
    body: bytes
    signature: bytes
    def __init__(self, key: _Optional[str] = ..., sequence: _Optional[int] = ..., body: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class PeerDigest(_message.Message):
    __slots__ = ("root", "records", "sum_digest", "weights_digest", "peers_digest", "answer", "fresh", "parts")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PEERS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    root: bytes
    records: int
    sum_digest: bytes
    weights_digest: bytes
    peers_digest: bytes
    answer: bool
    fresh: _containers.RepeatedCompositeFieldContainer[GossipRecord]
    parts: _containers.RepeatedCompositeFieldContainer[TriePart]
    def __init__(self, root: _Optional[bytes] = ..., records: _Optional[int] = ..., sum_digest: _Optional[bytes] = ..., weights_digest: _Optional[bytes] = ..., peers_digest: _Optional[bytes] = ..., answer: bool = ..., fresh: _Optional[_Iterable[_Union[GossipRecord, _Mapping]]] = ..., parts: _Optional[_Iterable[_Union[TriePart, _Mapping]]] = ...) -> None: ...

class TriePart(_message.Message):
    __slots__ = ("prefix", "children", "held", "pending")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    prefix: bytes
    children: _containers.RepeatedScalarFieldContainer[bytes]
    held: _containers.RepeatedCompositeFieldContainer[RecordSummary]
    pending: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, prefix: _Optional[bytes] = ..., children: _Optional[_Iterable[bytes]] = ..., held: _Optional[_Iterable[_Union[RecordSummary, _Mapping]]] = ..., pending: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RecordSummary(_message.Message):
    __slots__ = ("key", "sequence", "digest")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    key: str
    sequence: int
    digest: bytes
    def __init__(self, key: _Optional[str] = ..., sequence: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Reconciliation(_message.Message):
    __slots__ = ("parts", "offers", "wants", "records")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[TriePart]
    offers: _containers.RepeatedCompositeFieldContainer[RecordSummary]
    wants: _containers.RepeatedScalarFieldContainer[str]
    records: _containers.RepeatedCompositeFieldContainer[GossipRecord]
    def __init__(self, parts: _Optional[_Iterable[_Union[TriePart, _Mapping]]] = ..., offers: _Optional[_Iterable[_Union[RecordSummary, _Mapping]]] = ..., wants: _Optional[_Iterable[str]] = ..., records: _Optional[_Iterable[_Union[GossipRecord, _Mapping]]] = ...) -> None: ...

class ChunkRequest(_message.Message):
    __slots__ = ("places",)
    PLACES_FIELD_NUMBER: _ClassVar[int]
    places: _containers.RepeatedCompositeFieldContainer[ChunkPlace]
    def __init__(self, places: _Optional[_Iterable[_Union[ChunkPlace, _Mapping]]] = ...) -> None: ...

class ChunkPlace(_message.Message):
    __slots__ = ("payload_digest", "index")
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    payload_digest: bytes
    index: int
    def __init__(self, payload_digest: _Optional[bytes] = ..., index: _Optional[int] = ...) -> None: ...

class GossipChunk(_message.Message):
    __slots__ = ("payload_digest", "index", "data")
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    payload_digest: bytes
    index: int
    data: bytes
    def __init__(self, payload_digest: _Optional[bytes] = ..., index: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ChunkAbsence(_message.Message):
    __slots__ = ("payload_digest",)
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    payload_digest: bytes
    def __init__(self, payload_digest: _Optional[bytes] = ...) -> None: ...

class PeerProbe(_message.Message):
    __slots__ = ("kind", "number", "target")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    kind: ProbeKind
    number: int
    target: str
    def __init__(self, kind: _Optional[_Union[ProbeKind, str]] = ..., number: _Optional[int] = ..., target: _Optional[str] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SnapshotResponse(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class InviteRequest(_message.Message):
    __slots__ = ("owner", "lifetime_seconds")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    lifetime_seconds: int
    def __init__(self, owner: _Optional[str] = ..., lifetime_seconds: _Optional[int] = ...) -> None: ...

class InviteResponse(_message.Message):
    __slots__ = ("token", "expires_unix_ms")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    token: str
    expires_unix_ms: int
    def __init__(self, token: _Optional[str] = ..., expires_unix_ms: _Optional[int] = ...) -> None: ...

class OwnerRequest(_message.Message):
    __slots__ = ("owner",)
    OWNER_FIELD_NUMBER: _ClassVar[int]
    owner: str
    def __init__(self, owner: _Optional[str] = ...) -> None: ...

class OwnerResponse(_message.Message):
    __slots__ = ("sum_digest",)
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    sum_digest: bytes
    def __init__(self, sum_digest: _Optional[bytes] = ...) -> None: ...

class RouteRequest(_message.Message):
    __slots__ = ("prompt", "top_k", "min_confidence", "fallback", "objective")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    prompt: str
    top_k: int
    min_confidence: float
    fallback: str
    objective: str
    def __init__(self, prompt: _Optional[str] = ..., top_k: _Optional[int] = ..., min_confidence: _Optional[float] = ..., fallback: _Optional[str] = ..., objective: _Optional[str] = ...) -> None: ...

class RouteBatchRequest(_message.Message):
    __slots__ = ("prompts", "top_k", "min_confidence", "fallback", "objective")
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MIN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    prompts: _containers.RepeatedScalarFieldContainer[str]
    top_k: int
    min_confidence: float
    fallback: str
    objective: str
    def __init__(self, prompts: _Optional[_Iterable[str]] = ..., top_k: _Optional[int] = ..., min_confidence: _Optional[float] = ..., fallback: _Optional[str] = ..., objective: _Optional[str] = ...) -> None: ...

class RouteResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class RouteBatchResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[BatchEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[BatchEntry, _Mapping]]] = ...) -> None: ...

class BatchEntry(_message.Message):
    __slots__ = ("decision", "refusal")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    refusal: str
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., refusal: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("domain", "confidence", "votes", "expert", "router_version", "fallback")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    EXPERT_FIELD_NUMBER: _ClassVar[int]
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    domain: str
    confidence: float
    votes: _containers.RepeatedCompositeFieldContainer[DomainVote]
    expert: Expert
    router_version: int
    fallback: bool
    def __init__(self, domain: _Optional[str] = ..., confidence: _Optional[float] = ..., votes: _Optional[_Iterable[_Union[DomainVote, _Mapping]]] = ..., expert: _Optional[_Union[Expert, _Mapping]] = ..., router_version: _Optional[int] = ..., fallback: bool = ...) -> None: ...

class DomainVote(_message.Message):
    __slots__ = ("domain", "votes")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    domain: str
    votes: float
    def __init__(self, domain: _Optional[str] = ..., votes: _Optional[float] = ...) -> None: ...

class PromptSource(_message.Message):
    __slots__ = ("domain", "location", "field", "skip_bad", "statistics")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    SKIP_BAD_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    domain: str
    location: str
    field: str
    skip_bad: bool
    statistics: bool
    def __init__(self, domain: _Optional[str] = ..., location: _Optional[str] = ..., field: _Optional[str] = ..., skip_bad: bool = ..., statistics: bool = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("token", "sources", "experts", "embedder", "hold_out", "generalists")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    HOLD_OUT_FIELD_NUMBER: _ClassVar[int]
    GENERALISTS_FIELD_NUMBER: _ClassVar[int]
    token: str
    sources: _containers.RepeatedCompositeFieldContainer[PromptSource]
    experts: _containers.RepeatedCompositeFieldContainer[Expert]
    embedder: str
    hold_out: float
    generalists: _containers.RepeatedCompositeFieldContainer[Expert]
    def __init__(self, token: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[PromptSource, _Mapping]]] = ..., experts: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ..., embedder: _Optional[str] = ..., hold_out: _Optional[float] = ..., generalists: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ("domain",)
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    domain: str
    def __init__(self, domain: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage", "domain", "done", "total", "detail")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    stage: str
    domain: str
    done: int
    total: int
    detail: str
    def __init__(self, stage: _Optional[str] = ..., domain: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class GetNodeStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NodeStatus(_message.Message):
    __slots__ = ("owner", "federation_id", "coordinator_address", "connected", "router_version", "router_received_unix_ms", "certificate_expires_unix_ms", "domains", "last_error", "manifest_json", "waiting", "identity_sha256", "gossip")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    ROUTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROUTER_RECEIVED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_EXPIRES_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_SHA256_FIELD_NUMBER: _ClassVar[int]
    GOSSIP_FIELD_NUMBER: _ClassVar[int]
    owner: str
    federation_id: str
    coordinator_address: str
    connected: bool
    router_version: int
    router_received_unix_ms: int
    certificate_expires_unix_ms: int
    domains: _containers.RepeatedCompositeFieldContainer[NodeDomain]
    last_error: str
    manifest_json: bytes
    waiting: str
    identity_sha256: str
    gossip: GossipStatus
    def __init__(self, owner: _Optional[str] = ..., federation_id: _Optional[str] = ..., coordinator_address: _Optional[str] = ..., connected: bool = ..., router_version: _Optional[int] = ..., router_received_unix_ms: _Optional[int] = ..., certificate_expires_unix_ms: _Optional[int] = ..., domains: _Optional[_Iterable[_Union[NodeDomain, _Mapping]]] = ..., last_error: _Optional[str] = ..., manifest_json: _Optional[bytes] = ..., waiting: _Optional[str] = ..., identity_sha256: _Optional[str] = ..., gossip: _Optional[_Union[GossipStatus, _Mapping]] = ...) -> None: ...

class GossipStatus(_message.Message):
    __slots__ = ("root", "records", "pending", "sum_digest", "weights_digest", "peers", "refused", "administrator", "authority", "faults", "address", "coordinator")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    ADMINISTRATOR_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    root: bytes
    records: int
    pending: int
    sum_digest: bytes
    weights_digest: bytes
    peers: _containers.RepeatedCompositeFieldContainer[PeerStatus]
    refused: int
    administrator: bool
    authority: bool
    faults: _containers.RepeatedScalarFieldContainer[str]
    address: str
    coordinator: str
    def __init__(self, root: _Optional[bytes] = ..., records: _Optional[int] = ..., pending: _Optional[int] = ..., sum_digest: _Optional[bytes] = ..., weights_digest: _Optional[bytes] = ..., peers: _Optional[_Iterable[_Union[PeerStatus, _Mapping]]] = ..., refused: _Optional[int] = ..., administrator: bool = ..., authority: bool = ..., faults: _Optional[_Iterable[str]] = ..., address: _Optional[str] = ..., coordinator: _Optional[str] = ...) -> None: ...

class PeerStatus(_message.Message):
    __slots__ = ("owner", "state", "linked", "incarnation", "in_step", "last_exchange_unix_ms", "sum_digest", "weights_digest", "differs", "offences", "address")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    IN_STEP_FIELD_NUMBER: _ClassVar[int]
    LAST_EXCHANGE_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    SUM_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIFFERS_FIELD_NUMBER: _ClassVar[int]
    OFFENCES_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    state: PeerState
    linked: bool
    incarnation: int
    in_step: bool
    last_exchange_unix_ms: int
    sum_digest: bytes
    weights_digest: bytes
    differs: bool
    offences: int
    address: str
    def __init__(self, owner: _Optional[str] = ..., state: _Optional[_Union[PeerState, str]] = ..., linked: bool = ..., incarnation: _Optional[int] = ..., in_step: bool = ..., last_exchange_unix_ms: _Optional[int] = ..., sum_digest: _Optional[bytes] = ..., weights_digest: _Optional[bytes] = ..., differs: bool = ..., offences: _Optional[int] = ..., address: _Optional[str] = ...) -> None: ...

class NodeDomain(_message.Message):
    __slots__ = ("domain", "location", "sequence", "rows", "committed", "budget_spent")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_SPENT_FIELD_NUMBER: _ClassVar[int]
    domain: str
    location: str
    sequence: int
    rows: int
    committed: bool
    budget_spent: float
    def __init__(self, domain: _Optional[str] = ..., location: _Optional[str] = ..., sequence: _Optional[int] = ..., rows: _Optional[int] = ..., committed: bool = ..., budget_spent: _Optional[float] = ...) -> None: ...

class CharterBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "manifest_json", "authority_public_key")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    manifest_json: bytes
    authority_public_key: bytes
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., manifest_json: _Optional[bytes] = ..., authority_public_key: _Optional[bytes] = ...) -> None: ...

class GrantBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "sequence", "identity_public_key", "issuer_certificate_pem", "active")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    ISSUER_CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    sequence: int
    identity_public_key: bytes
    issuer_certificate_pem: bytes
    active: bool
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., sequence: _Optional[int] = ..., identity_public_key: _Optional[bytes] = ..., issuer_certificate_pem: _Optional[bytes] = ..., active: bool = ...) -> None: ...

class MembershipBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "identity_public_key", "stated_unix_ms")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    STATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    identity_public_key: bytes
    stated_unix_ms: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., identity_public_key: _Optional[bytes] = ..., stated_unix_ms: _Optional[int] = ...) -> None: ...

class VerdictBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "sequence", "issuer", "state", "confirmed_issuer", "stated_unix_ms")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_ISSUER_FIELD_NUMBER: _ClassVar[int]
    STATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    sequence: int
    issuer: str
    state: MemberState
    confirmed_issuer: str
    stated_unix_ms: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., sequence: _Optional[int] = ..., issuer: _Optional[str] = ..., state: _Optional[_Union[MemberState, str]] = ..., confirmed_issuer: _Optional[str] = ..., stated_unix_ms: _Optional[int] = ...) -> None: ...

class DepartureBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "stated_unix_ms")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    STATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    stated_unix_ms: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., stated_unix_ms: _Optional[int] = ...) -> None: ...

class ProfileBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "sequence", "address", "enrolment_address", "experts")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EXPERTS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    sequence: int
    address: str
    enrolment_address: str
    experts: _containers.RepeatedCompositeFieldContainer[Expert]
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., sequence: _Optional[int] = ..., address: _Optional[str] = ..., enrolment_address: _Optional[str] = ..., experts: _Optional[_Iterable[_Union[Expert, _Mapping]]] = ...) -> None: ...

class InvitationBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "one_time_public_key", "expires_unix_ms")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    ONE_TIME_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    one_time_public_key: bytes
    expires_unix_ms: int
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., one_time_public_key: _Optional[bytes] = ..., expires_unix_ms: _Optional[int] = ...) -> None: ...

class CertificateRequestBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "sequence", "identity_public_key", "signing_request_pem", "issuer_request_pem", "invitation", "redemption")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNING_REQUEST_PEM_FIELD_NUMBER: _ClassVar[int]
    ISSUER_REQUEST_PEM_FIELD_NUMBER: _ClassVar[int]
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    sequence: int
    identity_public_key: bytes
    signing_request_pem: bytes
    issuer_request_pem: bytes
    invitation: SignedRecord
    redemption: bytes
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., sequence: _Optional[int] = ..., identity_public_key: _Optional[bytes] = ..., signing_request_pem: _Optional[bytes] = ..., issuer_request_pem: _Optional[bytes] = ..., invitation: _Optional[_Union[SignedRecord, _Mapping]] = ..., redemption: _Optional[bytes] = ...) -> None: ...

class CertificateBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "sequence", "certifier", "certificate_chain_pem")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CERTIFIER_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_CHAIN_PEM_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    sequence: int
    certifier: str
    certificate_chain_pem: bytes
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., sequence: _Optional[int] = ..., certifier: _Optional[str] = ..., certificate_chain_pem: _Optional[bytes] = ...) -> None: ...

class RoundBody(_message.Message):
    __slots__ = ("format_version", "terms", "seats", "committed", "domains", "payload_bytes", "chunk_digests")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    terms: RoundTerms
    seats: _containers.RepeatedCompositeFieldContainer[RoundSeat]
    committed: bool
    domains: _containers.RepeatedScalarFieldContainer[str]
    payload_bytes: int
    chunk_digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, format_version: _Optional[int] = ..., terms: _Optional[_Union[RoundTerms, _Mapping]] = ..., seats: _Optional[_Iterable[_Union[RoundSeat, _Mapping]]] = ..., committed: bool = ..., domains: _Optional[_Iterable[str]] = ..., payload_bytes: _Optional[int] = ..., chunk_digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RoundSeat(_message.Message):
    __slots__ = ("owner", "generation", "issuer", "survived", "changed", "domains", "remaining")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SURVIVED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    owner: str
    generation: int
    issuer: str
    survived: bool
    changed: bool
    domains: _containers.RepeatedScalarFieldContainer[str]
    remaining: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., survived: bool = ..., changed: bool = ..., domains: _Optional[_Iterable[str]] = ..., remaining: _Optional[_Iterable[str]] = ...) -> None: ...

class ProposalBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "sequence", "round")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    sequence: int
    round: bytes
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., sequence: _Optional[int] = ..., round: _Optional[bytes] = ...) -> None: ...

class VoteBody(_message.Message):
    __slots__ = ("format_version", "federation_id", "owner", "generation", "issuer", "sequence", "nonce", "round_digest")
    FORMAT_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ROUND_DIGEST_FIELD_NUMBER: _ClassVar[int]
    format_version: int
    federation_id: str
    owner: str
    generation: int
    issuer: str
    sequence: int
    nonce: bytes
    round_digest: bytes
    def __init__(self, format_version: _Optional[int] = ..., federation_id: _Optional[str] = ..., owner: _Optional[str] = ..., generation: _Optional[int] = ..., issuer: _Optional[str] = ..., sequence: _Optional[int] = ..., nonce: _Optional[bytes] = ..., round_digest: _Optional[bytes] = ...) -> None: ...

class RoundCertificate(_message.Message):
    __slots__ = ("votes",)
    VOTES_FIELD_NUMBER: _ClassVar[int]
    votes: _containers.RepeatedCompositeFieldContainer[CertifiedVote]
    def __init__(self, votes: _Optional[_Iterable[_Union[CertifiedVote, _Mapping]]] = ...) -> None: ...

class CertifiedVote(_message.Message):
    __slots__ = ("position", "signature")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    position: int
    signature: bytes
    def __init__(self, position: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class DescribePeersRequest(_message.Message):
    __slots__ = ("invitation",)
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    invitation: SignedRecord
    def __init__(self, invitation: _Optional[_Union[SignedRecord, _Mapping]] = ...) -> None: ...

class DescribePeersResponse(_message.Message):
    __slots__ = ("charter",)
    CHARTER_FIELD_NUMBER: _ClassVar[int]
    charter: SignedRecord
    def __init__(self, charter: _Optional[_Union[SignedRecord, _Mapping]] = ...) -> None: ...

class Admission(_message.Message):
    __slots__ = ("waiting", "records")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    waiting: str
    records: _containers.RepeatedCompositeFieldContainer[GossipRecord]
    def __init__(self, waiting: _Optional[str] = ..., records: _Optional[_Iterable[_Union[GossipRecord, _Mapping]]] = ...) -> None: ...
