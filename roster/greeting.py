"""What both ends of a stream sign with their identity keys, so that each knows whose node it talks to.

TLS tells that some administrator certified the other end as this owner. An administrator could certify a key of its own
as anybody; so each side also proves that it holds the owner's identity key, over the certificate that the caller showed
at this very connection and a number that the other side has just drawn. What was signed on one connection is of no use
on another, since the caller's certificate is another.
"""

import struct

from ridgeway.crypto.identity import IdentityKey, verify
from ridgeway.crypto.labels import GREETING_SIGNATURE

NONCE_BYTES = 32


def sign_greeting(
    key: IdentityKey, federation_id: str, prover: str, verifier: str, certificate_sha256: bytes, nonce: bytes
) -> bytes:
    """Prove to a verifier that one is the prover.

    Args:
        key: the prover's identity key.
        federation_id: the federation's.
        prover: who signs.
        verifier: to whom.
        certificate_sha256: of the caller's certificate, DER, whichever of the two calls.
        nonce: drawn by the verifier.
    """
    return key.sign(GREETING_SIGNATURE, _body(federation_id, prover, verifier, certificate_sha256, nonce))


def check_greeting(
    public_key: bytes,
    signature: bytes,
    federation_id: str,
    prover: str,
    verifier: str,
    certificate_sha256: bytes,
    nonce: bytes,
) -> None:
    """Check what `sign_greeting` made.

    Raises:
        BadSignature: it is not by the prover's identity key, or for another connection.
    """
    verify(public_key, GREETING_SIGNATURE, _body(federation_id, prover, verifier, certificate_sha256, nonce), signature)


def _body(federation_id: str, prover: str, verifier: str, certificate_sha256: bytes, nonce: bytes) -> bytes:
    parts = (federation_id.encode(), prover.encode(), verifier.encode(), certificate_sha256, nonce)
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)
