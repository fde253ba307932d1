"""Payloads on disk, one file for each signed record, named by owner, domain and the record's digest.

A file may be there before its record is committed: that is an upload under way, which a broken stream or a crash leaves
to be resumed; there is at most one for each owner and domain. The file is synced before the ledger names the record, so
what the ledger names is whole, and no rename has to be synced after the last byte.
"""

import errno
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ridgeway.contribution_check import Check
from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests, payload_digest
from ridgeway.errors import RidgewayError
from ridgeway.narrow_integers import Unpacker
from ridgeway.protocol.upload import UploadAssembly, UploadError
from ridgeway.runtime.data_dir import sync_directory, write_durably

# An upload that nobody resumed for a day is given up.
PARTIAL_KEPT_S = 24 * 3600.0
# Uploads that one owner may leave unfinished, so that it cannot fill the disk with them; a node sends one at a time.
PARTIALS_PER_OWNER = 8


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """Which payload: whose, for what, under which record."""

    owner: str
    domain: str
    record_digest: bytes

    @property
    def slot(self) -> str:
        """What all payloads of one owner and domain share in their names; no name may hold a tilde."""
        return f"{self.owner}~{self.domain}"

    @property
    def file_name(self) -> str:
        """The payload's file."""
        return f"{self.slot}~{self.record_digest.hex()}"


class PayloadMissing(RidgewayError):
    """The ledger names a payload that is not on disk."""


class PayloadDamaged(RidgewayError):
    """A payload on disk is not the one that the ledger names."""


class PayloadStore:
    """The folder of payloads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def payload(self, key: PayloadKey) -> memoryview:
        """A payload as a read-only memory map.

        Raises:
            PayloadMissing: it is not there.
        """
        try:
            return np.memmap(self._folder / key.file_name, dtype=np.uint8, mode="r").data
        except (FileNotFoundError, ValueError) as error:
            raise PayloadMissing(
                f"the payload of {key.owner} for {key.domain} is not on disk; restore the data directory from a backup"
            ) from error

    def whole(self, key: PayloadKey, digest: bytes, kept: Callable[[str], Iterable[bytes]]) -> memoryview:
        """A committed payload, brought here if another replica received it, or this one only a part of it.

        Args:
            key: its place.
            digest: what the ledger says it is.
            kept: gives a file's content in pieces; none of a file that is not kept.

        Raises:
            PayloadMissing: it is nowhere.
            PayloadDamaged: it is not what the ledger names.
        """
        if not self._is_here(key, digest):
            pieces = tuple(kept(key.file_name))
            if pieces:
                write_durably(self._folder / key.file_name, *pieces)
            if not self._is_here(key, digest):
                self.payload(key)
                raise PayloadDamaged(
                    f"the payload of {key.owner} for {key.domain} is damaged; restore the data directory from a backup,"
                    " or evict its owner"
                )
        return self.payload(key)

    def _is_here(self, key: PayloadKey, digest: bytes) -> bool:
        try:
            payload = self.payload(key)
        except PayloadMissing:
            return False
        return payload_digest(len(payload), chunk_digests(payload)) == digest

    def remove(self, key: PayloadKey) -> None:
        """Forget a payload."""
        (self._folder / key.file_name).unlink(missing_ok=True)

    def keep_only(self, keys: Iterable[PayloadKey], now_s: float) -> None:
        """Remove every file that the ledger does not name, except uploads that may still be resumed."""
        named = {key.file_name for key in keys}
        for path in self._folder.iterdir():
            if path.name not in named and path.stat().st_mtime < now_s - PARTIAL_KEPT_S:
                path.unlink()

    def make_room(self, key: PayloadKey, committed: Iterable[PayloadKey]) -> None:
        """Remove earlier uploads of the same owner and domain, and the oldest beyond what an owner may leave.

        Args:
            key: the upload that needs room; what is there of it stays.
            committed: the owner's payloads that the ledger names now; they stay.
        """
        kept = {key.file_name} | {other.file_name for other in committed}
        partial = [path for path in self._folder.glob(f"{key.owner}~*") if path.name not in kept]
        partial.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for place, path in enumerate(partial, start=2):
            if path.name.startswith(f"{key.slot}~") or place > PARTIALS_PER_OWNER:
                path.unlink(missing_ok=True)

    def resume(self, key: PayloadKey, assembly: UploadAssembly, unpacker: Unpacker, check: Check) -> "StagedPayload":
        """Open a record's file for writing and count the whole chunks that it already holds, checking each."""
        descriptor = os.open(self._folder / key.file_name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take_over(descriptor, assembly, unpacker, check)
        except BaseException:
            os.close(descriptor)
            raise
        return StagedPayload(self._folder, descriptor, assembly, unpacker, check)


def _take_over(descriptor: int, assembly: UploadAssembly, unpacker: Unpacker, check: Check) -> None:
    """Count and check the whole chunks that a file holds, and cut the rest off."""
    for index in range(min(os.fstat(descriptor).st_size, assembly.payload_bytes) // CHUNK_BYTES):
        chunk = os.pread(descriptor, CHUNK_BYTES, index * CHUNK_BYTES)
        try:
            assembly.accept(index, chunk)
        except UploadError:
            break
        for numbers in unpacker.feed(chunk):
            check.feed(numbers)
    os.ftruncate(descriptor, assembly.next_chunk * CHUNK_BYTES)


class StagedPayload:
    """A payload that is arriving, written and checked as it comes. Not for two threads at once.

    A thread of its own makes durable what has been written while more comes, so that little is left for `finish`.
    """

    def __init__(
        self, folder: Path, descriptor: int, assembly: UploadAssembly, unpacker: Unpacker, check: Check
    ) -> None:
        self._descriptor = descriptor
        self._unpacker = unpacker
        self._check = check
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="payload-sync")
        # The file's name comes first, while the first chunk is on its way.
        self._syncing = self._disk.submit(sync_directory, folder)
        self.assembly = assembly

    def write(self, index: int, data: bytes) -> None:
        """Check the next chunk and write it.

        Raises:
            UploadError: see `UploadAssembly.accept`; nothing was written.
            OSError: the disk is full.
        """
        self.assembly.accept(index, data)
        if os.pwrite(self._descriptor, data, index * CHUNK_BYTES) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._syncing.done():
            self._sync()
        for numbers in self._unpacker.feed(data):
            self._check.feed(numbers)

    def finish(self) -> None:
        """Make the whole payload durable.

        Raises:
            IncompleteUpload: chunks are missing.
            ContributionRefused: the numbers cannot be one domain's statistics.
            OSError: the disk failed.
        """
        self.assembly.finish()
        self._check.finish()
        self._sync()
        self._syncing.result()

    def close(self) -> None:
        """Release the file; what was written stays for a resumption."""
        self._disk.submit(os.close, self._descriptor)
        self._disk.shutdown(wait=False)

    def _sync(self) -> None:
        """Begin to make durable what is written by now; raises what failed last time."""
        self._syncing.result()
        self._syncing = self._disk.submit(os.fdatasync, self._descriptor)
