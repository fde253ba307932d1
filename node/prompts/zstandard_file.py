"""The content of a Zstandard file, which must be whole; the library's reader is silent about one that was cut off."""

import io
from typing import TYPE_CHECKING, BinaryIO

from zstandard import ZstdDecompressor, ZstdError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ZstandardFile", "ZstdError"]

# Four bytes may stand for a block of 128 KiB, so that so many packed bytes never become more than 64 MiB.
_PIECE_BYTES = 2048


class ZstandardFile(io.RawIOBase):
    """One frame after another.

    Args:
        packed: the file.

    Raises:
        EOFError: on reading, if the file ends inside a frame.
        ZstdError: on reading, if it is damaged.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decompressor = ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._inside = False
        self._content = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        while not self._content:
            piece = self._packed.read(_PIECE_BYTES)
            if not piece:
                if self._inside:
                    raise EOFError("the file ends inside a frame")
                return 0
            self._content = memoryview(b"".join(self._unpacked(piece)))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._content))
        target[:count] = self._content[:count]
        self._content = self._content[count:]
        return count

    def _unpacked(self, piece: bytes) -> list[bytes]:
        contents = []
        while piece:
            contents.append(self._frame.decompress(piece))
            self._inside, piece = not self._frame.eof, b""
            if self._frame.eof:
                piece = self._frame.unused_data
                self._frame = self._decompressor.decompressobj()
        return contents
