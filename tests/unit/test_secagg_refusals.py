"""A dishonest aggregator: each trick is one that the nodes refuse, saying why, and that uncovers nobody."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from secagg_rounds import Node, Rehearsal, round_terms, some_nodes

from ridgeway.crypto.identity import IdentityKey
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.secagg.advertisements import WrongRound, sign
from ridgeway.secagg.aggregator import Aggregator, OutOfTurn, Phase, WrongVector
from ridgeway.secagg.cohort import (
    CohortTooSmall,
    ForgedCohort,
    ForgedRoster,
    Roster,
    ThresholdTooLow,
    fingerprint,
    leaf,
)
from ridgeway.secagg.merkle import Tree
from ridgeway.secagg.participant import Finished, NoAgreement, OutOfPhase, Participant, TellingDifference, TooFewLeft
from ridgeway.secagg.positions import to_bitmap
from ridgeway.secagg.shamir import BadShares

Tamper = Callable[[str, m.RoundOrder], m.RoundOrder]
VICTIM = "owner-0000"


def refusals(nodes: list[Node], tamper: Tamper, **settings: object) -> list[RidgewayError | None]:
    """Run a round with a dishonest aggregator; nobody who refused is in a sum; why each node stopped."""
    total = Rehearsal(nodes, tamper=tamper, **settings).run()  # type: ignore[arg-type]
    summed = {body.owner for body in total.survivors} if total else set()
    assert not summed & {node.owner for node in nodes if node.refusal}
    return [node.refusal for node in nodes]


def with_cohort(change: Callable[[m.Cohort], m.Cohort], only: str = "") -> Tamper:
    def tamper(owner: str, order: m.RoundOrder) -> m.RoundOrder:
        if order.cohort is None or only not in {"", owner}:
            return order
        return m.RoundOrder(cohort=change(order.cohort))

    return tamper


def with_first_neighbour(change: Callable[[m.Neighbour], m.Neighbour]) -> Tamper:
    return with_cohort(
        lambda cohort: replace(cohort, neighbours=(change(cohort.neighbours[0]), *cohort.neighbours[1:]))
    )


def forged(neighbour: m.Neighbour, key: IdentityKey) -> m.Neighbour:
    """A neighbour's advertisement with another mask key, signed by whom the aggregator controls."""
    assert neighbour.advertisement is not None
    body = decode(m.AdvertisementBody, neighbour.advertisement.body)
    return replace(neighbour, advertisement=sign(key, replace(body, mask_key=b"\x09" + bytes(31))))


def test_replaced_keys() -> None:
    key = IdentityKey.generate()
    seen = refusals(some_nodes(4), with_first_neighbour(lambda neighbour: forged(neighbour, key)))
    assert all(isinstance(refusal, ForgedCohort) for refusal in seen)


def test_a_whole_forged_cohort_around_one_owner_is_known_by_its_roster() -> None:
    """Everybody else's keys replaced, the tree built anew: only the identity keys of before can tell."""
    nodes, accomplice = some_nodes(4), [IdentityKey.generate() for _ in range(3)]
    nodes[0].roster = Roster({node.owner: fingerprint(node.key.public_bytes) for node in nodes})

    def forge(cohort: m.Cohort) -> m.Cohort:
        assert nodes[0].participant is not None
        around = [forged(neighbour, key) for neighbour, key in zip(cohort.neighbours, accomplice, strict=True)]
        return rebuilt(
            cohort,
            nodes[0].participant.advertisement,
            [neighbour.advertisement for neighbour in around if neighbour.advertisement],
        )

    assert isinstance(refusals(nodes, with_cohort(forge, only=VICTIM))[0], ForgedRoster)


def test_a_stranger_where_the_roster_is_closed() -> None:
    nodes = some_nodes(4)
    nodes[0].roster = Roster({node.owner: fingerprint(node.key.public_bytes) for node in nodes[:3]}, closed=True)
    assert isinstance(refusals(nodes, lambda _, order: order)[0], ForgedRoster)


@pytest.mark.parametrize("threshold", [0, 1, 2, 4, 2**32 - 1])
def test_a_threshold_that_is_not_the_plan_s(threshold: int) -> None:
    seen = refusals(some_nodes(4), with_cohort(lambda cohort: replace(cohort, threshold=threshold)))
    assert all(isinstance(refusal, ThresholdTooLow) for refusal in seen)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_cohort_below_the_manifest_s_minimum(size: int) -> None:
    seen = refusals(some_nodes(4), with_cohort(lambda cohort: replace(cohort, size=size)))
    assert all(isinstance(refusal, CohortTooSmall) for refusal in seen)


