"""Members: how an owner is described, enrols, and renews its certificate."""

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
