"""What a node writes down before a message leaves: what its vector would mean, and that it has revealed its shares."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ridgeway.node.round_input import Part
from ridgeway.node.round_state import Parts, RoundState
from ridgeway.node.rounds import Engagement, Rounds
from ridgeway.node.state import NodeState
from ridgeway.proto import messages as m

OWNERS = frozenset({"alpha", "beta", "gamma"})
TERMS = m.RoundTerms(number=1, nonce=b"n" * 32, kind=m.RoundKind.INCREMENTAL)


@pytest.fixture
def rounds(tmp_path: Path) -> Iterator[Rounds]:
    state = NodeState(tmp_path / "node.db")
    yield Rounds(RoundState(state))
    state.close()


async def test_shares_leave_only_after_it_is_written_that_they_may_have_opened_the_round(rounds: Rounds) -> None:
    written: list[frozenset[str]] = []

    async def write(_: m.RoundReply) -> None:
        written.append(rounds.state.exposed)

    participant: Any = SimpleNamespace(survivors=OWNERS, idle=frozenset(), reveal=lambda _: m.Revelation())
    engaged = Engagement(TERMS, participant, Part(TERMS.kind, Parts({}, {})))
    call: Any = SimpleNamespace(write=write)
    standing: Any = SimpleNamespace()
    await rounds._step(call, m.RoundOrder(agreements=m.Agreements(), nonce=TERMS.nonce), engaged, standing)
    assert written == [OWNERS]
    assert rounds.state.exposed_kind is m.RoundKind.INCREMENTAL
