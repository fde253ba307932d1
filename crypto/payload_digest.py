"""The content hash of a payload: a hash over its chunks' hashes, so that a chunk can be checked as it arrives."""

import hashlib
import struct
from collections.abc import Sequence

from ridgeway.crypto.labels import PAYLOAD_DIGEST, RECORD_DIGEST

# Streams of 256 KiB to 1 MiB messages are the fastest over gRPC.
CHUNK_BYTES = 512 * 1024


def chunk_digest(chunk: bytes | memoryview) -> bytes:
    """SHA-256 of one chunk, 32 bytes."""
    return hashlib.sha256(chunk).digest()


def chunk_digests(payload: bytes | memoryview) -> list[bytes]:
    """The digests of all chunks of a payload."""
    view = memoryview(payload)
    return [chunk_digest(view[start : start + CHUNK_BYTES]) for start in range(0, len(view), CHUNK_BYTES)]


def payload_digest(length: int, digests: Sequence[bytes]) -> bytes:
    """The content hash of a payload of so many bytes, from its chunks' digests, 32 bytes."""
    header = PAYLOAD_DIGEST + struct.pack("<QQ", length, CHUNK_BYTES)
    return hashlib.sha256(header + b"".join(digests)).digest()


def record_digest(body: bytes) -> bytes:
    """What tells two signed records apart: SHA-256 over a record's body, 32 bytes."""
    return hashlib.sha256(RECORD_DIGEST + body).digest()
