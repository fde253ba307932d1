"""One owner's masked vector on its way: in a file without a name, so that memory does not hold it.

It is added to the round's sum only once it is whole, since of an owner that vanishes meanwhile nothing may be in it.
The file is gone with its descriptor, also after a crash.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway.crypto.payload_digest import CHUNK_BYTES


class InputSpool:
    """Where a vector of so many numbers arrives, piece by piece and in order.

    Args:
        folder: on whose file system.
        numbers: of the whole vector.

    Raises:
        OSError: there is no space left.
    """

    def __init__(self, folder: Path, numbers: int) -> None:
        self.numbers = numbers
        self.received = 0
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as the upload

    @property
    def missing(self) -> int:
        """Bytes still to come."""
        return 8 * self.numbers - self.received

    def append(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            OSError: there is no space left.
        """
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.received += len(data)

    def pieces(self) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers, int64, some at a time; each piece is overwritten by the next."""
        piece = np.empty(CHUNK_BYTES // 8, dtype="<i8")
        for start in range(0, self.received, CHUNK_BYTES):
            size = os.preadv(self._file.fileno(), [piece.data], start)
            yield piece[: size // 8]

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
