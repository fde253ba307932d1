"""A coordinator that was restored from a backup goes on: what it has forgotten, and how nobody confuses the two times.

Between the backup and the restoration the coordinator did things that the restored ledger does not know. Members do:
they hold newer routers, have seen later rounds, and carry renewed certificates. So a restored ledger counts on from far
beyond whatever it can have reached meanwhile, and takes a certificate that its own authority has issued in the time
that it has forgotten, if the owner is a member: nobody else can have issued it, and it ends within a day.
"""

import json
from pathlib import Path

from ridgeway.backup.archive import Backup
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.membership import Forgotten
from ridgeway.runtime.data_dir import DataDirectory, write_durably

RESTORED_FILE = "restored.json"
_SETTING = "forgotten"
# More changes than a coordinator makes between two backups. Versions and numbers grow and may skip.
LEAP = 1_000_000


def mark(folder: Path, backup: Backup, now_unix_ms: int) -> None:
    """Tell the coordinator's next start that it was restored."""
    document = {"from_unix_ms": backup.taken_unix_ms, "until_unix_ms": now_unix_ms}
    write_durably(folder / RESTORED_FILE, json.dumps(document).encode())


def settle(directory: DataDirectory, ledger: Ledger) -> None:
    """Take a restoration into the ledger, once; a crash in between only makes it leap twice."""
    marked = directory.read(RESTORED_FILE)
    if marked is not None:
        ledger.leap(LEAP, {_SETTING: marked})
        (directory.path / RESTORED_FILE).unlink()


def forgotten(ledger: Ledger) -> Forgotten | None:
    """The time that a restored ledger has forgotten; None if it was never restored."""
    stored = ledger.setting(_SETTING)
    return None if stored is None else Forgotten(**json.loads(stored))