def test_a_cohort_that_hides_a_neighbour() -> None:
    seen = refusals(some_nodes(5), with_cohort(lambda cohort: replace(cohort, neighbours=cohort.neighbours[1:])))
    assert all(isinstance(refusal, ForgedCohort) for refusal in seen)


def test_one_owner_twice() -> None:
    key = IdentityKey.generate()
    nodes = some_nodes(4)
    nodes[2].key = nodes[1].key = key
    assert any(isinstance(refusal, ForgedCohort) for refusal in refusals(nodes, lambda _, order: order))


def test_an_aggregator_that_drops_the_domains_of_one() -> None:
    seen = refusals(some_nodes(4), with_cohort(lambda cohort: replace(cohort, domains=())))
    assert all(isinstance(refusal, ForgedCohort) for refusal in seen)


def test_two_changes_among_many_that_only_cover() -> None:
    nodes = some_nodes(6)
    for node in nodes[2:]:
        node.changed = False
    rehearsal = Rehearsal(nodes)
    assert rehearsal.run() is None
    assert "2 owners with a change" in rehearsal.aggregator.reason
    # An aggregator that went on all the same would be refused.
    trusting = Rehearsal(nodes, min_cohort=3)
    trusting.aggregator._min_cohort = 1
    assert trusting.run() is None
    assert all(isinstance(node.refusal, CohortTooSmall) for node in nodes)


@pytest.mark.parametrize("kept", [[0], [0, 1], [0, 1, 2], [1, 2, 3]])
def test_a_shrunken_list_of_those_who_shared(kept: list[int]) -> None:
    """The victim's masks would be with accomplices only; or with nobody."""

    def tamper(owner: str, order: m.RoundOrder) -> m.RoundOrder:
        if owner != VICTIM or order.shares is None:
            return order
        return m.RoundOrder(shares=replace(order.shares, sharers=to_bitmap(kept, 6)))

    nodes = some_nodes(6)
    Rehearsal(nodes, tamper=tamper).run()
    assert isinstance(nodes[0].refusal, TooFewLeft)


@pytest.mark.parametrize(
    ("opened", "refused"), [("same", False), ("one less", True), ("one more", True), ("others", False)]
)
def test_a_round_that_differs_by_one_owner_from_an_opened_one(opened: str, refused: bool) -> None:
    """The aggregator says that the round before came to nothing, after all had revealed their shares."""
    nodes = some_nodes(6)
    everybody = frozenset(node.owner for node in nodes)
    before = {
        "same": everybody,
        "one less": everybody - {VICTIM},
        "one more": everybody | {"stranger"},
        "others": everybody - {node.owner for node in nodes[:3]},
    }[opened]
    for node in nodes:
        node.exposed = before
    total = Rehearsal(nodes).run()
    assert (total is None) == refused
    assert all(isinstance(node.refusal, TellingDifference) == refused for node in nodes)


@pytest.mark.parametrize(("idle", "refused"), [(2, True), (0, False)])
def test_idle_owners_do_not_hide_who_is_missing_from_an_opened_round(idle: int, refused: bool) -> None:
    """They bring zeros to both sums: the difference would be the change of the one who is missing, and nothing else."""
    nodes = some_nodes(5)
    for node in nodes[:idle]:
        node.changed = False
    for node in nodes:
        node.exposed = frozenset({"gone", *(other.owner for other in nodes[2:])})
    total = Rehearsal(nodes).run()
    assert (total is None) == refused
    assert all(isinstance(node.refusal, TellingDifference) == refused for node in nodes)


@pytest.mark.parametrize(("others", "refused"), [(0, True), (1, True), (2, False)])
def test_who_brings_another_vector_than_to_an_opened_round_is_one_of_those_who_differ(
    others: int, refused: bool
) -> None:
    """The aggregator says that it holds nothing of a node any more; the same owners again would show what it held."""
    nodes = some_nodes(6)
    nodes[0].rebased = True
    nodes[0].exposed = frozenset(node.owner for node in nodes[: 6 - others])
    Rehearsal(nodes).run()
    assert isinstance(nodes[0].refusal, TellingDifference) == refused


def survivors_seen(lists: dict[str, list[int]], size: int) -> Tamper:
    def tamper(owner: str, order: m.RoundOrder) -> m.RoundOrder:
        if order.survivors is None or owner not in lists:
            return order
        return m.RoundOrder(survivors=m.Survivors(to_bitmap(lists[owner], size)))

    return tamper


def test_a_list_of_survivors_without_the_one_who_is_asked() -> None:
    nodes = some_nodes(6)
    Rehearsal(nodes, tamper=survivors_seen({VICTIM: [1, 2, 3, 4, 5]}, 6)).run()
    assert isinstance(nodes[0].refusal, TooFewLeft)


