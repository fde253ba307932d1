"""A snapshot: what a backup needs, as it is at one moment, in a folder beside it.

Taken by whoever may write to the directory, while nothing is written. That takes moments, since large files are linked,
not copied; the daemon then goes on, and whatever it replaces or removes stays in the snapshot.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ridgeway.backup.contents import Contents
from ridgeway.runtime.data_dir import DataDirectory

SNAPSHOTS = "snapshots"


def stage(
    directory: DataDirectory,
    contents: Contents,
    copy_database: Callable[[Path], bool],
    named: Mapping[str, Iterable[str]],
) -> str:
    """Take a snapshot; its folder's name in `SNAPSHOTS`. Blocks; nothing may be written meanwhile.

    Args:
        directory: held by this process.
        contents: what belongs to it.
        copy_database: writes a copy of the database to a path; False if it does not lie in the directory, nor then what
            it names.
        named: by folder, the files that the database names; one that is missing is left out, and found missing later.
    """
    name = secrets.token_hex(8)
    folder = directory.folder(SNAPSHOTS) / name
    folder.mkdir(mode=0o700)
    try:
        local = copy_database(folder / contents.database)
        for file in (*contents.files, *contents.keys):
            _copy(directory.path / file, folder / file)
        for within, files in named.items() if local else ():
            (folder / within).mkdir(mode=0o700)
            for file in files:
                _link(directory.path / within / file, folder / within / file)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return name


def forget_snapshots(directory: DataDirectory) -> None:
    """Remove what backups that were interrupted have left behind; call when a daemon starts."""
    shutil.rmtree(directory.path / SNAPSHOTS, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.copyfile(source, target)
        target.chmod(0o600)


def _link(source: Path, target: Path) -> None:
    """A second name for a file; where the file system gives none, a copy."""
    with suppress(FileNotFoundError):
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            _copy(source, target)
