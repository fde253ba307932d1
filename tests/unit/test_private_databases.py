"""Databases and what SQLite lays beside them are their owner's alone, whatever the umask."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ridgeway.coordinator.database import SqliteDatabase
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.schema import open_ledger
from ridgeway.node.state import NodeState
from ridgeway.peers.record_store import RecordStore


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def ledger(path: Path) -> Callable[[], None]:
    return Ledger(SqliteDatabase(open_ledger(str(path)))).close


def state(path: Path) -> Callable[[], None]:
    opened = NodeState(path)
    opened.hold_out_key()
    return opened.close


def records(path: Path) -> Callable[[], None]:
    return RecordStore(path).close


@pytest.mark.parametrize("open_one", [ledger, state, records])
def test_nobody_else_can_read_a_database(tmp_path: Path, open_one: Callable[[Path], Callable[[], None]]) -> None:
    close = open_one(tmp_path / "one.db")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    close()
    assert set(modes) >= {"one.db", "one.db-wal"}
    assert set(modes.values()) == {0o600}
