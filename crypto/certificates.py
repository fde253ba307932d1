"""Keys, signing requests and the reading of member certificates. ECDSA P-256: gRPC's TLS takes no Ed25519."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ridgeway.crypto.unreadable import UNREADABLE
from ridgeway.errors import RidgewayError

COORDINATOR_NAME = "coordinator.ridgeway.internal"
# A certificate is renewed after two thirds of its life, give or take a tenth, so that a fleet's renewals spread out.
RENEWAL_SHARE = 2 / 3
RENEWAL_JITTER = 0.1


class BadCertificate(RidgewayError):
    """A certificate that is not one of Ridgeway's, or contradicts itself."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a member's certificate says."""

    owner: str
    federation_id: str
    serial: int
    not_before: datetime
    not_after: datetime


def owner_dns_name(owner: str) -> str:
    """The DNS entry of an owner's certificate; channels to the owner's node expect it, wherever the node runs."""
    return f"{owner}.owner.ridgeway.internal"


def owner_uri(federation_id: str, owner: str) -> str:
    """The URI entry of an owner's certificate."""
    return f"ridgeway://{federation_id}/owner/{owner}"


def new_tls_key() -> bytes:
    """A fresh P-256 private key, PKCS #8 PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key_pem: bytes, owner: str) -> bytes:
    """A PEM signing request by a key of `new_tls_key`."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadCertificate("the TLS key is of another kind; remove it and join again")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def read_peer_certificate(pem: bytes) -> PeerCertificate:
    """What a member's certificate says; its chain and dates are TLS's business.

    Raises:
        BadCertificate: no certificate, or one whose names disagree.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        (dns,) = names.get_values_for_type(x509.DNSName)
        federation_id = urlsplit(uri).netloc
    except UNREADABLE as error:
        raise BadCertificate("this is no member's certificate; join with an invitation") from error
    owner = str(common_name.value)
    if uri != owner_uri(federation_id, owner) or dns != owner_dns_name(owner):
        raise BadCertificate("the names in this certificate disagree; join again with a new invitation")
    return PeerCertificate(
        owner,
        federation_id,
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def validity(pem: bytes) -> tuple[datetime, datetime]:
    """From when to when any certificate is valid."""
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def renewal_due(not_before: datetime, not_after: datetime, jitter: float) -> datetime:
    """When to renew: at two thirds of the life, moved by up to a tenth of it for a number drawn evenly from [0, 1)."""
    share = RENEWAL_SHARE + RENEWAL_JITTER * (2 * jitter - 1)
    return not_before + (not_after - not_before) * share
