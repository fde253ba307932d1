"""What the ledger is written to: one SQLite file, or a PostgreSQL database that several replicas share.

Statements are of the SQL that both speak, with `?` for values. One connection, used by one thread at a time.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ridgeway.errors import RidgewayError

Rows = list[tuple[Any, ...]]


class LedgerUnwritable(RidgewayError):
    """A ledger that its disk does not take now."""


class Database(Protocol):
    """A connection to the ledger's tables."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement; its rows, if it has some."""

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the values."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything in the block, or nothing of it; durable when it ends."""

    def keep_file(self, name: str, pieces: Iterable[memoryview]) -> None:
        """Keep a file's content where every replica finds it, as a part of the transaction."""

    def forget_file(self, name: str) -> None:
        """Keep it no longer."""

    def kept_file(self, name: str) -> Iterator[bytes]:
        """The content of a kept file, in pieces; none if there is no such file."""

    def copy_to(self, path: Path) -> bool:
        """Write a copy to a file, as of one moment; False if the tables do not lie in a file beside the coordinator."""

    def close(self) -> None:
        """Close the connection."""


class SqliteDatabase:
    """A file beside the coordinator, in WAL mode and synced at every commit. Files lie in folders next to it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement; its rows, if it has some."""
        return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of the values."""
        self._connection.executemany(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block, or nothing of it; durable when it ends.

        Raises:
            LedgerUnwritable: the disk does not take it; nothing of it was written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise LedgerUnwritable(f"the ledger cannot be written ({error}); make room on its disk") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def keep_file(self, name: str, pieces: Iterable[memoryview]) -> None:
        """Nothing: the coordinator's own folders keep it."""

    def forget_file(self, name: str) -> None:
        """Nothing."""

    def kept_file(self, name: str) -> Iterator[bytes]:  # noqa: ARG002 - the protocol's
        """None."""
        return iter(())

    def copy_to(self, path: Path) -> bool:
        """Write a copy to a file; True."""
        with closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        path.chmod(0o600)
        return True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
