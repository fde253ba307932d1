"""Integers in fewer bytes: each as little-endian two's complement in the same number of bytes, its width.

A contribution's numbers rarely fill eight bytes; in the smallest width that holds all of them less has to travel, to be
hashed and to be written. For a given width, numbers and bytes determine each other. A width larger than needed is
allowed, since uniform numbers (masked ones) use eight bytes whatever they hide, and the sum does not depend on it.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ridgeway.errors import RidgewayError

WIDTH_MAX = 8
# Numbers unpacked at a time: 131,072 of them are 1 MB. Few and large steps let other threads run meanwhile.
_BLOCK = 1 << 17


class WrongWidth(RidgewayError):
    """A width that is none, that the numbers exceed, or that does not divide the bytes."""


def smallest_width(numbers: npt.NDArray[np.int64]) -> int:
    """The fewest bytes (1 to 8) that hold every one of the numbers."""
    largest = max(int(numbers.max(initial=0)), ~int(numbers.min(initial=0)))
    return largest.bit_length() // 8 + 1


def pack(numbers: npt.NDArray[np.int64], width: int) -> memoryview:
    """The numbers, int64[n], in `width` bytes each; n * width bytes, at width 8 without a copy.

    Raises:
        WrongWidth: the width is not 1 to 8, or a number needs more.
    """
    _check(width)
    whole = np.ascontiguousarray(numbers, dtype="<i8")
    if width == WIDTH_MAX:
        return whole.data.cast("B")
    if smallest_width(whole) > width:
        raise WrongWidth(f"these numbers need {smallest_width(whole)} bytes each, not {width}; pack them so")
    return np.ndarray(whole.shape, f"V{width}", whole, strides=(WIDTH_MAX,)).copy().data.cast("B")


def unpack(packed: bytes | memoryview, width: int) -> npt.NDArray[np.int64]:
    """The numbers in packed bytes, int64[n]; at width 8 a view, not a copy.

    Raises:
        WrongWidth: the width is not 1 to 8, or does not divide the bytes.
    """
    _check(width)
    if len(packed) % width:
        raise WrongWidth(f"{len(packed)} bytes are no whole numbers of {width} bytes each; compare the record's width")
    if width == WIDTH_MAX:
        return np.frombuffer(packed, dtype="<i8")
    numbers = np.empty(len(packed) // width, dtype=np.int64)
    # The eight bytes that end where a number ends have it in their upper part; a shift brings it down, sign and
    # all. Before the first numbers there are fewer bytes than that.
    short = min(-(-WIDTH_MAX // width) - 1, numbers.size)
    for i in range(short):
        numbers[i] = int.from_bytes(packed[i * width : (i + 1) * width], "little", signed=True)
    if numbers.size > short:
        begin = (short + 1) * width - WIDTH_MAX
        ends = np.ndarray((numbers.size - short,), "<i8", packed, begin, (width,))
        numbers[short:] = ends
        numbers[short:] >>= 8 * (WIDTH_MAX - width)
    return numbers


def unpack_blocks(packed: bytes | memoryview, width: int) -> Iterator[npt.NDArray[np.int64]]:
    """The numbers in packed bytes as `unpack` gives them, in blocks of at most 1 MB.

    Raises:
        WrongWidth: as `unpack`.
    """
    for start in range(0, len(packed), _BLOCK * width):
        yield unpack(packed[start : start + _BLOCK * width], width)


class Unpacker:
    """Unpacks numbers whose bytes come in pieces of any length, keeping of each piece what the next one completes.

    Args:
        width: bytes of each number.

    Raises:
        WrongWidth: the width is not 1 to 8.
    """

    def __init__(self, width: int) -> None:
        _check(width)
        self._width = width
        self._torn = b""

    def feed(self, piece: bytes) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers that a piece completes, int64, in blocks of at most 1 MB; at width 8 views."""
        missing = -len(self._torn) % self._width
        if len(piece) < missing:
            self._torn += piece
            return
        head, rest = self._torn + piece[:missing], memoryview(piece)[missing:]
        whole = len(rest) // self._width * self._width
        self._torn = bytes(rest[whole:])
        if head:
            yield unpack(head, self._width)
        yield from unpack_blocks(rest[:whole], self._width)


def _check(width: int) -> None:
    if not 1 <= width <= WIDTH_MAX:
        raise WrongWidth(f"a number takes 1 to {WIDTH_MAX} bytes, not {width}; check the record's width")
