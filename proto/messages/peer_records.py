"""The records of a federation of peers: who belongs to it, and what its rounds came to."""

from dataclasses import dataclass

from ridgeway.proto.messages.contributions import SignedRecord
from ridgeway.proto.messages.experts import Expert
from ridgeway.proto.messages.membership import MemberState
from ridgeway.proto.messages.rounds import RoundTerms


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
