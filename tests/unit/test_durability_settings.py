"""Both databases wait for the disk at each commit; that SQLite then does is what the simulator trusts."""

from pathlib import Path

from ridgeway.coordinator.schema import open_ledger
from ridgeway.node.state import NodeState

FULL = 2


def test_the_ledger_waits_for_the_disk(tmp_path: Path) -> None:
    connection = open_ledger(str(tmp_path / "ledger.db"))
    assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_the_node_s_state_waits_for_the_disk(tmp_path: Path) -> None:
    state = NodeState(tmp_path / "node.db")
    assert state.reads("PRAGMA synchronous") == [(FULL,)]
    assert state.reads("PRAGMA journal_mode") == [("wal",)]
    state.close()
