"""The records that a peer holds, durably: what was written here may be acknowledged and passed on.

One connection, WAL, synchronous=FULL: a record is on disk when `persist` returns. A record without its payload waits in
`pending`; it moves over when the payload is whole.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.roster.keys import RecordKey
from ridgeway.roster.round_records import body_in

STORE_FILE = "records.db"
STORE_VERSION = 1

_TABLES = """
CREATE TABLE records (
    key TEXT PRIMARY KEY, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    body BLOB NOT NULL, signature BLOB NOT NULL, has_payload INTEGER NOT NULL
) STRICT;
CREATE TABLE pending (
    key TEXT NOT NULL, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    body BLOB NOT NULL, signature BLOB NOT NULL, has_payload INTEGER NOT NULL, PRIMARY KEY (key, digest)
) STRICT;
CREATE TABLE invitations (
    owner TEXT PRIMARY KEY, generation INTEGER NOT NULL, one_time_public_key BLOB NOT NULL
) STRICT;
"""


class StoreError(RidgewayError):
    """Records on disk that cannot be used as they are."""


class RecordStore:
    """The tables; every method blocks.

    Args:
        path: of the SQLite file.
        read_only: for a look beside a running node.

    Raises:
        StoreError: it was written by a newer release, is damaged, or is missing.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._lock = threading.Lock()
        try:
            mode = "ro" if read_only else "rwc"
            # The lock sees to it that one thread at a time uses the connection.
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
            )
            version = self._version() if read_only else self._open_for_writing(path)
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{path} cannot be opened ({error}); check --data-dir, and that its disk has room"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path} is damaged ({error}); restore the data directory from a backup, or join anew from another"
            ) from error
        if version > STORE_VERSION:
            raise StoreError(f"{path} was written by a newer release (version {version}); upgrade ridgeway")

    def _open_for_writing(self, path: Path) -> int:
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if self._version() == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {STORE_VERSION}; COMMIT;")
        return self._version()

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, arguments).fetchall()

    def persist(self, entries: Iterable[Entry]) -> None:
        """Write records that count from now on; each replaces a lesser one of its key."""
        with self._transaction() as connection:
            for entry in entries:
                connection.execute(
                    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                    " sequence = excluded.sequence, digest = excluded.digest, body = excluded.body,"
                    " signature = excluded.signature, has_payload = excluded.has_payload"
                    " WHERE (excluded.sequence, excluded.digest) > (sequence, digest)",
                    _row(entry),
                )
                connection.execute("DELETE FROM pending WHERE key = ? AND digest = ?", (entry.key, entry.digest))

    def expect(self, entry: Entry) -> None:
        """Write a record whose payload is on its way."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?)", _row(entry))

    def abandon(self, entry: Entry) -> None:
        """Forget a record whose payload will not be completed."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM pending WHERE key = ? AND digest = ?", (entry.key, entry.digest))

    def withhold(self, entries: Iterable[Entry]) -> None:
        """Records whose payloads were lost wait for them again."""
        with self._transaction() as connection:
            for entry in entries:
                connection.execute("DELETE FROM records WHERE key = ? AND digest = ?", (entry.key, entry.digest))
                connection.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?)", _row(entry))

    def held(self) -> list[Entry]:
        """What counts."""
        return self._entries("SELECT * FROM records ORDER BY key")

    def pending(self) -> list[Entry]:
        """What waits for its payload."""
        return self._entries("SELECT * FROM pending ORDER BY key, digest")

    def _entries(self, query: str) -> list[Entry]:
        return [
            entry_of(m.GossipRecord(key, sequence, body, signature), has_payload=bool(has_payload))
            for key, sequence, _, body, signature, has_payload in self._rows(query)
        ]

    # Invitations

    def invited(self, owner: str, generation: int, one_time_public_key: bytes) -> None:
        """Remember the newest invitation of an owner; earlier ones stop working."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO invitations VALUES (?, ?, ?)", (owner, generation, one_time_public_key)
            )

    def invitation(self, owner: str) -> tuple[int, bytes] | None:
        """Generation and one-time key of an owner's newest invitation from here."""
        found = self._rows("SELECT generation, one_time_public_key FROM invitations WHERE owner = ?", owner)
        return (int(found[0][0]), bytes(found[0][1])) if found else None

    def invitations(self) -> list[tuple[str, int]]:
        """Owners that were invited from here, and for which generation."""
        return [(owner, generation) for owner, generation in self._rows("SELECT owner, generation FROM invitations")]


def entry_of(record: m.GossipRecord, *, has_payload: bool) -> Entry:
    """The entry of a record that was judged before it was written, or that we signed ourselves."""
    payload = None
    if has_payload:
        body = body_in(record) or decode(m.ContributionBody, record.body)
        payload = Payload.of(body.payload_bytes, body.chunk_digests)
    return Entry(record, gossip_digest(record), RecordKey.parse(record.key).owner, payload)


def _row(entry: Entry) -> tuple[str, int, bytes, bytes, bytes, int]:
    record = entry.record
    return (
        record.key, record.sequence, entry.digest, record.body, record.signature, int(entry.payload is not None),
    )  # fmt: skip
