"""A PostgreSQL database as the ledger of several coordinator replicas, of which one leads.

Who holds an advisory lock leads. The lock and every write belong to one session, so a replica that has lost its session
has lost the lead and can write nothing any more: two can never commit at the same time. A replica that dies loses its
session at once; one whose machine vanishes, after the keep-alives below.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ridgeway.coordinator.database import Rows
from ridgeway.coordinator.schema import LEDGER_VERSION, LedgerError, steps_from
from ridgeway.errors import RidgewayError

if TYPE_CHECKING:
    pass

# Any number that no other application takes in a database of its own.
_LOCK = 0x7269646765776179
_PART_BYTES = 1024 * 1024
# A leader whose machine has gone is noticed after some ten seconds.
_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "connect_timeout": 10}
_SESSION = """
SET synchronous_commit = on;
SET client_min_messages = warning;
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
"""
_OURS = """
CREATE TABLE IF NOT EXISTS ledger_version (version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    name TEXT COLLATE "C" NOT NULL, part BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (name, part)
);
-- Numbers of a Gram matrix do not shrink; trying takes longer than writing them.
ALTER TABLE files ALTER COLUMN data SET STORAGE EXTERNAL;
"""
# Texts compare byte by byte, as in SQLite.
_TYPES = {"BLOB": "BYTEA", "INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "TEXT": 'TEXT COLLATE "C"', ") STRICT": ")"}


class LedgerUnreachable(RidgewayError):
    """A database that cannot be reached, or is not reached any more."""


class BadLedgerUrl(RidgewayError):
    """An address of a database that cannot be used."""


def check_url(url: str) -> None:
    """A URL without a password, which everybody on the machine could read in the list of processes.

    Raises:
        BadLedgerUrl: it is another one.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadLedgerUrl("the ledger's address must begin with postgresql://")
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise BadLedgerUrl(
            "leave the password out of the ledger's address, where others can see it; put it into PGPASSFILE or"
            " PGPASSWORD"
        )


class PostgresDatabase:
    """One session.

    Args:
        url: as libpq takes it; what it leaves out comes from libpq's environment variables and password file.

    Raises:
        BadLedgerUrl: see `check_url`.
        LedgerUnreachable: no server answers, or it refuses us, or the extra `postgres` is not installed.
        LedgerError: the tables are of a newer release.
    """

    def __init__(self, url: str) -> None:
        check_url(url)
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise LedgerUnreachable(
                "a ledger in PostgreSQL needs another library; install it: pip install 'ridgeway[postgres]'"
            ) from error
        self._error = psycopg.Error
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True, **_KEEPALIVES)  # type: ignore[arg-type]
        except psycopg.Error as error:
            raise LedgerUnreachable(f"the ledger's database cannot be reached: {_first_line(error)}") from error
        self._connection.execute(_SESSION)

    # Leading

    def try_to_lead(self) -> bool:
        """Become the leader unless another session is; only then may tables be made or written.

        Raises:
            LedgerUnreachable: the session is gone.
            LedgerError: the tables are of a newer release.
        """
        ((leads,),) = self.execute("SELECT pg_try_advisory_lock(?)", (_LOCK,))
        if leads:
            self._make_tables()
        return bool(leads)

    def has_tables(self) -> bool:
        """Whether some replica has led already.

        Raises:
            LedgerUnreachable: the session is gone.
        """
        ((found,),) = self.execute("SELECT to_regclass('standings') IS NOT NULL")
        return bool(found)

    def _make_tables(self) -> None:
        with self.transaction():
            self._connection.execute(_OURS)
            rows = self.execute("SELECT version FROM ledger_version")
            version = int(rows[0][0]) if rows else 0
            if version > LEDGER_VERSION:
                raise LedgerError(f"the ledger was written by a newer release (version {version}); upgrade ridgeway")
            for statements in steps_from(version):
                self._connection.execute(_translated(statements))
            self.execute("DELETE FROM ledger_version")
            self.execute("INSERT INTO ledger_version VALUES (?)", (LEDGER_VERSION,))

    # Statements

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement; its rows, if it has some.

        Raises:
            LedgerUnreachable: the session is gone.
        """
        with self._translating():
            cursor = self._connection.execute(statement.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the values.

        Raises:
            LedgerUnreachable: the session is gone.
        """
        with self._translating(), self._connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), list(values))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block, or nothing of it; durable when it ends.

        Raises:
            LedgerUnreachable: the session is gone; if that was during the commit, the next leader knows whether it was
                made.
        """
        with self._translating(), self._connection.transaction():
            yield

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            if not self._connection.closed:
                raise
            raise LedgerUnreachable(
                f"the connection to the ledger's database is lost ({_first_line(error)}); another replica leads now"
            ) from error

    # Files

    def keep_file(self, name: str, pieces: Iterable[memoryview]) -> None:
        """Keep a file's content where every replica finds it, as a part of the transaction."""
        self.forget_file(name)
        parts = (piece[start : start + _PART_BYTES] for piece in pieces for start in range(0, len(piece), _PART_BYTES))
        for place, part in enumerate(parts):
            self.execute("INSERT INTO files VALUES (?, ?, ?)", (name, place, bytes(part)))

    def forget_file(self, name: str) -> None:
        """Keep it no longer."""
        self.execute("DELETE FROM files WHERE name = ?", (name,))

    def kept_file(self, name: str) -> Iterator[bytes]:
        """The content of a kept file, in pieces; none if there is no such file."""
        place = 0
        while rows := self.execute("SELECT data FROM files WHERE name = ? AND part = ?", (name, place)):
            yield bytes(rows[0][0])
            place += 1

    def copy_to(self, path: Path) -> bool:  # noqa: ARG002 - the protocol's
        """False: the database has tools of its own for that."""
        return False

    def close(self) -> None:
        """End the session, and with it the lead."""
        self._connection.close()


def _translated(statements: str) -> str:
    for ours, theirs in _TYPES.items():
        statements = statements.replace(ours, theirs)
    return statements


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
