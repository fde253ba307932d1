"""What a masked peer keeps on disk of rounds: its seat and vote, and the sums that count."""

from pathlib import Path

import numpy as np
import pytest
from light_client import random_contribution
from peer_rounds import DOMAIN, FEDERATION, LAYOUT, MANIFEST, OWNERS, direct

from ridgeway.node.round_state import RoundState
from ridgeway.node.state import NodeState
from ridgeway.peers.ballot import Ballot
from ridgeway.peers.payload_folder import PayloadFolder
from ridgeway.peers.round_summing import RoundSumming
from ridgeway.peers.summing import Unsummed, Wanted
from ridgeway.proto import messages as m
from ridgeway.roster.round_book import CountedRound
from ridgeway.roster.seat import Seat
from ridgeway.round_vector import SignedContribution, change


def test_a_seat_and_its_vote_outlive_the_process(tmp_path: Path) -> None:
    terms = m.RoundTerms(1, FEDERATION, MANIFEST.digest(), 3, b"n" * 32, m.RoundKind.INCREMENTAL, aggregator="ann")
    cohort = tuple(m.RoundSeat(owner, 1, "", True, True, (DOMAIN,), (DOMAIN,)) for owner in OWNERS)
    seat = Seat(terms, cohort, 2, entered=True, survivors=frozenset(OWNERS)).voted(b"v" * 32)
    state = NodeState(tmp_path / "node.db")
    assert Ballot(state).seat is None
    Ballot(state).write(seat)
    state.close()
    state = NodeState(tmp_path / "node.db")
    assert Ballot(state).seat == seat
    Ballot(state).clear()
    assert Ballot(state).seat is None
    state.close()


def test_only_an_aggregator_that_kept_the_sum_to_itself_is_excused(tmp_path: Path) -> None:
    state = NodeState(tmp_path / "node.db")
    rounds = RoundState(state)
    rounds.reveals({"ann", "bob", "cat"}, m.RoundKind.INCREMENTAL, "ann", frozenset({"cat"}))
    assert rounds.excused == {"ann"}
    assert rounds.exposed_idle == {"cat"}
    rounds.told_of_sum()
    assert not rounds.excused
    assert rounds.exposed == {"ann", "bob", "cat"}
    rounds.reveals({"bob", "cat", "dan"}, m.RoundKind.INCREMENTAL, "ann")
    assert rounds.excused == frozenset()
    rounds.lose_track()
    assert rounds.out_of_step
    state.close()


def kept(folder: PayloadFolder, nonce: bytes, *parts: tuple[int, int]) -> CountedRound:
    """A round that brings contributions, as (seed, sign)."""
    signed = [SignedContribution(DOMAIN, random_contribution(seed, MANIFEST), 20, sign) for seed, sign in parts]
    payload = folder.keep_sum(change(LAYOUT, (DOMAIN,), signed))
    return CountedRound(nonce, payload.digest, (DOMAIN,))


def wanted(*rounds: CountedRound) -> Wanted:
    return Wanted(b"r" * 32, 1, 1, {}, (), 0, rounds)


def test_rounds_add_up_in_any_order_and_a_new_era_is_added_up_anew(tmp_path: Path) -> None:
    folder = PayloadFolder(tmp_path)
    join = kept(folder, b"1" * 32, (1, 1), (2, 1), (3, 1))
    leave = kept(folder, b"2" * 32, (1, -1), (2, -1), (4, 1))
    afresh = kept(folder, b"3" * 32, (5, 1), (6, 1), (7, 1))
    summing = RoundSumming(MANIFEST, folder)
    early = summing.bring(wanted(leave))
    assert (early.sum_digest, early.router) == (b"", None)
    assert "not come here yet" in early.problem
    assert summing.bring(wanted(leave, join)).sum_digest == direct((DOMAIN, 3), (DOMAIN, 4))
    assert summing.bring(wanted(afresh)).sum_digest == direct((DOMAIN, 5), (DOMAIN, 6), (DOMAIN, 7))
    again = RoundSumming(MANIFEST, folder)
    assert again.bring(wanted(join, leave)).sum_digest == direct((DOMAIN, 3), (DOMAIN, 4))


def test_a_lost_sum_is_said_to_be_lost_and_counts_once_it_is_back(tmp_path: Path) -> None:
    folder = PayloadFolder(tmp_path)
    join = kept(folder, b"1" * 32, (1, 1), (2, 1), (3, 1))
    data = folder.path(join.payload_digest).read_bytes()
    folder.lost(join.payload_digest)
    summing = RoundSumming(MANIFEST, folder)
    with pytest.raises(Unsummed):
        summing.bring(wanted(join))
    folder.keep_sum(np.frombuffer(data, dtype=np.int64))
    assert summing.bring(wanted(join)).sum_digest == direct((DOMAIN, 1), (DOMAIN, 2), (DOMAIN, 3))
