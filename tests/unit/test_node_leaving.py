"""An owner that leaves, comes back before it is out, and leaves again: its last word counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import toy

from ridgeway.coordinator.founding import Wishes
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.node import agent as agent_module
from ridgeway.node.agent import Agent
from ridgeway.node.state import EVERYTHING, Membership
from ridgeway.proto import messages as m
from ridgeway.runtime.data_dir import DataDirectory


@pytest.fixture(params=[Masking.REQUIRED, Masking.OFF])
def agent(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """A member whose coordinator does not answer."""
    (tmp_path / "law.txt").write_text("w1 w2\n")
    wishes = Wishes(features=FeatureMap.TOKENS, masking=request.param)
    manifest = wishes.manifest("f" * 32, toy.toy_embedder().fingerprint).to_json().decode()
    made = Agent(DataDirectory(tmp_path / "node", "node", create=True))
    made.state.enrolled(Membership("alpha", "f" * 32, "coordinator:7443", manifest, "toy"), 1)

    async def settle_later(*_: object) -> None:
        """Nothing is acknowledged."""

    monkeypatch.setattr(agent_module.Agent, "_settle", settle_later)
    yield made
    made.state.close()


def joining(tmp_path: Path) -> m.JoinRequest:
    return m.JoinRequest(sources=(m.PromptSource("law", str(tmp_path / "law.txt")),))


async def test_an_owner_that_leaves_again_has_nothing_left_to_contribute(agent: Agent, tmp_path: Path) -> None:
    """Found by seed 95 of the simulator: the second leave was taken for the first, and the data stayed in the sum."""
    for _ in range(2):
        await agent.join(joining(tmp_path), lambda _: None)
        await agent.leave(EVERYTHING, lambda _: None)
    assert agent.state.sources() == {}
    assert list(agent.state.withdrawals()) == [EVERYTHING]
    assert agent.state.withdrawals()[EVERYTHING].sequence == 2


async def test_whoever_joins_again_before_a_round_took_it_out_stays(agent: Agent, tmp_path: Path) -> None:
    await agent.leave(EVERYTHING, lambda _: None)
    await agent.join(joining(tmp_path), lambda _: None)
    assert list(agent.state.sources()) == ["law"]
    # Without masking the withdrawal may have arrived long ago, so it is sent again all the same.
    assert bool(agent.state.withdrawals()) is not agent.masked


@pytest.mark.parametrize("agent", [Masking.REQUIRED], indirect=True)
async def test_a_node_does_not_leave_while_a_round_is_open_that_may_have_put_it_into_the_sum(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by seed 297 of the simulator: it left, the round was committed, and what it had brought stayed for good."""
    withdrawn: list[str] = []

    class Delivery:
        async def withdrawals(self, _: object) -> None:
            withdrawn.extend(agent.state.withdrawals())

        async def experts(self, *, again: bool) -> None:
            """There are none."""

    monkeypatch.setattr(agent_module.Agent, "delivery", lambda _: Delivery())
    await agent.join(joining(tmp_path), lambda _: None)
    agent.rounds.state.enter(b"n" * 32, {})
    await agent.leave(EVERYTHING, lambda _: None)
    await agent.settle()
    assert withdrawn == []
    assert not agent.state.last_committed()
    agent.rounds.state.aborted()
    await agent.settle()
    assert withdrawn == [EVERYTHING]
