"""Whom the gateway asks next, for how long, and when it gives up: on a clock that the tests move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.gateway.api_error import DeadlinePassed, ExpertsBusy, ExpertsRefused, ExpertsUnavailable
from ridgeway.gateway.attempts import CANDIDATES_MAX, COOLING_S, PAUSE_MAX_S, Attempts, Cooling, Failure, Patience
from ridgeway.gateway.choice import Candidate
from ridgeway.router import Expert

EXPERTS = [Candidate(Expert("o", f"d{number}", "https://e/v1", "m")) for number in range(6)]
PATIENCE = Patience(tries=2, stream_s=5.0, whole_s=50.0, deadline_s=100.0)


def begun(count: int, patience: Patience = PATIENCE, limit_s: float = 5.0) -> Attempts:
    return Attempts(EXPERTS[:count], patience, limit_s, now=0.0)


def asked(attempts: Attempts, failures: list[tuple[Failure, float | None]], now: float = 0.0) -> list[str]:
    """The domains that are asked while these failures happen."""
    domains = []
    for failure, retry_after_s in failures:
        attempt = attempts.next(now)
        if attempt is None:
            break
        domains.append(attempt.candidate.expert.domain)
        attempts.failed(failure, retry_after_s)
    return domains


def test_each_expert_is_tried_twice_then_passed_over() -> None:
    attempts = begun(2)
    assert asked(attempts, [(Failure.BROKEN, None)] * 9) == ["d0", "d0", "d1", "d1"]
    assert isinstance(attempts.conclusion(), ExpertsUnavailable)


def test_a_refusal_of_the_gateway_passes_over_at_once() -> None:
    attempts = begun(2)
    assert asked(attempts, [(Failure.REFUSED, None)] * 9) == ["d0", "d1"]
    assert isinstance(attempts.conclusion(), ExpertsRefused)


def test_a_pause_that_is_too_long_passes_over_and_a_short_one_is_kept() -> None:
    attempts = begun(2)
    attempts.failed(Failure.BUSY, 1.5)
    second = attempts.next(0.0)
    assert second is not None
    assert (second.candidate, second.pause_s) == (EXPERTS[0], 1.5)
    attempts = begun(2)
    assert attempts.failed(Failure.BUSY, PAUSE_MAX_S + 0.1)
    third = attempts.next(0.0)
    assert third is not None
    assert (third.candidate, third.pause_s) == (EXPERTS[1], 0.0)


def test_experts_that_are_all_busy_are_a_rate_limit() -> None:
    attempts = begun(1)
    asked(attempts, [(Failure.BUSY, None)] * 2)
    assert isinstance(attempts.conclusion(), ExpertsBusy)


def test_the_deadline_ends_it_and_no_attempt_outlives_it() -> None:
    attempts = begun(1, limit_s=1000.0)
    first = attempts.next(60.0)
    assert first is not None
    assert first.limit_s == 20.0
    attempts.failed(Failure.SLOW)
    last = attempts.next(80.0)
    assert last is not None
    assert last.limit_s + last.pause_s == 20.0
    assert attempts.next(100.0) is None
    assert isinstance(attempts.conclusion(), DeadlinePassed)


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from(Failure), st.none() | st.floats(0, 10), st.floats(0, 30)), max_size=40),
)
def test_attempts_are_bounded_and_stay_within_the_deadline(
    count: int, events: list[tuple[Failure, float | None, float]]
) -> None:
    attempts, now, seen = begun(count), 0.0, 0
    for failure, retry_after_s, took in events:
        attempt = attempts.next(now)
        if attempt is None:
            break
        seen += 1
        assert 0.0 < attempt.limit_s <= 5.0
        assert 0.0 <= attempt.pause_s <= PAUSE_MAX_S
        assert now + attempt.pause_s + attempt.limit_s <= PATIENCE.deadline_s + 1e-9
        now += attempt.pause_s + min(took, attempt.limit_s)
        attempts.failed(failure, retry_after_s)
    assert seen <= CANDIDATES_MAX * PATIENCE.tries


def test_an_expert_that_was_passed_over_comes_last_until_it_has_cooled_or_answered() -> None:
    cooling = Cooling()
    cooling.passed_over(EXPERTS[0], now=0.0)
    assert cooling.last(EXPERTS[:3], now=1.0) == [EXPERTS[1], EXPERTS[2], EXPERTS[0]]
    assert cooling.last(EXPERTS[:3], now=COOLING_S + 1) == EXPERTS[:3]
    cooling.answered(EXPERTS[0])
    assert cooling.last(EXPERTS[:3], now=1.0) == EXPERTS[:3]


def test_what_cools_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ridgeway.gateway.attempts.COOLING_MAX", 2)
    cooling = Cooling()
    for candidate in EXPERTS:
        cooling.passed_over(candidate, now=0.0)
    assert cooling.last(EXPERTS, now=1.0) == [*EXPERTS[2:], *EXPERTS[:2]]
    cooling.passed_over(EXPERTS[5], now=COOLING_S + 1)
    assert cooling.last(EXPERTS, now=COOLING_S + 2)[-1] == EXPERTS[5]
