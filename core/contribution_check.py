"""What every unmasked contribution must pass before it may touch the sum (DESIGN section 3)."""

import numpy as np
import numpy.typing as npt

from ridgeway import triangle
from ridgeway.errors import RidgewayError
from ridgeway.fixed_point import UNITS_MAX
from ridgeway.manifest import MassRule
from ridgeway.statistics import mass

# 32 rows of 2,049 doubles are 525 kB, which stays in a core's cache.
_BLOCK_ROWS = 32


class ContributionRefused(RidgewayError):
    """The vector cannot be one domain's statistics."""


class WrongLength(ContributionRefused):
    """Not the packed triangle of the federation's dimension."""


class OutOfRange(ContributionRefused):
    """A number outside the head-room."""


class NegativeDiagonal(ContributionRefused):
    """A sum of squares below zero."""


class NotAGramMatrix(ContributionRefused):
    """An entry that breaks |G_ij| <= sqrt(G_ii G_jj)."""


class WrongMass(ContributionRefused):
    """A bias corner other than the mass."""


def check_contribution(
    vector: npt.NDArray[np.int64], dimension: int, mass_rule: MassRule, fraction_bits: int, rows: int
) -> None:
    """Check the packed triangle of one contribution; nothing of it is changed or kept.

    Args:
        vector: int64[D (D + 1) / 2]; may be a read-only memory map.
        dimension: D.
        mass_rule: the manifest's.
        fraction_bits: the manifest's.
        rows: the number of rows that the signed record states.

    Raises:
        ContributionRefused: one of its kinds, with a sentence.
    """
    if vector.size != triangle.length(dimension):
        raise WrongLength(
            f"a contribution of dimension {dimension} has {triangle.length(dimension)} numbers, this one {vector.size};"
            " check that node and coordinator have the same embedder"
        )
    diagonal = triangle.diagonal(vector, dimension)
    if diagonal.min() < 0:
        raise NegativeDiagonal("a sum of squares is negative; compute the statistics again")
    if int(diagonal.max()) >= UNITS_MAX:
        raise OutOfRange("a number exceeds the head-room; contribute fewer rows, or use --mass owner")
    if rows < 1 or int(vector[-1]) != mass(mass_rule, rows) << fraction_bits:
        raise WrongMass(f"the bias corner is not the mass of {rows} rows; compute the statistics again")
    _check_cauchy_schwarz(vector, dimension, diagonal)


def _check_cauchy_schwarz(vector: npt.NDArray[np.int64], dimension: int, diagonal: npt.NDArray[np.int64]) -> None:
    """|G_ij| <= sqrt(G_ii G_jj) within rounding: each entry was rounded by at most half a unit.

    The bound also keeps every entry inside the head-room, as the diagonal is. float64 rounds both sides by 2^-53
    relative, which the factor 1 + 2^-50 covers. Rows are laid out as rectangles that fit the cache, since a row is too
    short for numpy to be quick with.
    """
    root = np.sqrt(diagonal.astype(np.float64) + 0.5) * (1 + 2.0**-50)
    starts = triangle.row_starts(dimension)
    entries = np.zeros((_BLOCK_ROWS, dimension), dtype=np.float64)
    for first in range(0, dimension, _BLOCK_ROWS):
        rows = range(first, min(first + _BLOCK_ROWS, dimension))
        block = entries[: len(rows), first:]
        for row in rows:
            block[row - first, : row - first] = 0.0
            block[row - first, row - first :] = vector[starts[row] : starts[row] + dimension - row]
        np.abs(block, out=block)
        block -= root[rows.start : rows.stop, None] * root[first:]
        if block.max() > 0.5:
            raise NotAGramMatrix(
                "an entry breaks |G_ij| <= sqrt(G_ii G_jj), so these are no sums of squares; compute them again"
            )
