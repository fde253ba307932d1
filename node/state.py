"""What a node knows and must not forget: membership, sources, experts, and every record before it is sent.

A prepared contribution is durable, payload and signature, before its first byte travels. A node that is killed sends
the very same record again, and the coordinator acknowledges a repeat; so nothing is counted twice and nothing is lost.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ridgeway.errors import RidgewayError
from ridgeway.node.prompts import PromptSource
from ridgeway.proto.codec import decode
from ridgeway.proto.messages import ContributionBody, Expert, SignedRecord

STATE_FILE = "node.db"
STATE_VERSION = 1

_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sources (
    domain TEXT PRIMARY KEY, location TEXT NOT NULL, field TEXT, skip_bad INTEGER NOT NULL
) STRICT;
CREATE TABLE experts (
    domain TEXT NOT NULL, url TEXT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (domain, url, model)
) STRICT;
CREATE TABLE contributions (
    domain TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    rows INTEGER NOT NULL,
    payload TEXT NOT NULL,
    source_fingerprint TEXT NOT NULL,
    committed INTEGER NOT NULL
) STRICT;
"""


class StateError(RidgewayError):
    """A node's state that cannot be used as it is."""


class NotJoined(RidgewayError):
    """Something that only a member can do."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What enrolment gave: who we are, and where the coordinator is."""

    owner: str
    federation_id: str
    member_address: str
    manifest_json: str
    embedder: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed contribution and where its payload lies."""

    domain: str
    sequence: int
    record: SignedRecord
    rows: int
    payload: str
    source_fingerprint: str
    committed: bool

    @property
    def payload_bytes(self) -> int:
        """Length of the payload."""
        return decode(ContributionBody, self.record.body).payload_bytes


class NodeState:
    """The node's tables. One connection, used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {STATE_VERSION}; COMMIT;")
        if version > STATE_VERSION:
            raise StateError(f"{path} was written by a newer release (version {version}); upgrade ridgeway")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _setting(self, name: str) -> Any:
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    # Membership

    @property
    def membership(self) -> Membership | None:
        """Who we are, if we ever joined."""
        stored = self._setting("membership")
        return None if stored is None else Membership(**stored)

    def require_membership(self) -> Membership:
        """Who we are.

        Raises:
            NotJoined: we are no member.
        """
        membership = self.membership
        if membership is None:
            raise NotJoined("this node has not joined a federation; run `ridgeway join TOKEN` with its --data-dir")
        if membership.left:
            raise NotJoined(f"{membership.owner} has left the federation; join again with a new invitation")
        return membership

    def enrolled(self, membership: Membership, next_sequence: int) -> None:
        """Write what enrolment gave; contributions of an earlier membership are forgotten."""
        with self._transaction() as connection:
            _set(connection, "membership", asdict(membership))
            _set(connection, "next_sequence", max(next_sequence, self._setting("next_sequence") or 1))
            connection.execute("DELETE FROM contributions")

    def departed(self) -> None:
        """We left: keep who we were, forget what we contributed."""
        membership = asdict(self.require_membership()) | {"left": True}
        with self._transaction() as connection:
            _set(connection, "membership", membership)
            for table in ("sources", "experts", "contributions"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above

    # Sources and experts

    def add_sources(self, sources: dict[str, PromptSource]) -> None:
        """Write where domains' prompts lie; a domain that was known gets its new place."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)",
                [(domain, s.location, s.field, int(s.skip_bad)) for domain, s in sources.items()],
            )

    def sources(self) -> dict[str, PromptSource]:
        """Where each domain's prompts lie."""
        rows = self._connection.execute("SELECT * FROM sources ORDER BY domain")
        return {domain: PromptSource(location, field, bool(skip)) for domain, location, field, skip in rows}

    def add_experts(self, experts: tuple[Expert, ...]) -> None:
        """Write experts; those of the same domains are replaced."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM experts WHERE domain = ?", [(e.domain,) for e in experts])
            connection.executemany(
                "INSERT OR IGNORE INTO experts VALUES (?, ?, ?)", [(e.domain, e.url, e.model) for e in experts]
            )

    def experts(self) -> tuple[Expert, ...]:
        """Our experts; the owner is filled in by the coordinator."""
        rows = self._connection.execute("SELECT domain, url, model FROM experts ORDER BY domain, url, model")
        return tuple(Expert("", domain, url, model) for domain, url, model in rows)

    # Contributions

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next record will have."""
        return int(self._setting("next_sequence") or 1)

    def prepare(self, prepared: Prepared) -> None:
        """Write a record that is about to be sent, and use its sequence number up."""
        with self._transaction() as connection:
            _set(connection, "next_sequence", prepared.sequence + 1)
            connection.execute(
                "INSERT OR REPLACE INTO contributions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    prepared.domain,
                    prepared.sequence,
                    prepared.record.body,
                    prepared.record.signature,
                    prepared.rows,
                    prepared.payload,
                    prepared.source_fingerprint,
                    int(prepared.committed),
                ),
            )

    def committed(self, domain: str, sequence: int) -> None:
        """The coordinator has acknowledged a record."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE contributions SET committed = 1 WHERE domain = ? AND sequence = ?", (domain, sequence)
            )

    def contributions(self) -> dict[str, Prepared]:
        """The newest record of each domain, sent or not."""
        rows = self._connection.execute("SELECT * FROM contributions ORDER BY domain")
        return {
            domain: Prepared(domain, sequence, SignedRecord(body, signature), count, payload, source, bool(committed))
            for domain, sequence, body, signature, count, payload, source, committed in rows
        }

    def raise_sequence(self, next_sequence: int) -> None:
        """Take higher numbers from now on: the ledger knows of some that this copy of the state does not."""
        with self._transaction() as connection:
            _set(connection, "next_sequence", max(next_sequence, self.next_sequence))

    def withdrawing(self, domain: str, record: SignedRecord) -> None:
        """Write a withdrawal before it is sent; an empty domain means all of them."""
        with self._transaction() as connection:
            _set(connection, "next_sequence", self.next_sequence + 1)
            _set(connection, f"withdrawal/{domain}", [record.body.hex(), record.signature.hex()])

    def withdrawal(self, domain: str) -> SignedRecord | None:
        """A withdrawal that was written and not yet acknowledged."""
        stored = self._setting(f"withdrawal/{domain}")
        return None if stored is None else SignedRecord(bytes.fromhex(stored[0]), bytes.fromhex(stored[1]))

    def withdrawn(self, domain: str) -> None:
        """A withdrawal was acknowledged: forget it and the domain."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM settings WHERE name = ?", (f"withdrawal/{domain}",))
            for table in ("sources", "experts", "contributions"):
                connection.execute(f"DELETE FROM {table} WHERE domain = ?", (domain,))  # noqa: S608 - names from above


def _set(connection: sqlite3.Connection, name: str, value: object) -> None:
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))
