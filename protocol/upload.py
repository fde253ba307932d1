"""The receiving side of one payload upload: chunks in order, each checked against the signed digests as it comes.

A machine without I/O: the shell writes accepted chunks where it likes, and after a broken stream or a crash builds the
machine again with the number of whole chunks that it still holds and has checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digest
from ridgeway.errors import RidgewayError


class UploadError(RidgewayError):
    """The sender broke the rules of an upload."""


class UnexpectedChunk(UploadError):
    """A chunk out of order, repeated, or past the end."""


class WrongChunkLength(UploadError):
    """A chunk longer or shorter than its place allows."""


class DamagedChunk(UploadError):
    """A chunk whose SHA-256 is not the signed one."""


class IncompleteUpload(UploadError):
    """The stream ended before the payload."""


@dataclass(slots=True)
class UploadAssembly:
    """Progress of one upload.

    Attributes:
        payload_bytes: length of the whole payload.
        chunk_digests: SHA-256 of each chunk, from the signed record.
        next_chunk: the number of chunks accepted so far, and the index wanted next.
    """

    payload_bytes: int
    chunk_digests: Sequence[bytes]
    next_chunk: int = 0

    @property
    def complete(self) -> bool:
        """Whether every chunk was accepted."""
        return self.next_chunk == len(self.chunk_digests)

    def chunk_length(self, index: int) -> int:
        """How long the chunk at this place must be, in bytes."""
        return min(CHUNK_BYTES, self.payload_bytes - index * CHUNK_BYTES)

    def accept(self, index: int, data: bytes) -> None:
        """Check the next chunk and count it.

        Raises:
            UnexpectedChunk: not the next index.
            WrongChunkLength: not the length of this place.
            DamagedChunk: the bytes are not those that were signed.
        """
        if self.complete or index != self.next_chunk:
            wanted = "nothing more" if self.complete else f"chunk {self.next_chunk}"
            raise UnexpectedChunk(f"chunk {index} came, {wanted} was expected; start the upload again")
        self.check(index, data)
        self.next_chunk += 1

    def check(self, index: int, data: bytes) -> None:
        """Check a chunk against its signed digest, without counting it.

        Raises:
            WrongChunkLength: not the length of this place.
            DamagedChunk: the bytes are not those that were signed.
        """
        if len(data) != self.chunk_length(index):
            raise WrongChunkLength(f"chunk {index} has {len(data)} bytes, {self.chunk_length(index)} were expected")
        if chunk_digest(data) != self.chunk_digests[index]:
            raise DamagedChunk(f"chunk {index} was damaged on its way; send it again")

    def finish(self) -> None:
        """End the stream.

        Raises:
            IncompleteUpload: chunks are missing.
        """
        if not self.complete:
            raise IncompleteUpload(
                f"the stream ended after {self.next_chunk} of {len(self.chunk_digests)} chunks; resume the upload"
            )
