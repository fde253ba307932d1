"""The file of a backup: a tar archive whose first entry lists all others with their size and SHA-256.

The list says what may follow, in which order. What is not on it, or not of a name that belongs to the role, is refused,
and no path of the archive itself is ever used; so an archive cannot write anywhere but where it should.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from ridgeway.backup.contents import Contents
from ridgeway.errors import RidgewayError

FORMAT = 1
_LIST = "backup.json"
# 65,536 contributions, the most that a federation holds, of some 200 bytes each.
_LIST_BYTES_MAX = 32 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

# Told the bytes done since it was last told.
OnBytes = Callable[[int], None]


class BadBackup(RidgewayError):
    """A file that is no backup, or a damaged one."""


class NewerBackup(BadBackup):
    """A backup of a newer release."""


@dataclass(frozen=True, slots=True)
class BackedUpFile:
    """One file of a backup."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself.

    Attributes:
        role: whose directory it was.
        release: of ridgeway, that wrote it.
        taken_unix_ms: the moment that it shows.
        keys: whether private keys are in it.
        files: in the order of the archive.
    """

    role: str
    release: str
    taken_unix_ms: int
    keys: bool
    files: tuple[BackedUpFile, ...]

    @property
    def bytes(self) -> int:
        """The length of all files."""
        return sum(file.size for file in self.files)


def describe(
    folder: Path, contents: Contents, release: str, taken_unix_ms: int, *, keys: bool, on_bytes: OnBytes
) -> Backup:
    """What the backup of a snapshot will say. Reads every file once."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    kept = [name for name in names if contents.belongs(name) and (keys or name not in contents.keys)]
    files = tuple(_described(folder / name, name, on_bytes) for name in kept)
    return Backup(contents.role, release, taken_unix_ms, keys, files)


def write(stream: IO[bytes], folder: Path, backup: Backup, on_bytes: OnBytes) -> None:
    """Write a described snapshot.

    Raises:
        BadBackup: a file changed since it was described.
    """
    head = json.dumps({"format": FORMAT, **asdict(backup)}).encode()
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_entry(_LIST, len(head), backup), BytesIO(head))
        for file in backup.files:
            with (folder / file.name).open("rb") as source:
                watched = _Watched(source, on_bytes)
                archive.addfile(_entry(file.name, file.size, backup), watched)
            if watched.sha256 != file.sha256:
                raise BadBackup(f"{file.name} changed while it was backed up; try again")


def read(stream: IO[bytes], folder: Path, roles: dict[str, Contents], on_bytes: OnBytes) -> Backup:
    """Take a backup's files out into an empty folder, each synced and compared with its digest.

    Raises:
        BadBackup: it is none, or damaged; what was taken out until then is of no use.
        NewerBackup: this release does not know its format.
    """
    with _understood(), tarfile.open(fileobj=stream, mode="r|") as archive:
        backup = _listed(archive, roles)
        for file in backup.files:
            _take_out(archive, file, folder, on_bytes)
        if archive.next() is not None:
            raise BadBackup("this backup holds more than it lists; take another one")
    return backup


def _described(path: Path, name: str, on_bytes: OnBytes) -> BackedUpFile:
    with path.open("rb") as source:
        watched = _Watched(source, on_bytes)
        while watched.read(_PIECE_BYTES):
            pass
    return BackedUpFile(name, watched.size, watched.sha256)


def _entry(name: str, size: int, backup: Backup) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, backup.taken_unix_ms // 1000
    return entry


def _listed(archive: tarfile.TarFile, roles: dict[str, Contents]) -> Backup:
    """The list at the head of an archive, checked."""
    entry = archive.next()
    if entry is None or entry.name != _LIST or not entry.isreg() or entry.size > _LIST_BYTES_MAX:
        raise BadBackup("this is no backup of ridgeway; check the file's name")
    source = archive.extractfile(entry)
    document = json.loads(source.read() if source else b"")
    if document["format"] > FORMAT:
        raise NewerBackup(f"this backup was written by a newer release ({document['release']}); upgrade ridgeway")
    files = tuple(BackedUpFile(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in document["files"])
    backup = Backup(
        str(document["role"]), str(document["release"]), int(document["taken_unix_ms"]), bool(document["keys"]), files
    )
    contents = roles.get(backup.role)
    names = [file.name for file in files]
    if contents is None or len(set(names)) < len(names):
        raise BadBackup("this backup's list makes no sense; take another one")
    for name in names:
        if not contents.belongs(name):
            raise BadBackup(f"{name[:80]!r} does not belong into a {backup.role}'s data directory; take another backup")
    return backup


def _take_out(archive: tarfile.TarFile, file: BackedUpFile, folder: Path, on_bytes: OnBytes) -> None:
    entry = archive.next()
    source = archive.extractfile(entry) if entry is not None and entry.isreg() else None
    if entry is None or source is None or (entry.name, entry.size) != (file.name, file.size):
        raise BadBackup(f"{file.name} is missing from this backup, or in the wrong place; take another one")
    path = folder / file.name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    watched = _Watched(source, on_bytes)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as target:  # noqa: PTH123 - a descriptor
        while piece := watched.read(_PIECE_BYTES):
            target.write(piece)
        target.flush()
        os.fsync(descriptor)
    if (watched.size, watched.sha256) != (file.size, file.sha256):
        raise BadBackup(f"{file.name} is damaged in this backup; take another one")


@contextmanager
def _understood() -> Iterator[None]:
    """What tarfile and json say of bytes that are no backup, in a sentence."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BadBackup(f"this is no backup of ridgeway, or a damaged one ({type(error).__name__})") from error


class _Watched:
    """A file that is read once, hashed and counted on the way."""

    def __init__(self, source: IO[bytes], on_bytes: OnBytes) -> None:
        self._source = source
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._source.read(size)
        self._digest.update(piece)
        self.size += len(piece)
        self._on_bytes(len(piece))
        return piece

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._digest.hexdigest()
