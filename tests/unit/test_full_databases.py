"""A disk without room refuses one change, with a sentence, and takes the next one when there is room again."""

from pathlib import Path

import pytest

from ridgeway.coordinator.database import LedgerUnwritable, SqliteDatabase
from ridgeway.coordinator.ledger import Ledger
from ridgeway.coordinator.schema import LedgerError, open_ledger
from ridgeway.node.state import NodeState, StateUnwritable, write_setting

LONG = "x" * 100_000


def test_a_node_s_full_disk_refuses_a_change_and_takes_the_next(tmp_path: Path) -> None:
    """Found by seed 2 of the simulator: the node's daemon ended."""
    state = NodeState(tmp_path / "node.db")
    (pages,) = state.reads("PRAGMA page_count")[0]
    state.reads(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateUnwritable, match="make room"), state.transaction() as connection:
        write_setting(connection, "long", LONG)
    state.reads("PRAGMA max_page_count = 100000")
    assert state.setting("long") is None
    state.keep_out(0.25)
    assert state.hold_out == 0.25
    state.close()


def test_a_ledger_s_full_disk_refuses_a_change_and_takes_the_next(tmp_path: Path) -> None:
    """Found by seed 95 of the simulator: the coordinator ended in the middle of a round."""
    connection = open_ledger(str(tmp_path / "ledger.db"))
    ledger = Ledger(SqliteDatabase(connection))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerUnwritable, match="make room"):
        ledger.found({"long": LONG.encode()})
    connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.setting("long") is None
    assert ledger.call_round() == 1
    ledger.close()


def test_a_ledger_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    """Found by a soak, whose coordinator started on a full disk: nobody should fetch a backup for that."""
    with pytest.raises(LedgerError, match=r"cannot be opened .* has room"):
        open_ledger(str(tmp_path))
    (tmp_path / "ledger.db").write_bytes(b"no database, but long enough to have a header" * 100)
    with pytest.raises(LedgerError, match=r"damaged .* restore it from a backup"):
        open_ledger(str(tmp_path / "ledger.db"))
