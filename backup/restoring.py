"""A backup becomes a data directory again: all of it, or nothing."""

import shutil
from pathlib import Path
from typing import IO

from ridgeway.backup.archive import Backup, OnBytes, read
from ridgeway.backup.contents import Role
from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import RESTORING, hold, require_private, sync_directory

# What a fresh file system, or a command that only looked, leaves in a directory.
_OF_NO_MATTER = {"lock", "lost+found"}


class NotEmpty(RidgewayError):
    """A directory that holds something already."""


def restore(stream: IO[bytes], data_dir: Path, roles: dict[str, Role], on_bytes: OnBytes) -> tuple[Backup, list[str]]:
    """Restore a backup into a directory that is missing or empty; what it says of itself, and what to know. Blocks.

    Raises:
        NotEmpty: the directory holds something; nothing was changed.
        BadBackup: it is no backup, or damaged; the directory is as empty as it was.
        DataDirectoryError: the directory cannot be used.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(data_dir)
    with hold(data_dir):
        if {path.name for path in data_dir.iterdir()} - _OF_NO_MATTER:
            raise NotEmpty(f"{data_dir} is not empty; a backup is restored into an empty directory only")
        staging = data_dir / RESTORING
        staging.mkdir(mode=0o700)
        try:
            backup = read(stream, staging, {name: role.contents for name, role in roles.items()}, on_bytes)
            role = roles[backup.role]
            role.check(staging)
            notes = [*_lacking_keys(role, backup, data_dir), *role.notes(staging)]
            role.finish(staging, backup)
            for path in staging.iterdir():
                path.rename(data_dir / path.name)
            sync_directory(data_dir)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return backup, notes


def _lacking_keys(role: Role, backup: Backup, data_dir: Path) -> list[str]:
    keys = " and ".join(role.contents.keys)
    return [] if backup.keys else [f"{keys} are not in this backup; put your copy into {data_dir} before you start it"]
