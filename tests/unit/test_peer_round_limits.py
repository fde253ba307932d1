"""What one member can cost the others in rounds among peers: numbers, waiting, memory."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ridgeway.peers import aggregating
from ridgeway.peers.aggregating import NUMBER_STEP_MAX, PeerHall
from ridgeway.peers.local_stream import REPLIES_HELD, LocalStream
from ridgeway.proto import messages as m
from ridgeway.secagg.round_policy import Start


def next_number(ours: int, said: dict[str, int]) -> int:
    """The number of the next round of one whose highest is `ours`, to which owners come that say theirs."""
    connections = {owner: SimpleNamespace(intention=m.Intention(last_round=last)) for owner, last in said.items()}
    chair = SimpleNamespace(state=SimpleNamespace(last_number=ours))
    rounds: Any = SimpleNamespace(_chair=chair, _connections=connections)
    start = Start(m.RoundKind.INCREMENTAL, frozenset(said))
    number: int = PeerHall._next_number(cast(PeerHall, rounds), start)
    return number


def test_a_round_s_number_is_beyond_all_that_its_owners_have_used() -> None:
    assert next_number(7, {"ann": 3, "bob": 12}) == 13
    assert next_number(7, {"ann": 3}) == 8


def test_nobody_uses_all_numbers_up_by_what_it_says() -> None:
    assert next_number(7, {"ann": 7 + NUMBER_STEP_MAX}) == 8 + NUMBER_STEP_MAX
    assert next_number(7, {"ann": 8 + NUMBER_STEP_MAX, "bob": 9}) == 10


async def test_votes_are_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregating, "VOTES_WAIT_S", 0.05)
    engine = SimpleNamespace(
        roster=SimpleNamespace(rounds=SimpleNamespace(ended=lambda _: None)), changed=asyncio.Event()
    )
    rounds: Any = SimpleNamespace(_chair=SimpleNamespace(engine=engine))
    async with asyncio.timeout(5):
        assert not await PeerHall._is_voted_for(cast(PeerHall, rounds), m.RoundTerms())


async def test_a_member_that_adds_up_its_own_vector_too_waits_for_itself() -> None:
    heard: Any = SimpleNamespace(follow=lambda _owner, said, _done: said)
    stream = LocalStream(heard, "ann")
    for _ in range(REPLIES_HELD):
        await stream.write(m.RoundReply())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream.write(m.RoundReply())
    await anext(cast(Any, stream.orders))
    async with asyncio.timeout(5):
        await stream.write(m.RoundReply())
