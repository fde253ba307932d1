"""What a node must not forget, and what it must refuse to open."""

import sqlite3
from pathlib import Path

import pytest

from ridgeway.node.prompts import PromptSource
from ridgeway.node.state import EVERYTHING, STATE_VERSION, Membership, NodeState, NotJoined, StateError, StateUnwritable
from ridgeway.proto.messages import Expert, SignedRecord

MEMBERSHIP = Membership("alpha", "f", "localhost:1", "{}", "builtin")


def sign(sequence: int) -> SignedRecord:
    return SignedRecord(f"record {sequence}".encode(), b"signature")


@pytest.fixture
def state(tmp_path: Path) -> NodeState:
    fresh = NodeState(tmp_path / "node.db")
    fresh.enrolled(MEMBERSHIP, 5)
    fresh.add({"math": PromptSource("math.jsonl"), "law": PromptSource("law.jsonl", "text", True)}, ())
    return fresh


def test_sequence_numbers_only_grow(state: NodeState) -> None:
    assert state.prepare("math", 1, "p", "s", sign).sequence == 5
    state.withdraw("math", sign)
    state.raise_sequence(3)
    assert state.prepare("law", 1, "p", "s", sign).sequence == 7
    state.raise_sequence(20)
    state.enrolled(MEMBERSHIP, 2)
    assert state.next_sequence == 20


def test_a_sequence_number_is_used_up_only_with_its_record(state: NodeState) -> None:
    def fail(_: int) -> SignedRecord:
        raise StateError("no")

    with pytest.raises(StateError):
        state.prepare("math", 1, "p", "s", fail)
    assert state.next_sequence == 5
    assert not state.contributions()


def test_a_prepared_record_stands_beside_the_committed_one_until_it_is_committed(state: NodeState) -> None:
    first = state.prepare("math", 1, "p1", "s1", sign)
    state.committed(first)
    second = state.prepare("math", 2, "p2", "s2", sign)
    assert state.contributions()["math"] == second
    assert state.last_committed()["math"].sequence == first.sequence
    assert state.payloads() == {"p1", "p2"}
    state.committed(second)
    assert state.payloads() == {"p2"}


def test_everything_survives_a_new_connection(state: NodeState, tmp_path: Path) -> None:
    state.add({}, (Expert("", "math", "http://h/v1", "m"),))
    prepared = state.prepare("math", 1, "p", "s", sign)
    state.withdraw("law", sign)
    again = NodeState(tmp_path / "node.db")
    assert again.membership == MEMBERSHIP
    assert again.sources() == {"math": PromptSource("math.jsonl")}
    assert again.experts() == (Expert("", "math", "http://h/v1", "m"),)
    assert again.contributions() == {"math": prepared}
    assert again.withdrawals()["law"].sequence == 6


def test_leaving_forgets_every_domain_and_keeps_who_we_were(state: NodeState) -> None:
    state.prepare("math", 1, "p", "s", sign)
    state.withdraw("law", sign)
    state.withdraw(EVERYTHING, sign)
    assert not state.sources()
    assert not state.contributions()
    state.withdrawn(EVERYTHING)
    assert not state.withdrawals()
    with pytest.raises(NotJoined, match="has left"):
        state.require_membership()


def test_records_that_the_ledger_does_not_hold_are_sent_anew(state: NodeState) -> None:
    for domain in ("math", "law"):
        state.committed(state.prepare(domain, 1, domain, "s", sign))
    state.enrolled(MEMBERSHIP, 9)
    assert not state.compared
    state.compare({"math": 5, "law": 4}, 9)
    assert state.compared
    assert set(state.contributions()) == {"math"}


def test_a_changed_expert_is_registered_again(state: NodeState) -> None:
    state.experts_acknowledged()
    state.add({}, ())
    assert state.experts_registered
    state.add({}, (Expert("", "math", "http://h/v1", "m"),))
    assert not state.experts_registered


def test_a_look_beside_a_running_node_cannot_write(state: NodeState, tmp_path: Path) -> None:
    look = NodeState(tmp_path / "node.db", read_only=True)
    assert look.membership == MEMBERSHIP
    with pytest.raises(StateUnwritable, match="readonly"):
        look.raise_sequence(9)


def test_the_state_of_a_newer_release_is_refused(state: NodeState, tmp_path: Path) -> None:
    state.close()
    with sqlite3.connect(tmp_path / "node.db") as database:
        database.execute(f"PRAGMA user_version = {STATE_VERSION + 1}")
    database.close()
    with pytest.raises(StateError, match="upgrade"):
        NodeState(tmp_path / "node.db")


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StateError, match="damaged"):
        NodeState(tmp_path / "node.db")
