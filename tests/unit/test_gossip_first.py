"""A member that everybody dials first: whom others speak with at every exchange, and whose stream nobody ends."""

from random import Random

import pytest

from ridgeway.gossip import effects as ef
from ridgeway.gossip import events as ev
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.peer import Peer, Restored
from ridgeway.simulation.gossip_trust import judge

HUB = "hub"
OTHERS = tuple(f"peer-{number:02}" for number in range(80))
SMALL_VIEW = Parameters(view=4, view_rotation_s=2.0)


class Bench:
    """One peer of eighty and a hub, whose attempts to connect all work."""

    def __init__(self, name: str, first: str = HUB) -> None:
        self.peer = Peer(name, judge, Random(3), Restored(), SMALL_VIEW, first)
        self.now_s = 0.0
        self.dialled: list[str] = []
        self.ended: list[str] = []
        self.linked: set[str] = set()
        self.reachable = {HUB, *OTHERS}
        self.perform(ev.MembersKnown({name: f"{name}:7443" for name in (HUB, *OTHERS)}))

    def perform(self, event: ev.Event) -> ef.Effects:
        effects = self.peer.handle(event, self.now_s)
        for effect in effects:
            if isinstance(effect, ef.Connect):
                self.dialled.append(effect.peer)
                if effect.peer in self.reachable:
                    self.linked.add(effect.peer)
                    effects = [*effects, *self.perform(ev.Linked(effect.peer))]
            elif isinstance(effect, ef.Disconnect):
                self.ended.append(effect.peer)
                self.linked.discard(effect.peer)
        return effects

    def second(self) -> ef.Effects:
        """What happens until a second has passed."""
        effects: ef.Effects = []
        end_s = self.now_s + 1.0
        while self.peer.wake_at_s <= end_s:
            self.now_s = max(self.now_s, self.peer.wake_at_s)
            effects += self.perform(ev.Tick())
        self.now_s = end_s
        return effects


def compared_with(effects: ef.Effects) -> set[str]:
    return {e.peer for e in effects if isinstance(e, ef.Send) and e.frame.digest and not e.frame.digest.answer}


def test_it_is_dialled_before_all_others_and_is_part_of_every_exchange() -> None:
    bench = Bench(OTHERS[0])
    bench.second()
    assert bench.dialled[0] == HUB
    for _ in range(30):
        partners = compared_with(bench.second())
        assert HUB in partners
        assert len(partners) == SMALL_VIEW.push_pull_nodes


def test_its_stream_outlives_all_rotations() -> None:
    bench = Bench(OTHERS[0])
    for _ in range(60):
        bench.second()
    assert len(set(bench.ended)) > 5
    assert HUB not in bench.ended
    assert bench.dialled.count(HUB) == 1


def test_nobody_is_preferred_where_nobody_is_first() -> None:
    bench = Bench(OTHERS[0], first="")
    times = sum(HUB in compared_with(bench.second()) for _ in range(60))
    assert times < 40


def test_it_keeps_everybody_who_dials_it() -> None:
    for name, kept in ((HUB, True), (OTHERS[-1], False)):
        bench = Bench(name)
        for other in OTHERS[:-1]:
            bench.linked.add(other)
            bench.perform(ev.Linked(other))
        for _ in range(5):
            bench.second()
        assert (not bench.ended) is kept


@pytest.mark.parametrize("clean", [True, False])
def test_gossip_goes_on_without_it_and_comes_back_to_it(*, clean: bool) -> None:
    bench = Bench(OTHERS[0])
    bench.second()
    bench.reachable.discard(HUB)
    bench.linked.discard(HUB)
    bench.perform(ev.LinkLost(HUB, clean))
    for _ in range(5):
        partners = compared_with(bench.second())
        assert HUB not in partners - {HUB}
        assert len(partners - {HUB}) >= 2
    bench.reachable.add(HUB)
    bench.perform(ev.Linked(HUB))
    bench.second()
    assert HUB in compared_with(bench.second())
