"""The packed upper triangle of a symmetric D x D matrix: row-major, D (D + 1) / 2 entries, diagonal included."""

from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.int64, np.float64)


def length(dimension: int) -> int:
    """Entries of the packed triangle of a matrix with D = dimension rows."""
    return dimension * (dimension + 1) // 2


@lru_cache(maxsize=8)
def row_starts(dimension: int) -> npt.NDArray[np.int64]:
    """Where each row begins in the packed triangle, int64[D]; its first entry is the diagonal."""
    rows = np.arange(dimension, dtype=np.int64)
    starts = rows * dimension - rows * (rows - 1) // 2
    starts.setflags(write=False)
    return starts


def pack(matrix: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The upper triangle of a D x D matrix as one vector; what is below the diagonal is not read."""
    packed: npt.NDArray[Number] = matrix[upper(matrix.shape[0])]
    return packed


def unpack(packed: npt.NDArray[Number], dimension: int) -> npt.NDArray[Number]:
    """The symmetric D x D matrix of a packed triangle."""
    matrix = np.empty((dimension, dimension), dtype=packed.dtype)
    above = upper(dimension)
    matrix[above] = packed
    matrix.T[above] = packed
    return matrix


def diagonal(packed: npt.NDArray[Number], dimension: int) -> npt.NDArray[Number]:
    """The diagonal, D entries."""
    return packed[row_starts(dimension)]


def last_column(packed: npt.NDArray[Number], dimension: int) -> npt.NDArray[Number]:
    """The last column, D entries: of a Gram matrix with bias, the moment."""
    column: npt.NDArray[Number] = packed[row_starts(dimension) + np.arange(dimension - 1, -1, -1)]
    return column


@lru_cache(maxsize=2)
def upper(dimension: int) -> npt.NDArray[np.bool_]:
    """Which entries the packed triangle holds, bool, D x D; read row by row they are in its order."""
    upper = np.triu(np.ones((dimension, dimension), dtype=bool))
    upper.setflags(write=False)
    return upper
