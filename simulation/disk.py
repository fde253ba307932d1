"""A disk in memory that forgets at a crash what was not synced, and tears what was being written.

Content and names are durable apart: a file's bytes once the file is synced, its name (made, replaced, removed) once its
directory is. What is neither may survive a crash or not, each by itself; that is what POSIX promises.
"""

import errno
import os
from dataclasses import dataclass
from random import Random


@dataclass(slots=True, eq=False)
class _Content:
    """One file's bytes, now and as they were last synced."""

    now: bytes = b""
    synced: bytes = b""


class Disk:
    """One host's files, by name.

    Attributes:
        full: whether writing fails.
    """

    def __init__(self) -> None:
        self.full = False
        self._names: dict[str, _Content] = {}
        self._synced_names: dict[str, _Content] = {}

    def names(self) -> tuple[str, ...]:
        """The files that there are, in order."""
        return tuple(sorted(self._names))

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None."""
        content = self._names.get(name)
        return None if content is None else content.now

    def write(self, name: str, data: bytes) -> None:
        """Put these bytes into a file, in place of what it had; made if missing.

        Raises:
            OSError: the disk is full; the file has lost its end.
        """
        self._put(name, b"", data)

    def append(self, name: str, data: bytes) -> None:
        """Add bytes to a file's end; made if missing.

        Raises:
            OSError: the disk is full; a part may have been written.
        """
        self._put(name, self._names[name].now if name in self._names else b"", data)

    def _put(self, name: str, before: bytes, data: bytes) -> None:
        content = self._names.setdefault(name, _Content())
        if self.full:
            content.now = before + data[: len(data) // 2]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content.now = before + data

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of whatever had it."""
        self._names[new] = self._names.pop(old)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._names.pop(name, None)

    def sync(self, name: str) -> None:
        """Make a file's bytes durable; not its name."""
        content = self._names[name]
        content.synced = content.now

    def sync_names(self) -> None:
        """Make all names as they are now durable."""
        self._synced_names = dict(self._names)

    def crash(self, random: Random) -> None:
        """Lose power: what was not synced is there, or not, or torn."""
        names = {}
        for name in sorted(self._names.keys() | self._synced_names.keys()):
            kept = random.choice((self._names.get(name), self._synced_names.get(name)))
            if kept is not None:
                names[name] = kept
        torn: dict[_Content, _Content] = {}
        for content in names.values():
            if content not in torn:
                survived = _after_crash(content, random)
                torn[content] = _Content(survived, survived)
        self._names = {name: torn[content] for name, content in names.items()}
        self._synced_names = dict(self._names)
        self.full = False


def _after_crash(content: _Content, random: Random) -> bytes:
    """The synced bytes, or the new ones, or a part of the new ones with holes where pages were not written."""
    if content.now == content.synced:
        return content.synced
    fate = random.randrange(3)
    if fate == 0:
        return content.synced
    if fate == 1:
        return content.now
    length = random.randrange(len(content.now) + 1)
    hole = random.randrange(length + 1)
    return content.now[:hole] + bytes(length - hole)
