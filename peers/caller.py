"""Who calls a peer: the owner that the certificate names, if the records say that it is a member now."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ridgeway.crypto.certificates import BadCertificate, PeerCertificate, read_peer_certificate
from ridgeway.errors import RidgewayError
from ridgeway.roster.standing import Member

FindMember = Callable[[str], Member | None]


class NotAMember(RidgewayError):
    """A caller that is none, or none any more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        member: its standing.
        certificate_sha256: of the certificate that it showed, 32 bytes.
    """

    member: Member
    certificate_sha256: bytes


def identify(context: grpc.aio.ServicerContext, federation_id: str, find: FindMember, now: datetime) -> Caller:
    """The member that calls.

    Raises:
        NotAMember: see its sentence.
    """
    shown = context.auth_context().get("x509_pem_cert")
    if not shown:
        raise NotAMember("the call came without a certificate; join with an invitation")
    try:
        certificate, digest = _read(bytes(shown[0]))
    except BadCertificate as error:
        raise NotAMember(str(error)) from error
    if certificate.federation_id != federation_id:
        raise NotAMember("this certificate is of another federation")
    if certificate.not_after <= now:
        raise NotAMember("this certificate has expired; the node asks for a new one while an administrator is online")
    return Caller(require_member(certificate.owner, find), digest)


def require_member(owner: str, find: FindMember) -> Member:
    """An active member.

    Raises:
        NotAMember: it is none.
    """
    member = find(owner)
    if member is None:
        raise NotAMember(f"no record of {owner[:80]} has come here yet; try again in a moment")
    if not member.active:
        raise NotAMember(f"{owner} is no member any more ({member.state.name.lower()}); it needs a new invitation")
    return member


def fingerprint(certificate_pem: bytes) -> bytes:
    """SHA-256 of a certificate, DER; of a chain the first one's, 32 bytes."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


@lru_cache(maxsize=1024)
def _read(pem: bytes) -> tuple[PeerCertificate, bytes]:
    return read_peer_certificate(pem), fingerprint(pem)
