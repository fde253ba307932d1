"""What the shell of the coordinator's rounds owes to the machine: to say who has gone, and to give everybody a turn."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from ridgeway.coordinator.rounds import Rounds
from ridgeway.proto import messages as m
from ridgeway.protocol.backoff import Backoff
from ridgeway.secagg.aggregator import Orders, Phase
from ridgeway.secagg.round_policy import ABSENT_S


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
