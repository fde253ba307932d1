"""Whatever the other side of a round sends: a refusal of our own at most, and no change for anybody else."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secagg_rounds import Node, Rehearsal, plain_sum, some_nodes, step_of

from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto.codec import MalformedMessage, decode, encode
from ridgeway.secagg.aggregator import Aggregator, Orders, Phase
from ridgeway.secagg.cohort import Roster, checked_cohort
from ridgeway.secagg.participant import Finished, Participant

numbers = st.sampled_from([0, 1, 2, 3, 5, 2**16, 2**31, 2**32 - 1])
noise = st.binary(max_size=80)
shares = st.builds(m.Share, numbers, noise)
boxes = st.builds(m.SealedShare, numbers, noise)
adverts = st.builds(m.Advertisement, noise, noise, noise)
neighbours = st.builds(m.Neighbour, numbers, st.none() | adverts, st.lists(noise, max_size=3).map(tuple))
cohorts = st.builds(
    m.Cohort,
    numbers,
    numbers,
    numbers,
    noise,
    st.lists(noise, max_size=3).map(tuple),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
    st.lists(neighbours, max_size=4).map(tuple),
)
deliveries = st.builds(m.ShareDelivery, noise, st.lists(boxes, max_size=4).map(tuple))
survivors = st.builds(m.Survivors, noise)
agreements = st.builds(m.Agreements, st.lists(st.builds(m.Agreement, numbers, noise), max_size=4).map(tuple))
revelations = st.builds(m.Revelation, st.lists(shares, max_size=4).map(tuple), st.lists(shares, max_size=4).map(tuple))
replies = st.one_of(
    st.builds(lambda it: m.RoundReply(advertisement=it), adverts),
    st.builds(lambda it: m.RoundReply(shares=m.SealedShares(it)), st.lists(boxes, max_size=5).map(tuple)),
    st.builds(lambda it: m.RoundReply(agreement=it), st.builds(m.Agreement, numbers, noise)),
    st.builds(lambda it: m.RoundReply(revelation=it), revelations),
    st.builds(lambda it: m.RoundReply(refusal=it), st.text(max_size=20)),
    st.just(m.RoundReply()),
)
strange_orders = st.one_of(cohorts, deliveries, survivors, agreements)
STEPS: dict[type, Callable[[Participant], Callable[..., object]]] = {
    m.Cohort: lambda participant: participant.share,
    m.ShareDelivery: lambda participant: participant.masks,
    m.Survivors: lambda participant: participant.agree,
    m.Agreements: lambda participant: participant.reveal,
}


@given(st.binary(max_size=200), st.sampled_from([m.RoundReply, m.RoundOrder, m.AdvertisementBody]))
def test_bytes_that_are_no_message(data: bytes, kind: type) -> None:
    try:
        message: object = decode(kind, data)
    except MalformedMessage:
        return
    assert isinstance(message, kind)


@given(strange_orders, st.integers(0, 4), st.integers(0, 2**16))
def test_a_participant_refuses_what_does_not_fit_and_forgets_its_secrets(order: object, after: int, seed: int) -> None:
    """After any number of good orders comes one that a fuzzer made."""
    nodes = some_nodes(4, 5, seed)
    node = nodes[0]
    drive(Rehearsal(nodes, seed=seed), node, after)
    participant = node.participant
    assert participant is not None
    try:
        STEPS[type(order)](participant)(order)
    except RidgewayError:
        assert isinstance(participant.phase, Finished)


def drive(rehearsal: Rehearsal, victim: Node, steps: int) -> None:
    """Run a round until the victim has taken so many steps after its advertisement; it gets no more."""
    queue, taken = rehearsal.aggregator.start(), 0
    while queue:
        owner, order = queue.pop(0)
        if owner == victim.owner and step_of(order) not in {"terms", "input_wanted"}:
            if taken == steps:
                continue
            taken += 1
        queue += rehearsal._deliver(rehearsal.by_owner[owner], order)


@given(st.lists(st.tuples(st.integers(0, 5), replies), max_size=8), st.integers(0, 2**16))
def test_one_owner_s_nonsense_changes_nothing_for_the_others(
    strange: list[tuple[int, m.RoundReply]], seed: int
) -> None:
    """Replies of a fuzzer come between those of six owners; they are all the first owner's."""
    nodes = some_nodes(6, 5, seed)
    rehearsal = Rehearsal(nodes, seed=seed)
    receive, waiting, deliveries_seen = rehearsal.aggregator.receive, list(strange), 0

    def with_nonsense(owner: str, reply: m.RoundReply, now: float) -> Orders:
        nonlocal deliveries_seen
        deliveries_seen += 1
        orders: Orders = []
        if waiting and deliveries_seen > 3 * waiting[0][0]:
            fuzzed = decode(m.RoundReply, encode(waiting.pop(0)[1]))
            with contextlib.suppress(RidgewayError):
                orders += receive(nodes[0].owner, fuzzed, now)
        return orders + receive(owner, reply, now)

    rehearsal.aggregator.receive = with_nonsense  # type: ignore[method-assign]
    try:
        total = rehearsal.run()
    except RidgewayError:
        return
    if total is not None:
        assert (total.vector == plain_sum(nodes, {body.owner for body in total.survivors})).all()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("size", [100_001, 2**31, 2**32 - 1])
def test_a_cohort_of_billions_costs_nothing(size: int) -> None:
    node = some_nodes(1)[0]
    participant = node.join(m.RoundTerms(), 3)
    with pytest.raises(RidgewayError):
        checked_cohort(m.RoundTerms(), m.Cohort(size, 0, 3), participant.advertisement, Roster({}), 3)


def test_a_round_that_was_aborted_takes_nothing_more() -> None:
    nodes = some_nodes(3, 5)
    invited = {node.owner: node.key.public_bytes for node in nodes}
    aggregator = Aggregator(m.RoundTerms(), invited, 3, lambda _: 5, 0.0)
    aggregator.abort("a test")
    for node in nodes:
        advertisement = node.join(m.RoundTerms(), 3).advertisement
        assert aggregator.receive(node.owner, m.RoundReply(advertisement=advertisement), 0.0) == []
        assert aggregator.take_input(node.owner, node.vector.size, [node.vector], 0.0) == []
    assert aggregator.tick(1e9) == []
    assert aggregator.phase is Phase.ABORTED
