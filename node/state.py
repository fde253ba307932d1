"""What a node knows and must not forget: membership, sources, experts, and every record before it is sent.

A prepared contribution is durable, payload and signature, before its first byte travels. A node that is killed sends
the very same record again, and the coordinator acknowledges a repeat; so nothing is counted twice and nothing is lost.
The last committed record of a domain stays beside a prepared one, since a masked round will send the difference.

Every change is one transaction of a few rows, so these calls block for no longer than one fsync.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from ridgeway.errors import RidgewayError
from ridgeway.node.prompts import PromptSource
from ridgeway.proto.messages import Expert, SignedRecord

STATE_FILE = "node.db"
STATE_VERSION = 4

# A withdrawal of the empty domain is the owner's leave.
EVERYTHING = ""

_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sources (
    domain TEXT PRIMARY KEY, location TEXT NOT NULL, field TEXT, skip_bad INTEGER NOT NULL
) STRICT;
CREATE TABLE experts (
    domain TEXT NOT NULL, url TEXT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (domain, url, model)
) STRICT;
CREATE TABLE contributions (
    domain TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    rows INTEGER NOT NULL,
    payload TEXT NOT NULL,
    source_fingerprint TEXT NOT NULL,
    committed INTEGER NOT NULL,
    PRIMARY KEY (domain, committed)
) STRICT;
CREATE TABLE withdrawals (
    domain TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL
) STRICT;
"""

_EXPERT_COSTS = """
ALTER TABLE experts ADD COLUMN price REAL;
ALTER TABLE experts ADD COLUMN latency_ms REAL;
"""

# `round_targets` is what our part of the sum becomes if the open round is committed; without a payload it goes out.
_ROUNDS = """
CREATE TABLE round_targets (
    domain TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    body BLOB NOT NULL,
    signature BLOB NOT NULL,
    rows INTEGER NOT NULL,
    payload TEXT NOT NULL,
    source_fingerprint TEXT NOT NULL
) STRICT;
CREATE TABLE roster (owner TEXT PRIMARY KEY, identity_public_key BLOB NOT NULL) STRICT;
"""

# What was released of each domain under differential privacy, and what all releases have cost; never forgotten.
_RELEASES = """
CREATE TABLE releases (
    domain TEXT PRIMARY KEY,
    spent REAL NOT NULL,
    statistics_sha256 TEXT NOT NULL,
    payload TEXT NOT NULL,
    bytes_per_number INTEGER NOT NULL
) STRICT;
"""

# What makes a state of each version from one of the version before.
_STEPS = {1: _TABLES, 2: _EXPERT_COSTS, 3: _ROUNDS, 4: _RELEASES}

# Makes the signed record for a sequence number.
Sign = Callable[[int], SignedRecord]


class StateError(RidgewayError):
    """A node's state that cannot be used as it is."""


class StateUnwritable(StateError):
    """A node's state that its disk does not take now."""


class NotJoined(RidgewayError):
    """Something that only a member can do."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What enrolment gave: who we are, and where the coordinator is; among peers instead generation and issuer."""

    owner: str
    federation_id: str
    member_address: str
    manifest_json: str
    embedder: str
    left: bool = False
    generation: int = 0
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed contribution and the name of the file with its payload."""

    domain: str
    sequence: int
    record: SignedRecord
    rows: int
    payload: str
    source_fingerprint: str
    committed: bool


@dataclass(frozen=True, slots=True)
class Release:
    """The newest contribution of a domain that has noise of differential privacy.

    Attributes:
        spent: rho, of it and all before it.
        statistics_sha256: of what it says without noise, so that the same is not released with other noise again.
        payload: the file with it; kept, since to contribute it again costs nothing.
        bytes_per_number: of the file.
    """

    spent: float
    statistics_sha256: str
    payload: str
    bytes_per_number: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A signed withdrawal that was not acknowledged yet."""

    domain: str
    sequence: int
    record: SignedRecord


