"""The federation's own certificate authority (DESIGN section 5): it names who is who; nobody else's word counts."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ridgeway.crypto.certificates import COORDINATOR_NAME, owner_dns_name, owner_uri
from ridgeway.crypto.owner_name import check_owner_name
from ridgeway.crypto.unreadable import UNREADABLE
from ridgeway.errors import RidgewayError

AUTHORITY_LIFETIME = timedelta(days=3650)
MEMBER_LIFETIME = timedelta(hours=24)
# Clocks of owners may be behind the coordinator's by this much.
CLOCK_SKEW = timedelta(minutes=5)


class BadSigningRequest(RidgewayError):
    """A signing request that the authority does not sign."""


class BadAuthority(RidgewayError):
    """Files that are not the authority's certificate and key."""


class CertificateAuthority:
    """The authority's certificate and private key; its `repr` shows nothing of the key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, federation_id: str) -> None:
        self._certificate = certificate
        self._key = key
        self.federation_id = federation_id

    @classmethod
    def create(cls, federation_id: str, now: datetime, *, administrators: bool = False) -> "CertificateAuthority":
        """A fresh authority, which may sign members, and with `administrators` those who may sign members for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ridgeway {federation_id}")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=int(administrators)), critical=True)
            .add_extension(_key_usage(certificate_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key, federation_id)

    @classmethod
    def from_pem(cls, certificate_pem: bytes, key_pem: bytes, federation_id: str) -> "CertificateAuthority":
        """Read what `certificate_pem` and `private_key_pem` gave.

        Raises:
            BadAuthority: they do not parse or do not belong together.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = serialization.load_pem_private_key(key_pem, password=None)
        except UNREADABLE as error:
            raise BadAuthority("the authority's files are damaged; restore them from a backup") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise BadAuthority("the authority's certificate and key do not belong together; restore them from a backup")
        return cls(certificate, key, federation_id)

    @property
    def certificate_pem(self) -> bytes:
        """The authority's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def private_key_pem(self) -> bytes:
        """The authority's key, PKCS #8, for a file that only the operator can read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @staticmethod
    def fingerprint_of(certificate_pem: bytes) -> bytes:
        """`fingerprint` of an authority whose certificate alone is at hand, 32 bytes."""
        return x509.load_pem_x509_certificate(certificate_pem).fingerprint(hashes.SHA256())

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate's DER: what an invitation pins, 32 bytes."""
        return self._certificate.fingerprint(hashes.SHA256())

    def sign(self, label: bytes, body: bytes) -> bytes:
        """Sign bytes for one use, ECDSA over SHA-256, DER."""
        return self._key.sign(label + body, ec.ECDSA(hashes.SHA256()))

    def issue_administrator(self, signing_request_pem: bytes, owner: str, now: datetime) -> bytes:
        """The certificate by which an administrator certifies members, as long as the authority's own lives.

        Raises:
            BadSigningRequest: see `issue_member`.
            BadName: the owner's name is outside the rule.
        """
        check_owner_name(owner)
        key = _requested_key(signing_request_pem)
        name = f"ridgeway {self.federation_id} administrator {owner}"[:64]
        authority_key = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - CLOCK_SKEW, self._certificate.not_valid_before_utc))
            .not_valid_after(self._certificate.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificate_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_key), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issue_coordinator(self, signing_request_pem: bytes, now: datetime, lifetime: timedelta) -> bytes:
        """The coordinator's server certificate; it cannot be used as a member's."""
        names: list[x509.GeneralName] = [x509.DNSName(COORDINATOR_NAME)]
        return self._issue(
            signing_request_pem, COORDINATOR_NAME, names, [ExtendedKeyUsageOID.SERVER_AUTH], now, lifetime
        )

    def issue_member(
        self, signing_request_pem: bytes, owner: str, now: datetime, lifetime: timedelta = MEMBER_LIFETIME
    ) -> bytes:
        """An owner's certificate. Of the request only the key is taken; every name is the authority's own.

        Raises:
            BadSigningRequest: it is damaged, not signed by its own key, or the key is not P-256.
            BadName: the owner's name is outside the rule.
        """
        check_owner_name(owner)
        names = [
            x509.DNSName(owner_dns_name(owner)),
            x509.UniformResourceIdentifier(owner_uri(self.federation_id, owner)),
        ]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return self._issue(signing_request_pem, owner, names, usages, now, lifetime)

    def _issue(
        self,
        signing_request_pem: bytes,
        common_name: str,
        names: list[x509.GeneralName],
        usages: list[x509.ObjectIdentifier],
        now: datetime,
        lifetime: timedelta,
    ) -> bytes:
        public_key = _requested_key(signing_request_pem)
        until = min(now + lifetime, self._certificate.not_valid_after_utc)
        authority_key = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self._certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - CLOCK_SKEW, self._certificate.not_valid_before_utc))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_key), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


def _requested_key(signing_request_pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(signing_request_pem)
        signed_by_its_key = request.is_signature_valid
        key = request.public_key()
    except UNREADABLE as error:
        raise BadSigningRequest("the signing request does not parse; make a new one") from error
    if not signed_by_its_key:
        raise BadSigningRequest("the signing request is not signed by its own key; make a new one")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSigningRequest("the signing request must have an ECDSA P-256 key; make a new one")
    return key


def _key_usage(*, certificate_sign: bool = False, digital_signature: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_sign,
        crl_sign=certificate_sign,
        encipher_only=False,
        decipher_only=False,
    )
