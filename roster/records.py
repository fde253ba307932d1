"""The records of a federation without a coordinator: signed, and opened only after the signature was checked.

Contributions and withdrawals are those of `ridgeway.proto.records`, with the membership's generation in them.
"""

from typing import TypeVar

from ridgeway.crypto import labels
from ridgeway.crypto.identity import IdentityKey, verify
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.records import SEQUENCE_MAX
from ridgeway.roster.keys import GENERATION_MAX, RecordKey, RecordKind

RECORD_VERSION = 1
# An owner has an expert or two for each of its domains.
EXPERTS_MAX = 64
ADDRESS_CHARACTERS_MAX = 260


class BadRecord(RidgewayError):
    """A record that contradicts itself, or is about something else than its key says."""


class UnknownVersion(BadRecord):
    """A record of a newer release; whoever passed it on did nothing wrong."""


Body = (
    m.GrantBody
    | m.MembershipBody
    | m.VerdictBody
    | m.DepartureBody
    | m.ProfileBody
    | m.InvitationBody
    | m.CertificateRequestBody
    | m.CertificateBody
    | m.ProposalBody
    | m.VoteBody
)
B = TypeVar("B", bound=Body)

_LABELS: dict[type[object], bytes] = {
    m.GrantBody: labels.GRANT_SIGNATURE,
    m.MembershipBody: labels.MEMBERSHIP_SIGNATURE,
    m.VerdictBody: labels.VERDICT_SIGNATURE,
    m.DepartureBody: labels.DEPARTURE_SIGNATURE,
    m.ProfileBody: labels.PROFILE_SIGNATURE,
    m.InvitationBody: labels.INVITATION_SIGNATURE,
    m.CertificateRequestBody: labels.CERTIFICATE_REQUEST_SIGNATURE,
    m.CertificateBody: labels.CERTIFICATE_SIGNATURE,
    m.ProposalBody: labels.PROPOSAL_SIGNATURE,
    m.VoteBody: labels.VOTE_SIGNATURE,
}

_KINDS: dict[type[object], RecordKind] = {
    m.MembershipBody: RecordKind.MEMBERSHIP,
    m.VerdictBody: RecordKind.VERDICT,
    m.DepartureBody: RecordKind.DEPARTURE,
    m.ProfileBody: RecordKind.PROFILE,
    m.CertificateRequestBody: RecordKind.REQUEST,
    m.CertificateBody: RecordKind.CERTIFICATE,
    m.ProposalBody: RecordKind.PROPOSAL,
    m.VoteBody: RecordKind.VOTE,
}


def sign(key: IdentityKey, body: Body) -> m.SignedRecord:
    """Sign a body under the label of its kind."""
    data = encode(body)
    return m.SignedRecord(data, key.sign(_LABELS[type(body)], data))


def open_signed(kind: type[B], signed: m.SignedRecord, public_key: bytes, federation_id: str) -> B:
    """Check a signature and read the body.

    Raises:
        BadSignature: the key did not sign it as a record of this kind.
        MalformedMessage: it does not parse.
        UnknownVersion: it is of a newer release.
        BadRecord: it is of another federation, or a number is out of range.
    """
    verify(public_key, _LABELS[kind], signed.body, signed.signature)
    body = decode(kind, signed.body)
    check_common(body, federation_id)
    return body


def peek(kind: type[B], signed: m.SignedRecord) -> B:
    """Read a body whose signature is not checked yet, to learn by whom it should be.

    Raises:
        MalformedMessage: it does not parse.
    """
    return decode(kind, signed.body)


def check_common(body: Body, federation_id: str) -> None:
    """What holds for every body.

    Raises:
        BadRecord: it does not.
    """
    if body.format_version != RECORD_VERSION:
        raise UnknownVersion(
            f"a record has version {body.format_version}, this release knows {RECORD_VERSION}; upgrade"
        )
    if body.federation_id != federation_id:
        raise BadRecord("this record is of another federation")
    if not 1 <= body.generation <= GENERATION_MAX:
        raise BadRecord(f"a generation lies between 1 and {GENERATION_MAX}, not {body.generation}")
    if not 1 <= sequence_of(body) <= SEQUENCE_MAX:
        raise BadRecord("a sequence number starts at 1 and stays below 2^62")
    if isinstance(body, m.ProfileBody):
        _check_profile(body)


def sequence_of(body: Body) -> int:
    """A body's sequence number; what can be said only once has number 1."""
    final = m.MembershipBody | m.DepartureBody | m.InvitationBody
    return 1 if isinstance(body, final) else body.sequence


def key_of(body: Body) -> RecordKey:
    """Under which key a body is passed on."""
    if isinstance(body, m.GrantBody):
        return RecordKey(RecordKind.GRANT, body.owner, body.generation)
    return RecordKey(_KINDS[type(body)], body.owner, body.generation, body.issuer)


def record_of(key: IdentityKey, body: Body) -> m.GossipRecord:
    """Sign a body and make the record of it."""
    signed = sign(key, body)
    return m.GossipRecord(str(key_of(body)), sequence_of(body), signed.body, signed.signature)


def redemption_body(request: m.CertificateRequestBody) -> bytes:
    """What the one-time key of an invitation signs: that this identity key takes it up."""
    return encode(
        m.CertificateRequestBody(
            format_version=request.format_version,
            federation_id=request.federation_id,
            owner=request.owner,
            generation=request.generation,
            issuer=request.issuer,
            identity_public_key=request.identity_public_key,
        )
    )


def _check_profile(body: m.ProfileBody) -> None:
    if len(body.experts) > EXPERTS_MAX:
        raise BadRecord(f"a profile has up to {EXPERTS_MAX} experts, not {len(body.experts)}")
    for address in (body.address, body.enrolment_address):
        if len(address) > ADDRESS_CHARACTERS_MAX or (address and not address.rpartition(":")[2].isdigit()):
            raise BadRecord("an address is HOST:PORT, or empty")
