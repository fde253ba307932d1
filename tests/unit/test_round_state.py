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


def exposed(state: NodeState, kind: RoundKind, *, committed_before: bool) -> RoundState:
    """A node that has revealed its shares of a round that came to nothing."""
    rounds = RoundState(state)
    if committed_before:
        state.committed(prepared(state))
    rounds.enter(b"n" * 32, {"law": prepared(state)})
    rounds.reveals({"alpha", "beta", "gamma"}, kind)
    rounds.aborted()
    return rounds


@pytest.mark.parametrize(
    ("kind", "bound"), [(RoundKind.INCREMENTAL, True), (RoundKind.FULL, False)], ids=["change", "whole"]
)
def test_a_node_that_no_longer_knows_its_part_cannot_bring_the_same_change_again(
    state: NodeState, kind: RoundKind, bound: bool
) -> None:
    """Found by seed 1399 of the simulator: a copy from the midst of a round took part in nothing, and said nothing."""
    rounds = exposed(state, kind, committed_before=True)
    assert rounds.bound == ""
    assert rounds.compare(b"o" * 32)
    assert rounds.out_of_step
    assert ("revoke this owner and to send a new invitation" in rounds.bound) is bound


@pytest.mark.parametrize("committed_before", [True, False])
def test_what_is_brought_again_is_the_same_only_if_what_it_was_a_change_of_is_still_there(
    state: NodeState, committed_before: bool
) -> None:
    rounds = exposed(state, RoundKind.INCREMENTAL, committed_before=committed_before)
    rounds.compare(b"o" * 32)
    assert rounds.compare(b"")
    assert (rounds.rebased, bool(rounds.bound)) == (committed_before, committed_before)
    assert rounds.exposed == {"alpha", "beta", "gamma"}
    # Another round that may be opened is of what we bring now.
    rounds.enter(b"p" * 32, {})
    rounds.reveals({"alpha", "delta", "epsilon"}, RoundKind.INCREMENTAL)
    assert not rounds.rebased


def test_only_the_owner_forgets_a_round_that_may_have_been_opened(state: NodeState) -> None:
    rounds = exposed(state, RoundKind.INCREMENTAL, committed_before=True)
    rounds.compare(b"o" * 32)
    rounds.forget_exposed()
    assert (rounds.exposed, rounds.bound, rounds.out_of_step) == (frozenset(), "", True)
    assert state.reads("SELECT * FROM round_targets") == []
