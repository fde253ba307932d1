"""Rounds among peers by a seed: whoever dies, however the network splits, the sum is exact and everybody's the same."""

import pytest
from peer_rounds import DOMAIN, OWNERS, a_story, both_ways, direct

SEEDS = 60


@pytest.mark.parametrize("start", range(0, SEEDS, 10))
def test_whoever_dies_the_sum_is_exact_and_the_same_for_all(start: int) -> None:
    for seed in range(start, start + 10):
        world = a_story(seed)
        assert not both_ways(world), seed
        peers = list(world.peers.values())
        assert all(peer.seat is None for peer in peers), seed
        parts = [(DOMAIN, peer.committed) for peer in peers if peer.committed is not None]
        assert {world.digest(peer) for peer in peers} == {direct(*parts)}, seed
        assert any(peer.roster.rounds.counted for peer in peers), seed
        assert len(peers) == len(OWNERS)
