"""What of a data directory a backup holds."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ridgeway.backup.archive import Backup

# Names that we give to files in folders: digests, and owner~domain~digest.
_FILE_NAME = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,254}")


@dataclass(frozen=True, slots=True)
class Contents:
    """What belongs to a role's backup; whatever is not named here is not in it, and is not taken out of one.

    Attributes:
        role: "coordinator" or "node".
        database: the SQLite file, copied by SQLite itself.
        files: small ones, copied.
        folders: of files that are never changed once they are named, only replaced or removed, and so may be linked.
        keys: private keys, which a backup holds only if it was asked for.
    """

    role: str
    database: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    keys: tuple[str, ...]

    def belongs(self, name: str) -> bool:
        """Whether a file of this name, relative to the directory, may be in a backup."""
        folder, slash, file = name.partition("/")
        if slash:
            return folder in self.folders and _FILE_NAME.fullmatch(file) is not None
        return name in {self.database, *self.files, *self.keys}


@dataclass(frozen=True, slots=True)
class Role:
    """How a role is backed up and restored.

    Attributes:
        contents: what belongs to it.
        check: raises if a snapshot lacks something or is damaged.
        notes: sentences about a snapshot that its operator must know.
        finish: writes what the daemon must know of a restoration.
    """

    contents: Contents
    check: Callable[[Path], None]
    notes: Callable[[Path], list[str]]
    finish: "Callable[[Path, Backup], None]"
