"""Timing of experts: what counts as an answer, what is forgiven, and when the others are told."""

import sqlite3
import threading
from pathlib import Path

import pytest
from expert_running import expert_server

from ridgeway.node import latency
from ridgeway.node.latency import Latencies, answer_ms, worth_telling
from ridgeway.node.state import NodeState
from ridgeway.proto.messages import Expert


@pytest.mark.parametrize(("status", "answers"), [(200, True), (401, True), (302, True), (500, False), (503, False)])
def test_an_answer_is_one_even_if_it_wants_a_key(status: int, answers: bool) -> None:
    with expert_server(status) as (url, asked):
        taken = answer_ms(url)
    assert (taken is not None) == answers
    assert asked[0].startswith("/v1/models ")
    assert "Authorization" not in asked[0]


def test_a_dead_or_slow_server_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "TIMEOUT_S", 0.2)
    released = threading.Event()
    with expert_server(200, released) as (url, _):
        assert answer_ms(url) is None
        released.set()
    assert answer_ms(url) is None


def test_the_median_of_recent_answers_counts() -> None:
    latencies = Latencies()
    assert latencies.median("u") is None
    for taken in (10.0, 30.0, 20.0, None, 1000.0):
        latencies.add("u", taken)
    assert latencies.median("u") == 25.0
    for _ in range(3):
        latencies.add("u", None)
    assert latencies.median("u") is None


def test_only_large_changes_are_told() -> None:
    assert worth_telling(None, 10.0)
    assert worth_telling(10.0, None)
    assert not worth_telling(None, None)
    assert not worth_telling(10.0, 14.0)
    assert worth_telling(10.0, 16.0)
    assert worth_telling(16.0, 10.0)


def test_a_state_of_the_release_before_keeps_its_experts(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    NodeState(path).close()
    with sqlite3.connect(path) as connection:
        for column in ("price", "latency_ms"):
            connection.execute(f"ALTER TABLE experts DROP COLUMN {column}")
        for table in ("round_targets", "roster", "releases"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("INSERT INTO experts VALUES ('law', 'http://h/v1', 'm')")
        connection.execute("PRAGMA user_version = 1")
    state = NodeState(path)
    assert state.experts() == (Expert("", "law", "http://h/v1", "m"),)
    state.measured({"http://h/v1": 12.5})
    assert state.experts()[0].latency_ms == 12.5
    assert not state.experts_registered
    state.close()
