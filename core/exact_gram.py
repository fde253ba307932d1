"""X'X to the bit: the same whichever rows are added first, together, or on which machine.

The entries of X are rounded to multiples of 2^-22, which is 2.4e-7 of a row's length. As long as every column's squares
add up to less than 2^53 units of 2^-44, so does every sum of products (Cauchy-Schwarz), and a float64 BLAS computes
them without rounding, in whatever order it likes. Before that bound the products are taken over into integers of
unbounded range. The sums of the rows, which are the moment, are exact anyway.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas

from ridgeway import triangle
from ridgeway.fixed_point import FixedPointOverflow, NonFiniteValue

ENTRY_BITS = 22
FRACTION_BITS = 2 * ENTRY_BITS
_EVERYWHERE = slice(None)
_FRACTION = (1 << FRACTION_BITS) - 1
# Half of what float64 counts without rounding.
_EXACT = 2.0**52
# Rows multiplied at a time: long enough for the BLAS to run at full speed, 12 MB of doubles at D = 1409.
BLOCK_ROWS = 1024


class ExactGram:
    """The exact Gram matrix of rows that end in a 1, as integers.

    Args:
        dimension: D.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, dimension: int) -> None:
        self.rows = 0
        self._dimension = dimension
        self._products = np.zeros((dimension - 1, dimension - 1), dtype=np.float64, order="F")
        self._units = np.empty((BLOCK_ROWS, dimension - 1), dtype=np.float64)
        self._squares = np.zeros(dimension - 1, dtype=np.float64)
        # Where the packed triangle holds the sums of the rows, without their number.
        self._bias = triangle.row_starts(dimension)[:-1] + np.arange(dimension - 1, 0, -1)
        # What is added up: whole + fraction / 2^44, with 0 <= fraction < 2^44; int64[2, D (D + 1) / 2].
        self._sums = np.zeros((2, triangle.length(dimension)), dtype=np.int64)

    def add(self, rows: npt.NDArray[np.float64]) -> None:
        """Add rows without their bias, float64[n, D - 1].

        Raises:
            NonFiniteValue: an entry is NaN or infinite.
            FixedPointOverflow: an entry is too large.
        """
        for start in range(0, len(rows), BLOCK_ROWS):
            self._add_block(rows[start : start + BLOCK_ROWS])

    def merge(self, sums: npt.NDArray[np.int64], rows: int) -> None:
        """Add what another one's `sums` were."""
        self._sums += sums
        self.rows += rows
        self._carry()

    def sums(self) -> npt.NDArray[np.int64]:
        """Everything added, int64[2, D (D + 1) / 2]: the packed triangle's whole parts, and fractions of 2^-44.

        Equal sums have equal numbers: a fraction is not negative and below 2^44.
        """
        self._take_over()
        return self._sums

    def matrix(self) -> npt.NDArray[np.float64]:
        """The sum, float64, D x D, each entry rounded once."""
        whole, fraction = self.sums().astype(np.float64)
        return triangle.unpack(whole + np.ldexp(fraction, -FRACTION_BITS), self._dimension)

    def _add_block(self, rows: npt.NDArray[np.float64]) -> None:
        units = np.multiply(rows, 2.0**ENTRY_BITS, out=self._units[: len(rows)])
        np.rint(units, out=units)
        squares = np.einsum("ij,ij->j", units, units)
        largest = squares.max(initial=0.0)
        if not np.isfinite(largest):
            raise NonFiniteValue("a row is not finite; check the embedder's matrix for NaN and infinity")
        if largest >= _EXACT and len(rows) > 1:
            for half in np.array_split(rows, 2):
                self._add_block(half)
            return
        if largest >= _EXACT:
            raise FixedPointOverflow("an entry of a row reaches 16; found the federation with more --columns")
        if (self._squares + squares).max(initial=0.0) >= _EXACT:
            self._take_over()
        self._squares += squares
        self._products = blas.dsyrk(1.0, units.T, beta=1.0, c=self._products, lower=1, overwrite_c=1)
        self._add_moment(units)

    def _add_moment(self, units: npt.NDArray[np.float64]) -> None:
        # 2^10 entries below 2^26 units make less than 2^58 units of 2^-44.
        self._sums[1, self._bias] += units.sum(axis=0).astype(np.int64) << ENTRY_BITS
        self._sums[0, -1] += len(units)
        self.rows += len(units)
        self._carry(self._bias)

    def _take_over(self) -> None:
        """Make integers of the products; they begin anew at zero."""
        if not self._squares.any():
            return
        full = np.zeros((self._dimension, self._dimension), dtype=np.float64)
        full[:-1, :-1] = self._products.T
        self._sums[1] += triangle.pack(full).astype(np.int64)
        self._products[:] = 0.0
        self._squares[:] = 0.0
        self._carry()

    def _carry(self, where: npt.NDArray[np.int64] | slice = _EVERYWHERE) -> None:
        self._sums[0, where] += self._sums[1, where] >> FRACTION_BITS
        self._sums[1, where] &= _FRACTION
