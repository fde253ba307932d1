"""Key agreement between two nodes of a round: pairwise masks, and boxes for shares that only the other one opens.

X25519 (RFC 7748), HKDF-SHA256 (RFC 5869), AES-256-GCM. Each derived key is used once, so the nonce may be constant.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ridgeway.errors import RidgewayError
from ridgeway.secagg.masks import Mask

_PAIR = b"ridgeway/v1/mask/pair"
_SELF = b"ridgeway/v1/mask/self"
_BOX = b"ridgeway/v1/shares/box"
_NONCE = bytes(12)


class BadKey(RidgewayError):
    """A public key that gives no secret."""


class UnopenedBox(RidgewayError):
    """A box that was not sealed for us in this round."""


def public_key(private: bytes) -> bytes:
    """The X25519 public key of 32 private bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def pair_mask(private: bytes, public: bytes, cohort: bytes, mine: int, theirs: int) -> Mask:
    """The mask of a pair as the one at position `mine` adds it; the other's is the inverse.

    Raises:
        BadKey: the public key is degenerate.
    """
    low, high = sorted((mine, theirs))
    key = _derive(_shared(private, public), _PAIR + cohort + low.to_bytes(4) + high.to_bytes(4))
    return Mask(key, negative=mine > theirs)


def self_mask(seed: bytes, cohort: bytes, position: int) -> Mask:
    """The mask that a node adds for itself, so that its pairwise masks alone never uncover it."""
    return Mask(_derive(seed, _SELF + cohort + position.to_bytes(4)))


def seal(private: bytes, public: bytes, cohort: bytes, sender: int, recipient: int, content: bytes) -> bytes:
    """A box for the recipient.

    Raises:
        BadKey: its public key is degenerate.
    """
    return _box(private, public, cohort, sender, recipient).encrypt(_NONCE, content, None)


def unseal(private: bytes, public: bytes, cohort: bytes, sender: int, recipient: int, box: bytes) -> bytes:
    """What a box holds.

    Raises:
        BadKey: the sender's public key is degenerate.
        UnopenedBox: it was not sealed by this sender for this recipient in this cohort.
    """
    try:
        return _box(private, public, cohort, sender, recipient).decrypt(_NONCE, box, None)
    except InvalidTag as error:
        raise UnopenedBox("a neighbour's shares were not sealed for us; the round goes on without them") from error


def _box(private: bytes, public: bytes, cohort: bytes, sender: int, recipient: int) -> AESGCM:
    info = _BOX + cohort + sender.to_bytes(4) + recipient.to_bytes(4)
    return AESGCM(_derive(_shared(private, public), info))


def _shared(private: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise BadKey("a neighbour's public key gives no secret; the round has to be run without it") from error


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
