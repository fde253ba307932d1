"""A peer's files: whom to believe, what it is, and at the founder and the administrators what they sign with."""

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key
from ridgeway.crypto.identity import IdentityKey
from ridgeway.errors import RidgewayError
from ridgeway.node.enrolment import identity
from ridgeway.node.link import AUTHORITY_FILE
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.messages import SignedRecord
from ridgeway.roster.charter import Charter, open_charter
from ridgeway.runtime.data_dir import DataDirectory

CHARTER_FILE = "charter.bin"
# With it an administrator certifies members; every node has one, in case it is appointed.
ISSUER_KEY_FILE = "issuer.key"
# Of a certificate that was asked for and has not come yet.
REQUESTED_KEY_FILE = "requested.key"
# At the founder only.
AUTHORITY_KEY_FILE = "authority.key"
SIGNING_KEY_FILE = "authority-signing.key"


class NotFounder(RidgewayError):
    """Something that only the founder's data directory has the keys for."""


def is_peer(directory: DataDirectory) -> bool:
    """Whether the directory is of a node in a federation without a coordinator."""
    return directory.read(CHARTER_FILE) is not None


def is_founder(directory: DataDirectory) -> bool:
    """Whether the authority's keys lie here."""
    return directory.read(SIGNING_KEY_FILE) is not None


def write_charter(directory: DataDirectory, charter: Charter) -> None:
    """Keep the charter; from here on the directory is a peer's."""
    directory.write(CHARTER_FILE, encode(charter.record))


def read_charter(directory: DataDirectory) -> Charter:
    """The charter, checked against the authority's certificate once more.

    Raises:
        BadSignature: somebody changed one of the two.
        NotFounder: there is none.
    """
    data, authority = directory.read(CHARTER_FILE), directory.read(AUTHORITY_FILE)
    if data is None or authority is None:
        raise NotFounder(f"{directory.path} belongs to no federation of peers; found one or join with an invitation")
    return open_charter(decode(SignedRecord, data), authority)


def issuer_key(directory: DataDirectory) -> bytes:
    """The key by which this node would certify members, PEM; made on first use."""
    return _kept(directory, ISSUER_KEY_FILE)


def requested_key(directory: DataDirectory) -> bytes:
    """The TLS key of the certificate that is asked for, PEM; made on first use."""
    return _kept(directory, REQUESTED_KEY_FILE)


def forget_requested_key(directory: DataDirectory) -> None:
    """The certificate has come."""
    (directory.path / REQUESTED_KEY_FILE).unlink(missing_ok=True)


def _kept(directory: DataDirectory, name: str) -> bytes:
    pem = directory.read(name)
    if pem is None:
        pem = new_tls_key()
        directory.write(name, pem)
    load_pem_private_key(pem, password=None)
    return pem


def authority(directory: DataDirectory, federation_id: str) -> CertificateAuthority:
    """The certificate authority, at the founder.

    Raises:
        NotFounder: this is another node.
    """
    key, certificate = directory.read(AUTHORITY_KEY_FILE), directory.read(AUTHORITY_FILE)
    if key is None or certificate is None:
        raise NotFounder("only the founder can do this; run it on the founder's --data-dir")
    return CertificateAuthority.from_pem(certificate, key, federation_id)


def signing_key(directory: DataDirectory) -> IdentityKey:
    """The key by which the authority signs records, at the founder.

    Raises:
        NotFounder: this is another node.
    """
    pem = directory.read(SIGNING_KEY_FILE)
    if pem is None:
        raise NotFounder("only the founder can do this; run it on the founder's --data-dir")
    return IdentityKey.from_pem(pem)


__all__ = [
    "AUTHORITY_FILE",
    "CHARTER_FILE",
    "authority",
    "identity",
    "is_founder",
    "is_peer",
    "issuer_key",
    "read_charter",
    "requested_key",
    "signing_key",
    "write_charter",
]
