"""The charter: what the authority founded, signed by the certificate authority that every invitation pins."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.identity import BadSignature
from ridgeway.crypto.labels import CHARTER_SIGNATURE
from ridgeway.manifest import Manifest
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.messages import CharterBody, SignedRecord
from ridgeway.roster.records import RECORD_VERSION, BadRecord


@dataclass(frozen=True, slots=True)
class Charter:
    """What every member of one federation agrees on.

    Attributes:
        manifest: the agreement.
        authority_public_key: Ed25519, 32 bytes; signs grants and statements of the authority.
        record: the charter as signed, to show to newcomers.
    """

    manifest: Manifest
    authority_public_key: bytes
    record: SignedRecord

    @property
    def federation_id(self) -> str:
        """Which federation."""
        return self.manifest.federation_id


def sign_charter(authority: CertificateAuthority, manifest: Manifest, authority_public_key: bytes) -> Charter:
    """Found a federation on paper."""
    body = encode(CharterBody(RECORD_VERSION, manifest.federation_id, manifest.to_json(), authority_public_key))
    return Charter(manifest, authority_public_key, SignedRecord(body, authority.sign(CHARTER_SIGNATURE, body)))


def open_charter(record: SignedRecord, authority_pem: bytes) -> Charter:
    """Check a charter against the authority's certificate, which an invitation pinned, and read it.

    Raises:
        BadSignature: the authority did not sign it.
        MalformedMessage, ManifestError, BadRecord: it cannot be read.
    """
    key = x509.load_pem_x509_certificate(authority_pem).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadSignature("the federation's authority has a key of another kind; ask for a new invitation")
    try:
        key.verify(record.signature, CHARTER_SIGNATURE + record.body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise BadSignature("the charter is not by the federation's authority; ask for a new invitation") from error
    body = decode(CharterBody, record.body)
    manifest = Manifest.from_json(body.manifest_json)
    if body.format_version != RECORD_VERSION or manifest.federation_id != body.federation_id:
        raise BadRecord("this charter is of another version, or contradicts itself; upgrade ridgeway")
    return Charter(manifest, body.authority_public_key, record)
