"""What counts once, or only with everybody's signature: found missing by `scripts/plant_bugs.py`."""

from dataclasses import replace

import numpy as np
import pytest
from secagg_rounds import Rehearsal, round_terms, some_nodes, step_of

from ridgeway.crypto.identity import BadSignature, IdentityKey
from ridgeway.proto import messages as m
from ridgeway.proto.records import RECORD_VERSION, open_withdrawal, sign_withdrawal
from ridgeway.secagg.advertisements import open_advertisement
from ridgeway.secagg.masks import masked
from ridgeway.secagg.participant import NoAgreement, TooFewLeft
from ridgeway.secagg.plan import plan
from ridgeway.secagg.positions import to_bitmap
from ridgeway.secagg.terms import terms_digest

VICTIM = "owner-0000"


def test_one_signature_below_the_threshold_reveals_nothing() -> None:
    nodes = some_nodes(4)
    short = plan(4).threshold - 2

    def fewer(owner: str, order: m.RoundOrder) -> m.RoundOrder:
        if owner != VICTIM or order.agreements is None:
            return order
        return replace(order, agreements=m.Agreements(order.agreements.agreements[:short]))

    assert short == 1
    Rehearsal(nodes, tamper=fewer).run()
    assert isinstance(nodes[0].refusal, NoAgreement)


def test_a_list_of_survivors_with_somebody_who_shared_nothing_is_not_signed() -> None:
    nodes = some_nodes(6)
    nodes[5].vanishes = "cohort"

    def everybody(owner: str, order: m.RoundOrder) -> m.RoundOrder:
        if owner != VICTIM or order.survivors is None:
            return order
        return replace(order, survivors=m.Survivors(to_bitmap(range(6), 6)))

    Rehearsal(nodes, tamper=everybody).run()
    assert isinstance(nodes[0].refusal, TooFewLeft)
    assert "shared nothing" in str(nodes[0].refusal)


def test_a_vector_that_comes_twice_is_added_once() -> None:
    rehearsal = Rehearsal(some_nodes(4))
    orders, wanted = rehearsal.aggregator.start(), list[str]()
    while orders:
        owner, order = orders.pop(0)
        if step_of(order) == "input_wanted":
            wanted.append(owner)
        else:
            orders += rehearsal._deliver(rehearsal.by_owner[owner], order)
    node, aggregator = rehearsal.by_owner[wanted[0]], rehearsal.aggregator
    for _ in range(2):
        aggregator.take_input(node.owner, node.vector.size, masked([node.vector], node.masks), 0.0)
    np.testing.assert_array_equal(aggregator.vector, next(masked([node.vector], node.masks)))


def test_an_advertisement_that_its_owner_did_not_sign_is_not_opened() -> None:
    node, terms = some_nodes(1)[0], round_terms()
    advertisement = node.join(terms, 3).advertisement
    open_advertisement(advertisement, terms_digest(terms))
    forged = replace(advertisement, signature=bytes(64))
    with pytest.raises(BadSignature):
        open_advertisement(forged, terms_digest(terms))


def test_a_withdrawal_that_its_owner_did_not_sign_is_not_opened() -> None:
    key = IdentityKey.generate()
    record = sign_withdrawal(key, m.WithdrawalBody(RECORD_VERSION, "f" * 32, "alpha", "law", 3))
    assert open_withdrawal(record, key.public_bytes).domain == "law"
    with pytest.raises(BadSignature):
        open_withdrawal(record, IdentityKey.generate().public_bytes)
