"""What the shell of the coordinator's rounds owes to the machine: to say who has gone, and to give everybody a turn."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ridgeway.coordinator.rounds import Rounds
from ridgeway.proto import messages as m
from ridgeway.protocol.backoff import Backoff
from ridgeway.rounds.hall import Connection, Hall
from ridgeway.secagg.aggregator import Orders, Phase
from ridgeway.secagg.round_policy import ABSENT_S, GATHER_S, Start


def rounds() -> Any:
    nobody: Any = SimpleNamespace()
    return Rounds(nobody, nobody, nobody)


async def test_an_owner_without_a_stream_is_not_waited_for() -> None:
    """Found by seed 205 of the simulator: it went after its shares and before its vector, and the round never ended."""
    gone: list[str] = []

    def lost(owner: str, _: float) -> Orders:
        gone.append(owner)
        return []

    one = rounds()
    one._round = SimpleNamespace(lost=lost)
    one._send([("alpha", m.RoundOrder(input_wanted=m.InputWanted()))])
    assert gone == ["alpha"]


@pytest.mark.parametrize(("waited_s", "another_turn"), [(ABSENT_S + 1.0, True), (1.0, False)])
async def test_after_a_round_of_others_failed_those_of_an_opened_one_have_a_turn(
    monkeypatch: pytest.MonkeyPatch, waited_s: float, another_turn: bool
) -> None:
    """Found by seed 166 of the simulator: they came back after a minute, and were never asked together again."""
    monkeypatch.setattr(Backoff, "failed", lambda *_: 0.0)
    one = rounds()
    one._exposed_s = time.monotonic() - waited_s
    await one._pause(SimpleNamespace(phase=Phase.ABORTED))
    assert (time.monotonic() - one._exposed_s < 1.0) is another_turn


async def test_an_owner_is_not_asked_by_what_it_intended_before_a_full_round_left_it_out() -> None:
    """Found by seed 76 of the simulator: it went on from a part that the sum no longer held, and the sum was wrong."""
    one = rounds()
    knowing, unknowing, lost = (Connection(name) for name in ("alpha", "beta", "gamma"))
    place = SimpleNamespace(nonce=b"round 1")
    for connection in (knowing, unknowing):
        connection.intention, connection.told = m.Intention(("law",), settled_round=b"round 1"), b"round 1"
    lost.intention = m.Intention(("law",), settled_round=b"round 0", out_of_step=True)
    one._connections = {connection.owner: connection for connection in (knowing, unknowing, lost)}
    for _ in range(2):
        one._set_outdated_aside({"alpha": place, "gamma": place})
    assert [connection.intention is None for connection in (knowing, unknowing, lost)] == [False, True, False]
    order = unknowing.orders.get_nowait()
    assert order is not None
    assert order.situation == m.Situation(b"")
    assert unknowing.orders.empty()


@pytest.mark.parametrize("state", [m.MemberState.LEFT, m.MemberState.EVICTED])
async def test_whoever_is_no_member_any_more_and_still_in_the_sum_makes_a_full_round_due(state: m.MemberState) -> None:
    """Found by seed 297 of the simulator: it left while a round with it was under way, and stayed in the sum."""
    names, gone = ("alpha", "beta", "gamma"), "delta"
    places = {name: SimpleNamespace(nonce=b"round 1") for name in (*names, gone)}
    members = {name: SimpleNamespace(state=m.MemberState.ACTIVE) for name in names} | {
        gone: SimpleNamespace(state=state)
    }

    async def exclusive(read: Any) -> Any:
        return read()

    federation: Any = SimpleNamespace(
        ledger=SimpleNamespace(places=lambda: places),
        membership=SimpleNamespace(members=members),
        manifest=SimpleNamespace(min_cohort=3),
    )
    publisher: Any = SimpleNamespace(latest=None)
    one: Any = Rounds(federation, cast(Any, exclusive), publisher)
    one._intention_s -= GATHER_S
    one._connections = {name: Connection(name) for name in names}
    for connection in one._connections.values():
        connection.intention = m.Intention(("law",), ("law",), settled_round=b"round 1")
    assert await one._decided() == Start(m.RoundKind.FULL, frozenset(names))
    del places[gone]
    assert await one._decided() == Start(m.RoundKind.INCREMENTAL, frozenset(names))


def test_an_owner_that_waits_is_told_what_the_ledger_has_of_it() -> None:
    """Found by seeds 474, 609, 832: a node out of step was told its own word again and took it for the ledger's."""
    said = m.Intention(domains=("law",), settled_round=b"")
    connection = Connection("ann", intention=said, told=b"ledger's")
    Hall._tell(SimpleNamespace(_note=lambda **_: None, _connections={"ann": connection}), "others")  # type: ignore[arg-type]
    assert connection.orders.get_nowait() == m.RoundOrder(situation=m.Situation(b"ledger's", "others"))
