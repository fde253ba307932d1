"""What a node remembers of rounds: a number counts once, and what a round means is settled by the ledger alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ridgeway.node.prompts import PromptSource
from ridgeway.node.round_state import RoundReplayed, RoundState
from ridgeway.node.state import NodeState, Prepared
from ridgeway.proto.messages import RoundKind, SignedRecord


@pytest.fixture
def state(tmp_path: Path) -> Iterator[NodeState]:
    made = NodeState(tmp_path / "node.db")
    made.add({"law": PromptSource("law.txt")}, ())
    yield made
    made.close()


def prepared(state: NodeState) -> Prepared:
    return state.prepare("law", 3, "payload", "source", lambda _: SignedRecord(b"body", b"signature"))


def test_a_number_is_used_once_even_after_a_restart(state: NodeState, tmp_path: Path) -> None:
    RoundState(state).called(4)
    again = NodeState(tmp_path / "node.db")
    for number in (3, 4):
        with pytest.raises(RoundReplayed):
            RoundState(again).called(number)
    RoundState(again).called(5)
    again.close()


@pytest.mark.parametrize(("ledger", "committed"), [(b"n" * 32, True), (b"o" * 32, False), (b"", False)])
def test_an_open_round_is_what_the_ledger_says(state: NodeState, ledger: bytes, committed: bool) -> None:
    rounds = RoundState(state)
    rounds.enter(b"n" * 32, {"law": prepared(state)})
    assert rounds.compare(ledger)
    assert rounds.open == b""
    assert bool(state.last_committed()) is committed
    assert rounds.settled == (b"n" * 32 if committed else b"")


def test_what_was_revealed_is_remembered_until_a_round_is_committed(state: NodeState) -> None:
    rounds = RoundState(state)
    rounds.enter(b"n" * 32, {"law": prepared(state)})
    rounds.reveals({"alpha", "beta"}, RoundKind.INCREMENTAL)
    rounds.aborted()
    assert rounds.exposed == {"alpha", "beta"}
    assert rounds.next_parts().wanted.keys() == {"law"}
    rounds.enter(b"o" * 32, {"law": rounds.next_parts().wanted["law"]})
    rounds.committed()
    assert rounds.exposed == frozenset()
