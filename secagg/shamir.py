"""Shamir's secret sharing (Shamir 1979, How to Share a Secret) of 32 bytes over the field of p = 2^256 + 297.

Points are small positive integers. Any `threshold` shares give the secret back; fewer say nothing about it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod

from ridgeway.errors import RidgewayError

# The smallest prime above 2^256, so that any 32 bytes are a field element.
PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33
# 16 bytes beyond a field element make a coefficient's distance from uniform 2^-128.
_COEFFICIENT_BYTES = SHARE_BYTES + 15


class BadShares(RidgewayError):
    """Shares that give no secret."""


def coefficients(entropy: bytes, threshold: int) -> list[int]:
    """The `threshold` - 1 random coefficients of a polynomial, from 32 bytes of entropy by SHAKE-256."""
    drawn = hashlib.shake_256(entropy).digest(_COEFFICIENT_BYTES * (threshold - 1))
    return [
        int.from_bytes(drawn[start : start + _COEFFICIENT_BYTES], "little") % PRIME
        for start in range(0, len(drawn), _COEFFICIENT_BYTES)
    ]


def split(secret: int, higher: Sequence[int], points: Sequence[int], prime: int = PRIME) -> list[int]:
    """The shares at some points: the values there of secret + higher[0] x + higher[1] x^2 + ...

    Args:
        secret: a field element.
        higher: the other coefficients; one fewer than the threshold.
        points: distinct, positive, below the prime.
        prime: of the field.
    """
    shares = []
    for point in points:
        value = 0
        for coefficient in reversed(higher):
            value = (value + coefficient) * point % prime
        shares.append((value + secret) % prime)
    return shares


def combine(shares: Mapping[int, int], prime: int = PRIME) -> int:
    """The secret, from the values at exactly as many points as the threshold says."""
    points = tuple(sorted(shares))
    weights = _weights_at_zero(points, prime)
    return sum(shares[point] * weight for point, weight in zip(points, weights, strict=True)) % prime


def secret_of(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """The 32 bytes that were shared, from any shares, of which the first `threshold` are used.

    Raises:
        BadShares: too few, or not shares of 32 bytes.
    """
    if len(shares) < threshold:
        raise BadShares(f"{len(shares)} shares came, {threshold} are needed; the round has to be run again")
    chosen = {point: int.from_bytes(shares[point], "little") for point in sorted(shares)[:threshold]}
    secret = combine(chosen)
    if secret >= 1 << 256:
        raise BadShares("these shares give no secret; an owner sent wrong ones, and the round has to be run again")
    return secret.to_bytes(SECRET_BYTES, "little")


def shares_of(secret: bytes, entropy: bytes, threshold: int, points: Sequence[int]) -> list[bytes]:
    """Share 32 bytes; each share has 33 bytes, in the order of the points."""
    values = split(int.from_bytes(secret, "little"), coefficients(entropy, threshold), points)
    return [value.to_bytes(SHARE_BYTES, "little") for value in values]


@lru_cache(maxsize=4096)
def _weights_at_zero(points: tuple[int, ...], prime: int) -> tuple[int, ...]:
    """Lagrange's weights of the values at these points for the value at zero; the same cohort asks again and again."""
    weights = []
    for point in points:
        others = [other for other in points if other != point]
        weights.append(prod(others) * pow(prod(other - point for other in others), -1, prime) % prime)
    return tuple(weights)
