"""Payloads by content hash, one file each; one that is arriving has `.part` behind its name until it is whole.

Whole means: every chunk's digest is the signed one, the numbers passed their check, and the file is synced.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway.contribution_check import ContributionRefused, check_of
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digest, chunk_digests
from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Entry, Payload
from ridgeway.manifest import Manifest
from ridgeway.narrow_integers import WIDTH_MAX, Unpacker, unpack_blocks
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.roster.round_book import CountedRound
from ridgeway.roster.round_records import body_in
from ridgeway.round_vector import as_sum
from ridgeway.runtime.data_dir import sync_directory, write_durably
from ridgeway.sums import InconsistentSum

_PART = ".part"


class PayloadLost(RidgewayError):
    """A payload that should be on disk cannot be read."""


class PayloadFolder:
    """The folder; every method blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: bytes) -> Path:
        """Where a whole payload lies."""
        return self._folder / digest.hex()

    def _part(self, digest: bytes) -> Path:
        return self._folder / (digest.hex() + _PART)

    def write(self, payload: Payload, index: int, data: bytes) -> None:
        """Write a chunk whose digest was checked."""
        descriptor = os.open(self._part(payload.digest), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view, at = memoryview(data), index * CHUNK_BYTES
            while view:
                written = os.pwrite(descriptor, view, at)
                view, at = view[written:], at + written
        finally:
            os.close(descriptor)

    def complete(self, entry: Entry, manifest: Manifest) -> bool:
        """Check the numbers of a payload that has arrived, make it durable, and give it its name; False if they are no
        statistics."""
        assert entry.payload is not None  # noqa: S101 - gossip completes nothing else
        path, part = self.path(entry.payload.digest), self._part(entry.payload.digest)
        if not path.exists():
            if not _is_good(part, entry.record, manifest):
                part.unlink(missing_ok=True)
                return False
            _sync(part)
            part.replace(path)
            sync_directory(self._folder)
        return True

    def adopt(self, source: Path, digest: bytes) -> None:
        """Take over a payload of our own, which was checked and synced when it was written."""
        path = self.path(digest)
        if not path.exists():
            with suppress(FileExistsError):
                path.hardlink_to(source)
            sync_directory(self._folder)

    def keep_sum(self, vector: npt.NDArray[np.int64]) -> Payload:
        """Write the sum of a round, int64, durably, and say what names it."""
        data = vector.astype("<i8", copy=False).data.cast("B")
        payload = Payload.of(len(data), chunk_digests(data))
        write_durably(self.path(payload.digest), data)
        return payload

    def sum_of(self, counted: CountedRound) -> npt.NDArray[np.int64]:
        """The sum of a round that counts, int64.

        Raises:
            PayloadLost: it is not there.
        """
        try:
            return np.fromfile(self.path(counted.payload_digest), dtype="<i8")
        except OSError as error:
            raise PayloadLost(f"payload {counted.payload_digest.hex()} cannot be read") from error

    def chunk(self, digest: bytes, index: int) -> bytes:
        """One chunk of a whole payload.

        Raises:
            PayloadLost: it cannot be read.
        """
        try:
            with self.path(digest).open("rb") as file:
                data = os.pread(file.fileno(), CHUNK_BYTES, index * CHUNK_BYTES)
        except OSError as error:
            raise PayloadLost(f"payload {digest.hex()} cannot be read ({error.strerror})") from error
        if not data:
            raise PayloadLost(f"payload {digest.hex()} is shorter than it should be")
        return data

    def blocks(self, digest: bytes, bytes_per_number: int) -> Iterator[npt.NDArray[np.int64]]:
        """The numbers of a whole payload.

        Raises:
            PayloadLost: it is not there.
        """
        try:
            data = np.memmap(self.path(digest), dtype=np.uint8, mode="r").data
        except (OSError, ValueError) as error:
            raise PayloadLost(f"payload {digest.hex()} cannot be read") from error
        return unpack_blocks(data, bytes_per_number)

    def is_whole(self, payload: Payload) -> bool:
        """Whether a payload lies here with its whole length and content."""
        try:
            return self.path(payload.digest).stat().st_size == payload.length and (
                self._good_chunks(self.path(payload.digest), payload) == frozenset(range(len(payload.chunk_digests)))
            )
        except FileNotFoundError:
            return False

    def arrived(self, payload: Payload) -> frozenset[int]:
        """The places of chunks that are here of a payload on its way."""
        try:
            return self._good_chunks(self._part(payload.digest), payload)
        except FileNotFoundError:
            return frozenset()

    def _good_chunks(self, path: Path, payload: Payload) -> frozenset[int]:
        with path.open("rb") as file:
            return frozenset(
                index
                for index, digest in enumerate(payload.chunk_digests)
                if chunk_digest(os.pread(file.fileno(), payload.chunk_length(index), index * CHUNK_BYTES)) == digest
            )

    def lost(self, digest: bytes) -> None:
        """A payload turned out to be damaged: it will be fetched again."""
        self.path(digest).unlink(missing_ok=True)

    def give_up(self, digest: bytes) -> None:
        """Forget what has arrived of a payload."""
        self._part(digest).unlink(missing_ok=True)

    def keep_only(self, whole: Iterable[bytes], arriving: Iterable[bytes]) -> None:
        """Remove every file that no record names."""
        named = {digest.hex() for digest in whole} | {digest.hex() + _PART for digest in arriving}
        for path in self._folder.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)


def _is_good(path: Path, record: m.GossipRecord, manifest: Manifest) -> bool:
    round_body = body_in(record)
    if round_body is not None:
        return _is_sum(path, round_body, manifest)
    return _are_statistics(path, decode(m.ContributionBody, record.body), manifest)


def _is_sum(path: Path, body: m.RoundBody, manifest: Manifest) -> bool:
    vector = np.fromfile(path, dtype="<i8")
    try:
        as_sum(manifest.layout, body.domains, vector).check_change(manifest.mass)
    except (InconsistentSum, ValueError):
        return False
    return True


def _are_statistics(path: Path, body: m.ContributionBody, manifest: Manifest) -> bool:
    width = body.bytes_per_number or WIDTH_MAX
    unpacker, check = Unpacker(width), check_of(manifest.layout, manifest.mass, body.rows)
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                for numbers in unpacker.feed(data):
                    check.feed(numbers)
        check.finish()
    except ContributionRefused:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
