"""What of a process's real files would survive a power cut: what was synced, and by chance what was not.

The files lie on a file system in memory; this watches the calls that make them durable. Content counts once the file
was synced, a name once its folder was. SQLite's files are taken as they are: SQLite itself syncs its log at each
commit, and is trusted to.
"""

import os
import shutil
import stat
from pathlib import Path
from random import Random

_SQLITE = (".db", ".db-wal")
_FORGOTTEN = (".db-shm", "lock")


class Durability:
    """Watches one directory, folders included; everything that is in it now is durable."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, dict[str, int]] = {}
        for folder in self._folders():
            names = self._names_in(folder)
            self._names[folder.name if folder != self._root else ""] = names
            for name, inode in names.items():
                self._contents[inode] = (folder / name).read_bytes()

    def synced(self, descriptor: int) -> None:
        """A file's bytes, or a folder's names, are durable now."""
        status = os.fstat(descriptor)
        link = Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(status.st_mode):
            folder = link.readlink()
            self._names[folder.name if folder != self._root else ""] = self._names_in(folder)
        else:
            self._contents[status.st_ino] = link.read_bytes()

    def survivors(self, target: Path, random: Random) -> None:
        """Write to a new directory what is left after a power cut now."""
        for folder in self._folders():
            kept = target if folder == self._root else target / folder.name
            kept.mkdir(mode=0o700)
            self._copy_databases(folder, kept)
            now, synced = self._names_in(folder), self._names.get("" if kept == target else folder.name, {})
            for name in sorted(now.keys() | synced.keys()):
                inode = random.choice((now.get(name), synced.get(name)))
                if inode is not None:
                    (kept / name).write_bytes(self._content(folder / name, inode, now.get(name), random))
                    (kept / name).chmod(0o600)

    def _content(self, path: Path, inode: int, inode_now: int | None, random: Random) -> bytes:
        synced = self._contents.get(inode)
        if inode != inode_now:
            return synced or b""
        now = path.read_bytes()
        if now == synced:
            return now
        fate = random.randrange(3)
        if fate == 0:
            return now
        if fate == 1 and synced is not None:
            return synced
        length = random.randrange(len(now) + 1)
        hole = random.randrange(length + 1)
        return now[:hole] + bytes(length - hole)

    def _folders(self) -> list[Path]:
        return [self._root, *sorted(path for path in self._root.iterdir() if path.is_dir())]

    def _names_in(self, folder: Path) -> dict[str, int]:
        return {
            entry.name: entry.inode()
            for entry in os.scandir(folder)
            if entry.is_file(follow_symlinks=False) and not entry.name.endswith(_SQLITE + _FORGOTTEN)
        }

    def _copy_databases(self, folder: Path, kept: Path) -> None:
        for entry in os.scandir(folder):
            if entry.name.endswith(_SQLITE):
                shutil.copyfile(entry.path, kept / entry.name)
