"""What every unmasked contribution must pass before it may touch the sum (DESIGN section 3)."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ridgeway import triangle
from ridgeway.errors import RidgewayError
from ridgeway.fixed_point import UNITS_MAX
from ridgeway.layout import Layout
from ridgeway.manifest import MassRule
from ridgeway.statistics import mass

# 131,072 doubles are 1 MB. Few and large steps, because between two steps the threads of a coordinator take turns.
_BLOCK = 1 << 17
# float64 rounds both sides of a comparison a few times, by 2^-53 relative each.
_ROUNDING = 1 + 2.0**-48


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


class Check(Protocol):
    """Looks at one contribution as it arrives."""

    def feed(self, entries: npt.NDArray[np.int64]) -> None:
        """Take the next numbers, int64, any number of them."""

    def finish(self) -> None:
        """Decide, after the last number.

        Raises:
            ContributionRefused: one of its kinds, with a sentence.
        """


def check_of(layout: Layout, mass_rule: MassRule, rows: int) -> Check:
    """The check that a contribution of so many rows must pass."""
    if layout.moments_only:
        return MomentCheck(layout, mass(mass_rule, rows) << layout.fraction_bits)
    return ContributionCheck(layout.dimension, mass_rule, layout.fraction_bits, rows)


class MomentCheck:
    """Checks a contribution that is a moment alone: with noise on it, all but its length, range and mass may be.

    Args:
        layout: the manifest's.
        corner: what the last number must be.
    """

    def __init__(self, layout: Layout, corner: int) -> None:
        self._corner = corner
        self._waited_for = layout.dimension
        self._largest = self._last = 0

    def feed(self, entries: npt.NDArray[np.int64]) -> None:
        """Take the next numbers, int64, any number of them."""
        if entries.size:
            self._waited_for -= entries.size
            self._largest = max(self._largest, int(entries.max()), -int(entries.min()))
            self._last = int(entries[-1])

    def finish(self) -> None:
        """Decide, after the last number.

        Raises:
            WrongLength, OutOfRange, WrongMass: with a sentence.
        """
        if self._waited_for:
            raise WrongLength("a moment has one number for each dimension; check that all have the same embedder")
        if self._largest >= UNITS_MAX:
            raise OutOfRange("a number exceeds the head-room; contribute fewer rows")
        if self._last != self._corner:
            raise WrongMass("the last number is not the mass of the rows; compute the statistics again")


class ContributionCheck:
    """Checks the packed triangle of one contribution as it arrives, so that little is left to do after the last piece.

    G_ij^2 <= G_ii G_jj for every i <= j means: for each column j the largest G_ij^2 / G_ii is at most G_jj. When row i
    comes G_ii comes first, so one running maximum for each column is all that has to be kept. Each entry was rounded by
    at most half a unit, so what is asked is G_ij^2 <= (G_ii + 1) (G_jj + 1): with a = G_ii + 1/2 and b = G_jj + 1/2,
    (sqrt(a b) + 1/2)^2 <= a b + (a + b) / 2 + 1/4.

    Args:
        dimension: D.
        mass_rule: the manifest's.
        fraction_bits: the manifest's.
        rows: the number of rows that the signed record states.
    """

    def __init__(self, dimension: int, mass_rule: MassRule, fraction_bits: int, rows: int) -> None:
        self._dimension = dimension
        self._corner = mass(mass_rule, rows) << fraction_bits if rows > 0 else None
        self._rows = rows
        self._diagonal = np.zeros(dimension, dtype=np.int64)
        self._largest = np.zeros(dimension, dtype=np.float64)
        self._memory = np.empty(0, dtype=np.float64)
        self._triangle = triangle.length(dimension)
        self._seen = 0

    def feed(self, entries: npt.NDArray[np.int64]) -> None:
        """Take the next entries of the triangle, int64, any number of them."""
        for start in range(0, entries.size, _BLOCK):
            block = entries[start : start + _BLOCK]
            if self._seen + block.size <= self._triangle:
                self._feed_block(block)
            self._seen += block.size

    def finish(self) -> None:
        """Decide, after the last entry.

        Raises:
            ContributionRefused: one of its kinds, with a sentence.
        """
        if self._seen != self._triangle:
            raise WrongLength(
                f"a contribution of dimension {self._dimension} has {self._triangle} numbers, this one {self._seen};"
                " check that node and coordinator have the same embedder"
            )
        if self._diagonal.min() < 0:
            raise NegativeDiagonal("a sum of squares is negative; compute the statistics again")
        if int(self._diagonal.max()) >= UNITS_MAX:
            raise OutOfRange("a number exceeds the head-room; contribute fewer rows, or use --mass owner")
        if int(self._diagonal[-1]) != self._corner:
            raise WrongMass(f"the bias corner is not the mass of {self._rows} rows; compute the statistics again")
        if (self._largest > (self._diagonal + 1.0) * _ROUNDING).any():
            raise NotAGramMatrix(
                "an entry breaks |G_ij| <= sqrt(G_ii G_jj), so these are no sums of squares; compute them again"
            )

    def _feed_block(self, entries: npt.NDArray[np.int64]) -> None:
        """Lay the entries out as the rows that they belong to, with zeros elsewhere, and take all rows at once."""
        starts, stop = triangle.row_starts(self._dimension), self._seen + entries.size
        first, end = int(np.searchsorted(starts, self._seen, side="right")) - 1, int(np.searchsorted(starts, stop))
        width = self._dimension - first
        here = triangle.upper(self._dimension)[: end - first, :width].copy()
        rows = self._rows_of(end - first, width)
        rows[:, : end - first] = 0.0
        before = slice(self._seen - starts[first])
        after = slice(width - (starts[end - 1] + self._dimension - end + 1 - stop), None)
        here[0, before], here[-1, after] = False, False
        rows[0, before], rows[-1, after] = 0.0, 0.0
        rows[here] = entries
        begun = first + int(starts[first] < self._seen)
        self._diagonal[begun:end] = entries[starts[begun:end] - self._seen]
        rows *= rows
        rows *= (1.0 / np.maximum(1.0, self._diagonal[first:end] + 1.0))[:, None]
        np.maximum(self._largest[first:], rows.max(axis=0), out=self._largest[first:])

    def _rows_of(self, height: int, width: int) -> npt.NDArray[np.float64]:
        """Rows in the same memory each time, which the cache then holds."""
        if height * width > self._memory.size:
            self._memory = np.empty(height * width, dtype=np.float64)
        return self._memory[: height * width].reshape(height, width)


def check_contribution(
    vector: npt.NDArray[np.int64], dimension: int, mass_rule: MassRule, fraction_bits: int, rows: int
) -> None:
    """Check a whole contribution, int64[D (D + 1) / 2]; see `ContributionCheck`.

    Raises:
        ContributionRefused: one of its kinds, with a sentence.
    """
    check = ContributionCheck(dimension, mass_rule, fraction_bits, rows)
    check.feed(vector)
    check.finish()
