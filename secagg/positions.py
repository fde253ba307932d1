"""Sets of positions in a cohort as bitmaps: bit p % 8 of byte p / 8, least significant first."""

from collections.abc import Iterable

from ridgeway.errors import RidgewayError


class BadBitmap(RidgewayError):
    """A bitmap that is none of its cohort."""


def to_bitmap(positions: Iterable[int], size: int) -> bytes:
    """The bitmap of some positions of a cohort of this size."""
    return sum(1 << position for position in set(positions)).to_bytes(-(-size // 8), "little")


def from_bitmap(bitmap: bytes, size: int) -> frozenset[int]:
    """The positions that a bitmap holds.

    Raises:
        BadBitmap: it has another length than the cohort's, or names a position outside.
    """
    bits = int.from_bytes(bitmap, "little")
    if len(bitmap) != -(-size // 8) or bits >> size:
        raise BadBitmap("a list of positions does not fit the cohort; the round has to be run again")
    return frozenset(position for position in range(size) if bits >> position & 1)