def test_too_short_a_list_of_survivors() -> None:
    nodes = some_nodes(6)
    Rehearsal(nodes, tamper=survivors_seen({VICTIM: [0, 1, 2, 3]}, 6)).run()
    assert isinstance(nodes[0].refusal, TooFewLeft)


def test_different_lists_to_different_nodes() -> None:
    """Half sign a list with the victim, half one without: no list finds a threshold, and nobody reveals a share."""
    nodes = some_nodes(8)
    without = {f"owner-{place:04}": [1, 2, 3, 4, 5, 6, 7] for place in (4, 5, 6, 7)}
    terms = round_terms()
    participants = [node.join(terms, 3) for node in nodes]
    divided = Rehearsal(some_nodes(8), terms, tamper=survivors_seen(without, 8))
    assert divided.run() is None
    agreed = agree_all(participants, nodes, without)
    for place, participant in enumerate(participants):
        others = tuple(agreement for agreement in agreed if agreement.position != place)
        with pytest.raises(NoAgreement):
            participant.reveal(m.Agreements(others))
        assert isinstance(participant.phase, Finished)


def agree_all(participants: list[Participant], nodes: list[Node], lists: dict[str, list[int]]) -> list[m.Agreement]:
    """Everything up to the signatures with an aggregator that collects all of them, whatever they sign."""
    size = len(nodes)
    tree = Tree([leaf(participant.advertisement) for participant in participants])
    boxes: list[list[m.SealedShare]] = [[] for _ in nodes]
    for place, participant in enumerate(participants):
        cohort = m.Cohort(
            size,
            place,
            6,
            tree.root,
            tree.proof(place),
            ("law",),
            tuple(
                m.Neighbour(other, participants[other].advertisement, tree.proof(other))
                for other in range(size)
                if other != place
            ),
        )
        for share in participant.share(cohort).shares:
            boxes[share.position].append(m.SealedShare(place, share.box))
    everybody = list(range(size))
    for place, participant in enumerate(participants):
        participant.masks(m.ShareDelivery(to_bitmap(everybody, size), tuple(boxes[place])))
    return [
        participant.agree(m.Survivors(to_bitmap(lists.get(node.owner, everybody), size)))
        for participant, node in zip(participants, nodes, strict=True)
    ]


def test_no_second_list_and_no_second_revelation() -> None:
    """Asked again, with whatever list, a node that has revealed one kind of share reveals nothing."""
    nodes = some_nodes(8)
    participants = [node.join(round_terms(), 3) for node in nodes]
    agreed = agree_all(participants, nodes, {})
    first, second = participants[:2]
    with pytest.raises(OutOfPhase):
        first.agree(m.Survivors(to_bitmap(range(1, 8), 8)))
    with pytest.raises(OutOfPhase):
        first.reveal(m.Agreements(tuple(agreed)))
    revealed = second.reveal(m.Agreements(tuple(agreed)))
    assert {share.position for share in revealed.seed_shares} == set(range(8))
    assert not revealed.key_shares
    with pytest.raises(OutOfPhase):
        second.reveal(m.Agreements(tuple(agreed)))


def test_a_forged_signature_does_not_count() -> None:
    nodes = some_nodes(8)
    participants = [node.join(round_terms(), 3) for node in nodes]
    agreed = agree_all(participants, nodes, {})
    forgery = [replace(agreement, signature=agreed[0].signature) for agreement in agreed]
    with pytest.raises(NoAgreement):
        participants[1].reveal(m.Agreements(tuple(forgery)))


def rebuilt(cohort: m.Cohort, own: m.Advertisement, around: list[m.Advertisement]) -> m.Cohort:
    """A cohort that agrees with itself: our advertisement first, then others that the aggregator likes better."""
    tree = Tree([leaf(advertisement) for advertisement in (own, *around)])
    return replace(
        cohort,
        root=tree.root,
        proof=tree.proof(0),
        neighbours=tuple(m.Neighbour(place, other, tree.proof(place)) for place, other in enumerate(around, start=1)),
    )


def test_keys_of_an_earlier_round() -> None:
    """The others' signed keys of a round that is over, and whose secrets have been opened, shown to one owner again."""
    nodes, old = some_nodes(4), round_terms(number=1)
    earlier = [node.join(old, 3).advertisement for node in nodes[1:]]

    def replay(cohort: m.Cohort) -> m.Cohort:
        assert nodes[0].participant is not None
        return rebuilt(cohort, nodes[0].participant.advertisement, earlier)

    seen = refusals(nodes, with_cohort(replay, only=VICTIM), terms=round_terms(number=2))
    assert isinstance(seen[0], WrongRound)


def test_a_cohort_without_our_own_keys() -> None:
    nodes = some_nodes(4)
    other = nodes[1].join(round_terms(), 3).advertisement
    seen = refusals(nodes, with_cohort(lambda cohort: rebuilt(cohort, other, [other] * 3), only=VICTIM))
    assert isinstance(seen[0], ForgedCohort)


