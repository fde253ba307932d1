"""Numbers packed in fewer bytes come out as they went in, at every width and in pieces of any length."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ridgeway.narrow_integers import WIDTH_MAX, Unpacker, WrongWidth, pack, smallest_width, unpack

widths = st.integers(1, WIDTH_MAX)


@st.composite
def numbers_of(draw: st.DrawFn, width: int) -> npt.NDArray[np.int64]:
    half = 1 << (8 * width - 1)
    elements = st.integers(-half, half - 1) | st.sampled_from([-half, half - 1, -1, 0])
    return draw(hnp.arrays(np.int64, st.integers(0, 40), elements=elements))


def obvious(numbers: npt.NDArray[np.int64], width: int) -> bytes:
    return b"".join(int(number).to_bytes(width, "little", signed=True) for number in numbers)


@given(st.data(), widths)
def test_every_width_packs_as_the_definition_and_gives_the_numbers_back(data: st.DataObject, width: int) -> None:
    numbers = data.draw(numbers_of(width))
    packed = pack(numbers, width)
    assert bytes(packed) == obvious(numbers, width)
    np.testing.assert_array_equal(unpack(packed, width), numbers)


@given(st.binary(max_size=64), widths)
def test_bytes_and_numbers_determine_each_other(packed: bytes, width: int) -> None:
    whole = packed[: len(packed) // width * width]
    assert bytes(pack(unpack(whole, width), width)) == whole


@given(st.data(), widths, st.lists(st.integers(0, 330), max_size=8))
def test_pieces_of_any_length_give_the_same_numbers(data: st.DataObject, width: int, cuts: list[int]) -> None:
    numbers = data.draw(numbers_of(width))
    packed = bytes(pack(numbers, width))
    unpacker, borders = Unpacker(width), [0, *sorted(cuts), len(packed)]
    pieces = [packed[begin:end] for begin, end in pairwise(borders)]
    blocks = [block for piece in pieces for block in unpacker.feed(piece)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0, np.int64), *blocks]), numbers)


@pytest.mark.parametrize("width", range(1, WIDTH_MAX + 1))
def test_more_numbers_than_a_block_come_in_bounded_blocks(width: int) -> None:
    numbers = np.random.default_rng(width).integers(-100, 100, 300_001)
    packed = bytes(pack(numbers, width))
    blocks = list(Unpacker(width).feed(packed))
    assert max(block.nbytes for block in blocks) <= 1_048_576
    np.testing.assert_array_equal(np.concatenate(blocks), numbers)
    np.testing.assert_array_equal(unpack(packed, width), numbers)


@given(st.data(), widths)
def test_the_smallest_width_holds_all_and_one_less_does_not(data: st.DataObject, most: int) -> None:
    numbers = data.draw(numbers_of(most))
    width = smallest_width(numbers)
    np.testing.assert_array_equal(unpack(pack(numbers, width), width), numbers)
    if width > 1:
        with pytest.raises(WrongWidth):
            pack(numbers, width - 1)


def test_eight_bytes_are_not_copied() -> None:
    numbers = np.arange(5)
    assert np.shares_memory(unpack(pack(numbers, WIDTH_MAX), WIDTH_MAX), numbers)


@pytest.mark.parametrize("width", [0, 9, -1])
def test_a_width_that_is_none_is_refused(width: int) -> None:
    with pytest.raises(WrongWidth):
        pack(np.zeros(1, np.int64), width)
    with pytest.raises(WrongWidth):
        unpack(b"", width)
    with pytest.raises(WrongWidth):
        Unpacker(width)


def test_bytes_that_are_no_whole_numbers_are_refused() -> None:
    with pytest.raises(WrongWidth):
        unpack(bytes(11), 5)
