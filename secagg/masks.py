"""Masks: AES-256-CTR keystreams, added to a vector of Z/2^64 in blocks that stay in the processor's cache.

A mask is a key and a sign. What one side adds the other subtracts; a key is used for one mask only, so the counter
starts at zero. Memory is one block, however many masks there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 32
# 512 KiB of keystream and of zeros stay in the second-level cache beside the block that they are added to; with fewer,
# threads that mask side by side wait more for the interpreter than they work.
BLOCK_NUMBERS = 64 * 1024
_ZEROS = bytes(8 * BLOCK_NUMBERS)
# One step of the counter makes a block of AES, 16 bytes.
NUMBERS_PER_COUNT = 2


@dataclass(frozen=True, slots=True)
class Mask:
    """A keystream that is added, or with `negative` subtracted."""

    key: bytes = field(repr=False)
    negative: bool = False

    def inverse(self) -> "Mask":
        """What takes this mask off again."""
        return Mask(self.key, not self.negative)


class Masking:
    """The sum of some masks as it is added to one vector piece by piece.

    Args:
        masks: see `Mask`.
        start: the number of the vector that comes first, even.

    Raises:
        ValueError: it is odd.
    """

    def __init__(self, masks: Sequence[Mask], start: int = 0) -> None:
        count, within = divmod(start, NUMBERS_PER_COUNT)
        if within:
            raise ValueError(f"masks are made two numbers at a time; begin at an even place, not at {start}")
        counter = modes.CTR(count.to_bytes(16))
        self._streams = [(Cipher(algorithms.AES(mask.key), counter).encryptor(), mask.negative) for mask in masks]
        self._keystream = np.empty(BLOCK_NUMBERS, dtype="<i8")

    def add_to(self, numbers: npt.NDArray[np.int64]) -> None:
        """Add the masks' next numbers to a piece of the vector, int64, in place; wraps as Z/2^64 does."""
        for start in range(0, numbers.size, BLOCK_NUMBERS):
            block = numbers[start : start + BLOCK_NUMBERS]
            keystream = self._keystream[: block.size]
            buffer, zeros = keystream.view(np.uint8).data, memoryview(_ZEROS)[: 8 * block.size]
            for stream, negative in self._streams:
                stream.update_into(zeros, buffer)
                (np.subtract if negative else np.add)(block, keystream, out=block)


def masked(pieces: Iterable[npt.NDArray[np.int64]], masks: Sequence[Mask]) -> Iterator[npt.NDArray[np.int64]]:
    """The pieces of a vector with masks added to each; the pieces themselves stay as they are."""
    masking = Masking(masks)
    for piece in pieces:
        covered = piece.copy()
        masking.add_to(covered)
        yield covered
