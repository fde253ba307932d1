"""An owner's identity: an Ed25519 key that signs what the owner states about its part of the sum."""

import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ridgeway.crypto.unreadable import UNREADABLE
from ridgeway.errors import RidgewayError


class BadSignature(RidgewayError):
    """The key did not sign these bytes for this use."""


class BadIdentityKey(RidgewayError):
    """Bytes that are no Ed25519 key."""


class IdentityKey:
    """An Ed25519 private key; its `repr` shows nothing of it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> "IdentityKey":
        """A fresh key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> "IdentityKey":
        """Read what `to_pem` wrote.

        Raises:
            BadIdentityKey: it is no Ed25519 private key.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except UNREADABLE as error:
            raise BadIdentityKey(
                "the identity key's file is damaged; restore it from a backup or join again"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadIdentityKey("the identity key's file holds another kind of key; restore it or join again")
        return cls(key)

    def to_pem(self) -> bytes:
        """PKCS #8, for a file that only its owner can read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public_bytes(self) -> bytes:
        """The public key, 32 raw bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, label: bytes, body: bytes) -> bytes:
        """Sign bytes for one use, 64 bytes."""
        return self._key.sign(_framed(label, body))


def verify(public_key: bytes, label: bytes, body: bytes, signature: bytes) -> None:
    """Check a signature.

    Raises:
        BadSignature: the key did not sign these bytes under this label.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _framed(label, body))
    except (InvalidSignature, ValueError) as error:
        raise BadSignature("the signature is not by the owner's identity key; sign the record again") from error


def _framed(label: bytes, body: bytes) -> bytes:
    return struct.pack("<B", len(label)) + label + body
