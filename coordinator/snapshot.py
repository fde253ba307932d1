"""What a backup of a coordinator holds, and whether one is whole."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from ridgeway.backup.contents import Contents
from ridgeway.backup.staging import stage
from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.founding import AUTHORITY_CERTIFICATE, AUTHORITY_KEY
from ridgeway.coordinator.leading import LEDGER_FILE, LOCATION_FILE
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.masked_total import TotalDamaged, file_name
from ridgeway.coordinator.payload_store import PayloadDamaged, PayloadStore
from ridgeway.coordinator.schema import LEDGER_VERSION, LedgerError
from ridgeway.crypto.payload_digest import chunk_digests, payload_digest
from ridgeway.errors import RidgewayError
from ridgeway.runtime.data_dir import MARKER, DataDirectory

PAYLOADS = "payloads"
TOTALS = "totals"
# Where the coordinator was last reached, for invitations made while it does not run.
ENDPOINTS_FILE = "endpoints.json"

COORDINATOR = Contents(
    role="coordinator",
    database=LEDGER_FILE,
    files=(MARKER, AUTHORITY_CERTIFICATE, ENDPOINTS_FILE, LOCATION_FILE),
    folders=(PAYLOADS, TOTALS),
    keys=(AUTHORITY_KEY,),
)
IN_POSTGRESQL = (
    "ledger, payloads and sum are in PostgreSQL and not in this backup; back the database up with pg_dump, and restore"
    " it before the coordinator starts"
)


class SnapshotIncomplete(RidgewayError):
    """A snapshot without which a coordinator could not go on."""


def take(directory: DataDirectory, ledger: Ledger) -> str:
    """Take a snapshot of a directory that this process holds; its name. Runs where the ledger may be touched."""
    named = {
        PAYLOADS: [entry.payload_key.file_name for entry in ledger.entries() if entry.payload_digest is not None],
        TOTALS: [name for name in [file_name(ledger.setting("masked_total"))] if name is not None],
    }
    return stage(directory, COORDINATOR, ledger.copy_to, named)


def notes(folder: Path) -> list[str]:
    """What the operator must know of a snapshot."""
    return [IN_POSTGRESQL] if (folder / LOCATION_FILE).exists() else []


def check(folder: Path) -> None:
    """Check that all that the ledger names is there, to the bit.

    Raises:
        LedgerError, PayloadMissing, PayloadDamaged, TotalDamaged, SnapshotIncomplete: it is not whole.
    """
    if not (folder / AUTHORITY_CERTIFICATE).exists():
        raise SnapshotIncomplete(f"{AUTHORITY_CERTIFICATE} is missing; this directory holds no federation")
    if (folder / LOCATION_FILE).exists():
        return
    with closing(_opened(folder / LEDGER_FILE)) as connection:
        ledger = Ledger(SqliteDatabase(connection))
        _check_payloads(ledger, folder / PAYLOADS)
        total = file_name(ledger.setting("masked_total"))
    if total is not None:
        _check_total(folder / TOTALS / total)


def _opened(path: Path) -> sqlite3.Connection:
    """A copy of a ledger, checked by SQLite itself and only to be read."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        ((verdict,), *_) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerError(f"the ledger in it is damaged ({error}); take another backup") from error
    if version > LEDGER_VERSION or verdict != "ok":
        connection.close()
        newer = f"was written by a newer release (version {version}); upgrade ridgeway"
        raise LedgerError(f"the ledger in it {newer if verdict == 'ok' else 'is damaged; take another backup'}")
    return connection


def _check_payloads(ledger: Ledger, folder: Path) -> None:
    payloads = PayloadStore(folder)
    for entry in ledger.entries():
        if entry.payload_digest is not None:
            payload = payloads.payload(entry.payload_key)
            if payload_digest(len(payload), chunk_digests(payload)) != entry.payload_digest:
                raise PayloadDamaged(f"the payload of {entry.owner} for {entry.domain} is damaged")


def _check_total(path: Path) -> None:
    """A sum is named by its content."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        digest = ""
    if digest != path.name:
        raise TotalDamaged("the sum that the ledger names is missing or damaged")
