"""What a round is bound to: its terms, its cohort, its survivors, each by a digest that the next one covers."""

import hashlib
from collections.abc import Sequence

from ridgeway.proto.codec import encode
from ridgeway.proto.messages import RoundTerms

ROUND_VERSION = 1
NONCE_BYTES = 32

_TERMS = b"ridgeway/v1/round/terms"
_COHORT = b"ridgeway/v1/round/cohort"
_AGREEMENT = b"ridgeway/v1/round/agreement"
_SEED = b"ridgeway/v1/round/seed"

ADVERTISEMENT_SIGNATURE = b"ridgeway/v1/sign/advertisement"
AGREEMENT_SIGNATURE = b"ridgeway/v1/sign/agreement"


def terms_digest(terms: RoundTerms) -> bytes:
    """What an advertisement names its round by, 32 bytes."""
    return _digest(_TERMS, encode(terms))


def cohort_digest(terms: bytes, size: int, root: bytes, domains: Sequence[str]) -> bytes:
    """What every key derived in a round covers: its terms' digest and who was asked for what, 32 bytes."""
    return _digest(_COHORT, terms, size.to_bytes(4), root, *(domain.encode() for domain in domains))


def agreement_body(cohort: bytes, sharers: bytes, survivors: bytes) -> bytes:
    """What a survivor signs: the cohort's digest, the bitmaps of who shared and of whose input is in the sum."""
    return _digest(_AGREEMENT, cohort, sharers, survivors)


def seed_commitment(seed: bytes) -> bytes:
    """What a self-mask's seed must hash to, so that wrong shares are noticed; 32 bytes."""
    return _digest(_SEED, seed)


def _digest(label: bytes, *parts: bytes) -> bytes:
    digest = hashlib.sha256(label)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
