"""How far one prompt can move an owner's moment, in the Euclidean norm of what is released.

Neighbours have the same number of rows and differ in one: a row u in place of a row v. A pooled row without the
pseudo-random block is a vector of length at most 1 and the bias 1, which is the same in both. The pseudo-random block
has length 1 only in expectation, so nothing is promised for it. Every row weighs 1 (the mass is the number of rows), so
that an owner of few prompts needs no more noise than others.
"""

from math import sqrt

from ridgeway.exact_gram import ENTRY_BITS
from ridgeway.layout import Layout

# A row of unit length computed in float32 exceeds 1 by a few of its roundings, 2^-24 each.
_LENGTH = 1 + 2.0**-20
# Each entry of a row is then rounded to a multiple of this (see `ridgeway.exact_gram`).
_ENTRY = 2.0**-ENTRY_BITS


def moment_sensitivity(layout: Layout) -> float:
    """Of the encoded moment, in units of fixed point.

    |u - v| <= 2, and sqrt(D) roundings of the entries more. Rounding to whole units moves each of the D numbers by at
    most half a unit in both data sets: sqrt(D) more.
    """
    length = 2 * _LENGTH + _ENTRY * sqrt(layout.dimension)
    return float(length * 2.0**layout.fraction_bits + sqrt(layout.dimension))
