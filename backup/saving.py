"""A snapshot becomes a backup: checked, described and written, to a file or to a stream."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ridgeway import __version__
from ridgeway.backup.archive import Backup, OnBytes, describe, write
from ridgeway.backup.contents import Role
from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import sync_directory

STANDARD_OUTPUT = Path("-")


class CannotWrite(RidgewayError):
    """A place that no backup is written to."""


def save(
    snapshot: Path, role: Role, taken_unix_ms: int, output: Path, *, keys: bool, on_bytes: OnBytes
) -> tuple[Backup, list[str]]:
    """Check a snapshot, write its backup, and remove the snapshot; what the operator must know of it. Blocks.

    Args:
        snapshot: its folder.
        role: whose it is.
        taken_unix_ms: not after the snapshot's moment.
        output: the file, which must not exist; or `STANDARD_OUTPUT`.
        keys: whether private keys go into it.
        on_bytes: told the bytes read; each is read twice, to be described and to be written.

    Raises:
        CannotWrite: there is something at `output`, or it cannot be written to.
        RidgewayError: the snapshot lacks something, or is damaged.
    """
    try:
        role.check(snapshot)
        backup = describe(snapshot, role.contents, __version__, taken_unix_ms, keys=keys, on_bytes=on_bytes)
        with _opened(output) as stream:
            write(stream, snapshot, backup, on_bytes)
        return backup, [*_keys_apart(role, keys=keys), *role.notes(snapshot)]
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)


def _keys_apart(role: Role, *, keys: bool) -> list[str]:
    if keys:
        return ["private keys are in this backup; keep it where nobody else can read it"]
    return [f"{' and '.join(role.contents.keys)} are not in this backup; keep a copy apart, or use --with-keys"]


def require_place(output: Path) -> None:
    """Check that a backup can be written there, before anything is done.

    Raises:
        CannotWrite: it cannot.
    """
    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise CannotWrite("a backup is not for a terminal; redirect it, or name a file with -o")
    elif output.exists():
        raise CannotWrite(f"{output} exists already; choose another name, or remove it")
    elif not output.absolute().parent.is_dir():
        raise CannotWrite(f"there is no directory {output.absolute().parent}; make it, or choose another -o")


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    """A stream whose content is at `output` once the block has ended well, whole and synced, mode 0600."""
    if output == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = output.with_name(f"{output.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            os.fsync(descriptor)
        unfinished.rename(output)
        sync_directory(output.absolute().parent)
    except OSError as error:
        raise CannotWrite(f"{output} cannot be written: {error.strerror}; choose another -o") from error
    finally:
        unfinished.unlink(missing_ok=True)
