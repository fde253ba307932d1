"""Which rounds start, with whom, and what the owners wait for otherwise."""

from dataclasses import replace

import pytest

from ridgeway.proto.messages import Intention, RoundKind
from ridgeway.secagg.round_policy import ABSENT_S, COVER_COHORT, GATHER_S, Roll, Start, Wait, decide

CHANGE, IDLE, LOST = Intention(("law",), ("law",)), Intention(remaining=("law",)), Intention(out_of_step=True)


def roll(
    connected: dict[str, Intention],
    in_sum: str = "",
    evicted: str = "",
    trial_version: int = 0,
    quiet_s: float = GATHER_S,
    full_due_s: float = 0.0,
    exposed_s: float = 0.0,
) -> Roll:
    return Roll(connected, set(in_sum), set(evicted), trial_version, quiet_s, full_due_s, exposed_s)


def waits(decision: Start | Wait) -> str:
    assert isinstance(decision, Wait)
    return decision.why


def test_nobody_wants_anything() -> None:
    assert decide(roll({"a": IDLE, "b": IDLE, "c": IDLE}), 3) == Wait()
    assert decide(roll({}), 3) == Wait()


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_changes_wait_for_others(count: int) -> None:
    connected = dict.fromkeys("abc"[:count], CHANGE) | dict.fromkeys("defgh", IDLE)
    assert f"{count} of the 3" in waits(decide(roll(connected), 3))
    assert f"{count} of the 5" in waits(decide(roll(connected), 5))


def test_changes_within_moments_go_together() -> None:
    connected = dict.fromkeys("abc", CHANGE)
    assert decide(roll(connected, quiet_s=0.25), 3) == Wait(look_again_s=GATHER_S - 0.25)
    assert decide(roll(connected), 3) == Start(RoundKind.INCREMENTAL, frozenset("abc"))


def test_idle_members_cover_small_rounds_only() -> None:
    idle = {f"idle-{i}": IDLE for i in range(20)}
    few = decide(roll(dict.fromkeys("abc", CHANGE) | idle), 3)
    many = decide(roll(dict.fromkeys("abcdefghij", CHANGE) | idle), 3)
    assert isinstance(few, Start)
    assert isinstance(many, Start)
    assert len(few.invited) == COVER_COHORT
    assert many.invited == frozenset("abcdefghij")


def test_an_eviction_waits_until_three_owners_differ() -> None:
    three = dict.fromkeys("abc", IDLE)
    assert "to take out d" in waits(decide(roll(three, "abcd", "d"), 3))
    one = three | {"a": CHANGE}
    assert "waits for 1 more" in waits(decide(roll(one, "abcd", "d"), 3))
    two = one | {"b": CHANGE}
    assert decide(roll(two, "abcd", "d"), 3) == Start(RoundKind.FULL, frozenset("abc"))


def test_a_full_round_waits_a_while_for_who_is_away() -> None:
    connected = {"a": CHANGE, "b": CHANGE, "c": IDLE}
    early = decide(roll(connected, "abcde", "d", full_due_s=5.0), 3)
    assert isinstance(early, Wait)
    assert early.look_again_s == ABSENT_S - 5.0
    assert "for e" in early.why
    assert decide(roll(connected, "abcde", "d", full_due_s=ABSENT_S), 3) == Start(RoundKind.FULL, frozenset("abc"))


def test_who_no_longer_knows_its_part_makes_a_full_round_due() -> None:
    assert "a no longer knows" in waits(decide(roll({"a": LOST, "b": IDLE, "c": IDLE}, "abc"), 3))
    everybody = decide(roll({"a": LOST, "b": CHANGE, "c": CHANGE}, "abc"), 3)
    assert everybody == Start(RoundKind.FULL, frozenset("abc"))


def test_trials_wait_for_nothing_else_and_for_three() -> None:
    tried = Intention(remaining=("law",), trial_version=4)
    ready = dict.fromkeys("abc", tried)
    assert decide(roll(ready, trial_version=4), 3) == Start(RoundKind.TRIAL, frozenset("abc"))
    assert decide(roll(ready, trial_version=5), 3) == Wait()
    assert decide(roll(ready | {"c": IDLE}, trial_version=4), 3) == Wait()
    assert "1 of the 3" in waits(decide(roll(ready | {"d": CHANGE}, trial_version=4), 3))


def test_an_opened_round_is_run_again_with_the_same_owners_first() -> None:
    opened = Intention(("law",), ("law",), exposed=("a", "b", "c"), exposed_kind=RoundKind.INCREMENTAL)
    connected = {"a": opened, "b": opened, "c": CHANGE, "d": CHANGE}
    assert decide(roll(connected), 3) == Start(RoundKind.INCREMENTAL, frozenset("abc"))
    without = {owner: intention for owner, intention in connected.items() if owner != "c"}
    assert "run again with c" in waits(decide(roll(without), 3))
    # Nobody can hold up all others by saying so.
    assert decide(roll(without, exposed_s=ABSENT_S), 3) == Start(RoundKind.INCREMENTAL, frozenset("abd"))


def test_an_opened_round_that_its_owner_cannot_run_again_holds_up_nobody() -> None:
    """Found by seed 1399 of the simulator: it was called again and again, and its owner refused each time."""
    lost = Intention(("law",), ("law",), out_of_step=True, exposed=("a", "b", "c"), exposed_kind=RoundKind.INCREMENTAL)
    connected = {"a": lost, "b": CHANGE, "c": CHANGE, "d": IDLE}
    assert decide(roll(connected, "abcd"), 3) == Start(RoundKind.FULL, frozenset("abcd"))
    whole = {"a": replace(lost, exposed_kind=RoundKind.FULL)}
    assert decide(roll(connected | whole, "abcd"), 3) == Start(RoundKind.FULL, frozenset("abc"))
