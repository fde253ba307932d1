"""A process's own directory: private, locked by one process at a time, written atomically, of a stated format."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from ridgeway.errors import RidgewayError

FORMAT_VERSION = 1
MARKER = "ridgeway.json"
_LOCK = "lock"
# What a restoration takes out of a backup is in here until it is whole and checked.
RESTORING = ".restoring"


class DataDirectoryError(RidgewayError):
    """A data directory that cannot be used as it is."""


class DataDirectoryInUse(DataDirectoryError):
    """Another process holds the lock."""


class WrongDataDirectory(DataDirectoryError):
    """A directory of another role or of a newer format."""


class DataDirectory:
    """The directory of one coordinator or one node.

    Args:
        path: made with mode 0700 when missing and `create` is set.
        role: "coordinator" or "node"; marked on first use and checked ever after.
        create: whether a missing directory may be made.

    Raises:
        DataDirectoryError: it is missing, not ours, or others may write to it.
        WrongDataDirectory: it belongs to another role or a newer release.
    """

    def __init__(self, path: Path, role: str, *, create: bool = False) -> None:
        self.path = path
        if create:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_private(path)
        if (path / RESTORING).exists():
            raise DataDirectoryError(
                f"a restoration into {path} is under way or was interrupted; wait, or empty it and restore it again"
            )
        found = role_of(path)
        if found is None and not create:
            raise WrongDataDirectory(f"{path} is not a {role}'s data directory; check --data-dir")
        if found is not None and found != role:
            raise WrongDataDirectory(f"{path} is a {found}'s data directory, not a {role}'s; check --data-dir")
        if found is None:
            self.write(MARKER, json.dumps({"ridgeway": role, "format": FORMAT_VERSION}).encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process.

        Raises:
            DataDirectoryInUse: another process has it.
        """
        with hold(self.path):
            yield

    def in_use(self) -> bool:
        """Whether another process holds the directory now."""
        try:
            with self.locked():
                return False
        except DataDirectoryInUse:
            return True

    def write(self, name: str, data: bytes) -> None:
        """Replace a file durably: after a crash it is the old one or the new one, whole; mode 0600."""
        write_durably(self.path / name, data)

    def read(self, name: str) -> bytes | None:
        """A file's content, or None if there is none."""
        with suppress(FileNotFoundError):
            return (self.path / name).read_bytes()
        return None

    def folder(self, name: str) -> Path:
        """A folder inside, made if missing, mode 0700."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a directory for this process, whatever is in it.

    Raises:
        DataDirectoryInUse: another process has it.
    """
    descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DataDirectoryInUse(f"{path} is in use by process {holder}; stop it first") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def role_of(path: Path) -> str | None:
    """The role that a directory is marked with, or None if it is not marked.

    Raises:
        WrongDataDirectory: the mark is damaged, or of a newer release.
    """
    try:
        marker = orjson.loads((path / MARKER).read_bytes())
        role, version = str(marker["ridgeway"]), int(marker["format"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise WrongDataDirectory(f"{path / MARKER} is damaged; restore the directory from a backup") from error
    if version > FORMAT_VERSION:
        raise WrongDataDirectory(f"{path} was written by a newer release (format {version}); upgrade ridgeway")
    return role


def write_durably(path: Path, *pieces: bytes | memoryview) -> None:
    """Replace a file by these pieces, so that a crash leaves the old one or the new one, whole; mode 0600."""
    staged = path.with_name(f".{path.name}.new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    staged.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames and new names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_private(path: Path) -> None:
    """Check that a directory is ours; others' permission to read it is taken away.

    Raises:
        DataDirectoryError: it is missing, not ours, or others may write to it.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataDirectoryError(f"{path} does not exist; check --data-dir") from error
    if not stat.S_ISDIR(status.st_mode):
        raise DataDirectoryError(f"{path} is not a directory; check --data-dir")
    if status.st_uid != os.geteuid():
        raise DataDirectoryError(f"{path} belongs to another user; run as that user or choose another --data-dir")
    if status.st_mode & 0o022:
        raise DataDirectoryError(f"others may write to {path}; run chmod go-w on it")
    if status.st_mode & 0o077:
        path.chmod(0o700)