class NodeState:
    """The node's tables on the directory's only writing connection.

    Args:
        path: the database; made unless `read_only`.
        read_only: for a look beside a running node.

    Raises:
        StateError: it was written by a newer release, is damaged, or is missing.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        try:
            mode = "ro" if read_only else "rwc"
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
            )
            version = self._read_version() if read_only else self._open_for_writing(path)
        except sqlite3.OperationalError as error:
            raise StateError(
                f"{path} cannot be opened ({error}); check --data-dir, and that its disk has room"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StateError(f"{path} is damaged ({error}); restore it from a backup, or join again") from error
        if version > STATE_VERSION:
            raise StateError(f"{path} was written by a newer release (version {version}); upgrade ridgeway")

    def _open_for_writing(self, path: Path) -> int:
        # Files that SQLite makes beside it get its mode.
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        for step in range(self._read_version() + 1, STATE_VERSION + 1):
            self._connection.executescript(f"BEGIN IMMEDIATE; {_STEPS[step]} PRAGMA user_version = {step}; COMMIT;")
        return self._read_version()

    def _read_version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block, or nothing of it; on disk when it ends.

        Raises:
            StateUnwritable: the disk does not take it; nothing of it was written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StateUnwritable(f"the node's state cannot be written ({error}); make room on its disk") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def copy_to(self, path: Path) -> bool:
        """Write a copy to a file, as of this moment; True."""
        with closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        path.chmod(0o600)
        return True

    def setting(self, name: str) -> Any:
        """A named value; None if it was never written."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    # Membership

    @property
    def membership(self) -> Membership | None:
        """Who we are, or were until we left; None if we never joined."""
        stored = self.setting("membership")
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
        """Write what enrolment gave. What we hold counts again only once it was compared with the ledger."""
        with self.transaction() as connection:
            write_setting(connection, "membership", asdict(membership))
            write_setting(connection, "next_sequence", max(next_sequence, self.next_sequence))
            write_setting(connection, "experts_registered", False)
            write_setting(connection, "compared", False)
            connection.execute("DELETE FROM withdrawals WHERE domain = ?", (EVERYTHING,))

    @property
    def compared(self) -> bool:
        """Whether our committed records were compared with the ledger since we enrolled."""
        return bool(self.setting("compared"))

    def compare(self, ledger: dict[str, int], next_sequence: int) -> None:
        """Forget committed records that the ledger, sequence numbers by domain, does not hold; they are sent anew."""
        stale = [(d,) for d, kept in self.last_committed().items() if ledger.get(d) != kept.sequence]
        with self.transaction() as connection:
            connection.executemany("DELETE FROM contributions WHERE domain = ? AND committed = 1", stale)
            write_setting(connection, "next_sequence", max(next_sequence, self.next_sequence))
            write_setting(connection, "compared", True)

    def send_again(self, ledger: dict[str, int]) -> list[str]:
        """Our committed domains that the ledger, sequence numbers by domain, lacks or has only older; they are sent
        again, the very same records, since the ledger was restored from a backup."""
        lacking = [d for d, kept in self.last_committed().items() if ledger.get(d, 0) < kept.sequence]
        with self.transaction() as connection:
            for domain in lacking:
                newer = "SELECT 1 FROM contributions WHERE domain = ? AND committed = 0"
                if connection.execute(newer, (domain,)).fetchone():
                    connection.execute("DELETE FROM contributions WHERE domain = ? AND committed = 1", (domain,))
                else:
                    connection.execute("UPDATE contributions SET committed = 0 WHERE domain = ?", (domain,))
        return lacking

    # Hold-outs

    @property
    def hold_out(self) -> float:
        """The share of prompts that is kept out of the statistics."""
        return float(self.setting("hold_out") or 0.0)

    def keep_out(self, fraction: float) -> None:
        """Hold out this share of prompts from the next counting on."""
        with self.transaction() as connection:
            write_setting(connection, "hold_out", fraction)

    def hold_out_key(self) -> bytes:
        """The secret that chooses what is held out; made once, so that the choice is stable when files grow."""
        stored = self.setting("hold_out_key")
        if stored is None:
            stored = secrets.token_hex(32)
            with self.transaction() as connection:
                write_setting(connection, "hold_out_key", stored)
        return bytes.fromhex(stored)

    # Sources and experts

    def add(self, sources: dict[str, PromptSource], experts: tuple[Expert, ...]) -> None:
        """Write where domains' prompts lie and who serves them; what was known of these domains is replaced."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)",
                [(domain, s.location, s.field, int(s.skip_bad)) for domain, s in sources.items()],
            )
            connection.executemany("DELETE FROM experts WHERE domain = ?", [(e.domain,) for e in experts])
            connection.executemany(
                "INSERT OR IGNORE INTO experts VALUES (?, ?, ?, ?, NULL)",
                [(e.domain, e.url, e.model, e.price) for e in experts],
            )
            if experts:
                write_setting(connection, "experts_registered", False)

    def sources(self) -> dict[str, PromptSource]:
        """Where each domain's prompts lie."""
        rows = self._connection.execute("SELECT * FROM sources ORDER BY domain")
        return {domain: PromptSource(location, field, bool(skip)) for domain, location, field, skip in rows}

    def experts(self) -> tuple[Expert, ...]:
        """Our experts; the owner is filled in by the coordinator."""
        rows = self._connection.execute("SELECT * FROM experts ORDER BY domain, url, model")
        return tuple(Expert("", *row) for row in rows)

    def measured(self, latencies_ms: dict[str, float | None]) -> None:
        """Write how long experts, by URL, take to answer; the coordinator is told."""
        with self.transaction() as connection:
            connection.executemany(
                "UPDATE experts SET latency_ms = ? WHERE url = ?", [(ms, url) for url, ms in latencies_ms.items()]
            )
            write_setting(connection, "experts_registered", False)

    @property
    def experts_registered(self) -> bool:
        """Whether the coordinator has acknowledged exactly these experts."""
        return bool(self.setting("experts_registered"))

    def experts_acknowledged(self) -> None:
        """The coordinator has our experts."""
        with self.transaction() as connection:
            write_setting(connection, "experts_registered", True)

    # Contributions

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next record will have."""
        return int(self.setting("next_sequence") or 1)

    def raise_sequence(self, next_sequence: int) -> None:
        """Take higher numbers from now on: the ledger knows of some that this copy of the state does not."""
        with self.transaction() as connection:
            write_setting(connection, "next_sequence", max(next_sequence, self.next_sequence))

    def releases(self) -> dict[str, Release]:
        """What was released of each domain under differential privacy, in whatever federation."""
        query = "SELECT domain, spent, statistics_sha256, payload, bytes_per_number FROM releases"
        return {domain: Release(*release) for domain, *release in self._connection.execute(query)}

    def prepare(
        self,
        domain: str,
        rows: int,
        payload: str,
        source_fingerprint: str,
        sign: Sign,
        release: Release | None = None,
    ) -> Prepared:
        """Sign under the next sequence number and write the record that is about to be sent, and what it reveals."""
        with self.transaction() as connection:
            sequence = _use_sequence(connection, self.next_sequence)
            record = sign(sequence)
            connection.execute(
                "INSERT OR REPLACE INTO contributions VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
                (domain, sequence, record.body, record.signature, rows, payload, source_fingerprint),
            )
            if release is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?, ?)", (domain, *astuple(release))
                )
        return Prepared(domain, sequence, record, rows, payload, source_fingerprint, committed=False)

    def committed(self, prepared: Prepared) -> None:
        """The coordinator has acknowledged a record; it takes the place of the one before."""
        with self.transaction() as connection:
            key = (prepared.domain, prepared.sequence)
            connection.execute("DELETE FROM contributions WHERE domain = ? AND committed = 1", key[:1])
            connection.execute("UPDATE contributions SET committed = 1 WHERE domain = ? AND sequence = ?", key)

    def source_unchanged(self, domain: str, source_fingerprint: str) -> None:
        """The files were touched, but what they say is what is committed already."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE contributions SET source_fingerprint = ? WHERE domain = ?", (source_fingerprint, domain)
            )

    def contributions(self) -> dict[str, Prepared]:
        """The newest record of each domain, committed or about to be."""
        # An uncommitted record is the newer one of its domain and comes last.
        return {prepared.domain: prepared for prepared in self._records("ORDER BY domain, committed DESC")}

    def last_committed(self) -> dict[str, Prepared]:
        """The newest committed record of each domain."""
        return {prepared.domain: prepared for prepared in self._records("WHERE committed = 1 ORDER BY domain")}

    def payloads(self) -> set[str]:
        """The payload files that some record names, or an open round, or that have noise which was paid for."""
        query = "SELECT payload FROM round_targets UNION SELECT payload FROM releases"
        opened = {payload for (payload,) in self._connection.execute(query)}
        return opened | {prepared.payload for prepared in self._records("")}

    def reads(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a constant query."""
        return self._connection.execute(query).fetchall()

    def forget_uncommitted(self, domain: str) -> None:
        """What was prepared for a domain is not needed after all."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM contributions WHERE domain = ? AND committed = 0", (domain,))

    def _records(self, clauses: str) -> Iterator[Prepared]:
        query = f"SELECT * FROM contributions {clauses}"  # noqa: S608 - ours  # nosec B608
        for row in self._connection.execute(query).fetchall():
            domain, sequence, body, signature, rows, payload, source, committed = row
            yield Prepared(
                domain, sequence, SignedRecord(body, signature), rows, payload, source, committed=bool(committed)
            )

    # Withdrawals

    def withdraw(self, domain: str, sign: Sign, *, masked: bool = False) -> None:
        """Forget a domain, or with EVERYTHING all of them, and write the withdrawal that is about to be sent.

        Args:
            domain: see above.
            sign: makes the record.
            masked: keep what is committed, which only a round can take out of the sum; then no record is sent for a
                single domain.
        """
        with self.transaction() as connection:
            sequence = _use_sequence(connection, self.next_sequence)
            record = sign(sequence)
            for table in ("sources", "experts"):
                connection.execute(f"DELETE FROM {table} WHERE ? IN ('', domain)", (domain,))  # noqa: S608  # nosec B608
            connection.execute(
                "DELETE FROM contributions WHERE ?1 IN ('', domain) AND NOT (?2 AND committed)", (domain, masked)
            )
            write_setting(connection, "experts_registered", False)
            if masked and domain != EVERYTHING:
                return
            connection.execute(
                "INSERT OR REPLACE INTO withdrawals VALUES (?, ?, ?, ?)",
                (domain, sequence, record.body, record.signature),
            )

    def stay(self) -> None:
        """The owner thought better of leaving before a round has taken it out of the sum."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM withdrawals WHERE domain = ?", (EVERYTHING,))

    def forget_source(self, domain: str) -> None:
        """Forget a domain of which nothing was ever sent."""
        with self.transaction() as connection:
            for table in ("sources", "experts"):
                connection.execute(f"DELETE FROM {table} WHERE domain = ?", (domain,))  # noqa: S608  # nosec B608
            write_setting(connection, "experts_registered", False)

    def withdrawals(self) -> dict[str, Withdrawal]:
        """Withdrawals that were not acknowledged yet, by domain."""
        rows = self._connection.execute("SELECT * FROM withdrawals ORDER BY domain")
        return {
            domain: Withdrawal(domain, sequence, SignedRecord(body, signature))
            for domain, sequence, body, signature in rows
        }

    def withdrawn(self, domain: str) -> None:
        """A withdrawal was acknowledged; after that of EVERYTHING we are no member any more."""
        membership = self.membership
        with self.transaction() as connection:
            connection.execute("DELETE FROM withdrawals WHERE ? IN ('', domain)", (domain,))
            if domain == EVERYTHING and membership is not None:
                write_setting(connection, "membership", asdict(membership) | {"left": True})


def write_setting(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Write a named value, as JSON."""
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))


def _use_sequence(connection: sqlite3.Connection, sequence: int) -> int:
    write_setting(connection, "next_sequence", sequence + 1)
    return sequence