def test_messages_out_of_order_end_the_round_for_the_node() -> None:
    node = some_nodes(1)[0]
    for early in ("masks", "agree", "reveal"):
        participant = node.join(round_terms(), 3)
        empty = {"masks": m.ShareDelivery(), "agree": m.Survivors(), "reveal": m.Agreements()}[early]
        with pytest.raises(OutOfPhase):
            getattr(participant, early)(empty)
        assert isinstance(participant.phase, Finished)


def test_an_owner_that_reveals_nonsense_voids_the_round() -> None:
    nodes = some_nodes(5)
    rehearsal = Rehearsal(nodes)
    receive = rehearsal.aggregator.receive

    def corrupt(owner: str, reply: m.RoundReply, now: float) -> object:
        if owner == VICTIM and reply.revelation is not None:
            wrong = tuple(replace(share, value=bytes(33)) for share in reply.revelation.seed_shares)
            reply = m.RoundReply(revelation=replace(reply.revelation, seed_shares=wrong))
        return receive(owner, reply, now)

    rehearsal.aggregator.receive = corrupt  # type: ignore[method-assign,assignment]
    with pytest.raises(BadShares):
        rehearsal.run()


def test_what_the_aggregator_does_not_take() -> None:
    nodes = some_nodes(4)
    aggregator = Aggregator(round_terms(), {node.owner: node.key.public_bytes for node in nodes}, 3, lambda _: 40, 0.0)
    with pytest.raises(OutOfTurn):
        aggregator.receive("stranger", m.RoundReply(refusal="x"), 0.0)
    with pytest.raises(OutOfTurn):
        aggregator.receive(VICTIM, m.RoundReply(), 0.0)
    assert aggregator.take_input(VICTIM, nodes[0].vector.size, [nodes[0].vector], 0.0) == []
    assert not aggregator.vector.any()
    assert aggregator.receive(VICTIM, m.RoundReply(agreement=m.Agreement()), 0.0) == []
    other = nodes[1].join(round_terms(), 3)
    assert aggregator.receive(VICTIM, m.RoundReply(advertisement=other.advertisement), 0.0) == []
    assert "another identity" in aggregator.dropouts[VICTIM]


def test_a_masked_vector_of_another_length() -> None:
    nodes = some_nodes(4)
    nodes[0].vector = nodes[0].vector[:-1]
    rehearsal = Rehearsal(nodes[1:] + nodes[:1])
    with pytest.raises(WrongVector):
        rehearsal.run()


def test_a_deadline_names_whom_it_waited_for() -> None:
    nodes = some_nodes(4)
    aggregator = Aggregator(round_terms(), {node.owner: node.key.public_bytes for node in nodes}, 3, lambda _: 40, 0.0)
    aggregator.start()
    for node in nodes[:2]:
        aggregator.receive(node.owner, m.RoundReply(advertisement=node.join(round_terms(), 3).advertisement), 1.0)
    assert aggregator.missing == ("owner-0002", "owner-0003")
    assert aggregator.deadline is not None
    assert aggregator.tick(aggregator.deadline - 1) == []
    aggregator.tick(aggregator.deadline)
    assert aggregator.phase is Phase.ABORTED
    assert "owner-0002: it did not send its keys in time" in aggregator.reason


def test_no_secret_is_shown() -> None:
    node = some_nodes(1)[0]
    participant = node.join(round_terms(), 3)
    shown = repr(participant.phase) + repr(vars(participant))
    assert all(repr(node.entropy[start : start + 8])[2:-1] not in shown for start in range(0, len(node.entropy), 8))


def test_owners_that_only_cover_hide_nobody_from_the_difference_to_an_opened_round() -> None:
    """Their vectors are zero: three of them more, and one with a change less, would give that one's change away."""
    nodes = some_nodes(7)
    for node in nodes[4:]:
        node.changed, node.vector = False, np.zeros_like(node.vector)
    for node in nodes:
        node.exposed = frozenset({*(one.owner for one in nodes[:4]), "stranger"})
    assert Rehearsal(nodes).run() is None
    assert all(isinstance(node.refusal, TellingDifference) for node in nodes)


@pytest.mark.parametrize("alone", [True, False])
def test_an_aggregator_that_has_gone_is_missed_by_nobody_but_whoever_else_knows_the_sum(alone: bool) -> None:
    """Only it can know the sum of the opened round, and what the difference tells is its own part."""
    nodes = some_nodes(6)
    for node in nodes:
        node.exposed = frozenset({*(one.owner for one in nodes), "aggregator"})
        node.excused = frozenset({"aggregator"}) if alone else frozenset()
    assert (Rehearsal(nodes).run() is not None) == alone
