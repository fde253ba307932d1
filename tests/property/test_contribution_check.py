"""The check of a contribution as it arrives, against its definition in exact integers."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway import triangle
from ridgeway.contribution_check import ContributionCheck, ContributionRefused, NotAGramMatrix
from ridgeway.manifest import MassRule

D = 4
BITS = 8
entries = st.integers(-40, 40) | st.integers(-(1 << 40), 1 << 40)


def accepts(vector: npt.NDArray[np.int64], pieces: list[int]) -> bool:
    check = ContributionCheck(D, MassRule.OWNER, BITS, 1)
    for piece in np.split(vector, sorted(pieces)):
        check.feed(piece)
    try:
        check.finish()
    except NotAGramMatrix:
        return False
    return True


def is_gram_within_rounding(matrix: list[list[int]]) -> bool:
    return all(matrix[i][j] ** 2 <= (matrix[i][i] + 1) * (matrix[j][j] + 1) for i in range(D) for j in range(i, D))


@given(
    st.lists(st.integers(0, 60) | st.integers(0, 1 << 40), min_size=D - 1, max_size=D - 1),
    st.lists(entries, min_size=D * D, max_size=D * D),
    st.lists(st.integers(0, triangle.length(D)), max_size=5),
)
def test_pieces_of_any_length_give_the_answer_of_the_definition(
    diagonal: list[int], others: list[int], pieces: list[int]
) -> None:
    matrix = np.array(others, dtype=np.int64).reshape(D, D)
    np.fill_diagonal(matrix, [*diagonal, 1 << BITS])
    assert accepts(triangle.pack(matrix), pieces) == is_gram_within_rounding(matrix.tolist())


@given(st.lists(st.integers(0, 1 << 20), min_size=D, max_size=D), st.integers(0, 2), st.integers(0, 3))
def test_the_bound_is_sharp(roots: list[int], i: int, off: int) -> None:
    """Entries at the very bound pass, one unit beyond they do not: rows that are multiples of each other."""
    roots[-1] = 1 << (BITS // 2)
    matrix = np.outer(roots, roots).astype(np.int64)
    assert accepts(triangle.pack(matrix), [])
    matrix[i, -1] += off
    assert accepts(triangle.pack(matrix), []) == is_gram_within_rounding(matrix.tolist())


@pytest.mark.parametrize("row", [0, 1, 300, 600, 688])
def test_rows_long_and_short_are_compared_with_the_diagonal(row: int) -> None:
    """238,395 numbers, so that a block ends in the middle of a row, whether they come at once or in pieces."""
    dimension = 690
    x = np.random.default_rng(row).integers(-9, 10, size=(dimension + 20, dimension))
    x[:, -1] = 0
    matrix = (x.T @ x).astype(np.int64)
    matrix[-1, -1] = 1 << BITS
    assert _refusal(matrix) is None
    largest = math.isqrt(int((matrix[row, row] + 1) * (matrix[row + 1, row + 1] + 1)))
    matrix[row, row + 1] = largest
    assert _refusal(matrix) is None
    matrix[row, row + 1] = -largest - 2
    assert _refusal(matrix) is NotAGramMatrix


def _refusal(matrix: npt.NDArray[np.int64]) -> type[ContributionRefused] | None:
    check = ContributionCheck(len(matrix), MassRule.OWNER, BITS, 1)
    at_once = ContributionCheck(len(matrix), MassRule.OWNER, BITS, 1)
    at_once.feed(triangle.pack(matrix))
    for piece in np.array_split(triangle.pack(matrix), 7):
        check.feed(piece)
    answers = {_answer(check), _answer(at_once)}
    assert len(answers) == 1
    return answers.pop()


def _answer(check: ContributionCheck) -> type[ContributionRefused] | None:
    try:
        check.finish()
    except ContributionRefused as error:
        return type(error)
    return None
