"""How far one prompt can move an owner's statistics, in the Euclidean norm of what is released.

Neighbours have the same number of rows and differ in one: a row u in place of a row v. A pooled row without the
pseudo-random block is a vector of length at most 1 and the bias 1, which is the same in both. The pseudo-random block
has length 1 only in expectation, so nothing is promised for it.
"""

from math import sqrt

from ridgeway.errors import RidgewayError
from ridgeway.manifest import FeatureMap, Manifest

# A row of unit length computed in float32 exceeds 1 by a few of its roundings, 2^-24 each.
_LENGTH = 1 + 2.0**-20


class PrivacyError(RidgewayError):
    """A setting under which differential privacy cannot be promised."""


class UnboundedRows(PrivacyError):
    """Rows whose length has no bound."""


def check_bounded(manifest: Manifest) -> None:
    """One prompt must be one row of bounded length.

    Raises:
        UnboundedRows: it is not.
    """
    if manifest.feature_map is not FeatureMap.POOLED or manifest.pooled.columns:
        raise UnboundedRows("differential privacy needs --features pooled --columns 0; found the federation with these")


def moment_sensitivity(mass: int, rows: int, dimension: int, fraction_bits: int) -> float:
    """Of the encoded moment, in units of fixed point.

    |u - v| <= 2, times the row's weight mass / rows. Rounding to whole units moves each of the D numbers by at most
    half a unit in both data sets: sqrt(D) more.

    Args:
        mass: of the contribution.
        rows: of it; public.
        dimension: D.
        fraction_bits: the manifest's.
    """
    return 2 * _LENGTH * mass / rows * 2.0**fraction_bits + sqrt(dimension)


def gram_sensitivity(mass: int, rows: int) -> float:
    """Of the packed triangle of G, in which everything off the diagonal stands once, before encoding.

    With c = u.v in [-1, 1] the squares of the differences add up to |u - v|^2 = 2 - 2 c in the bias column and to at
    most |uu' - vv'|^2 = 2 - 2 c^2 elsewhere, where the triangle's share is half of it off the diagonal and all of it on
    the diagonal; the worst is c = -1/2: 9/2. That is at most 6 % above the truth, since u = -v attains 2.
    """
    return sqrt(4.5) * _LENGTH**2 * mass / rows
