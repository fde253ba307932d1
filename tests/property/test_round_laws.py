"""What the records of masked rounds among peers mean: the same for everybody, and never two ends of one round."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_client import random_contribution
from peer_rounds import (
    AUTHORITY,
    FEDERATION,
    JUDGE,
    KEYS,
    LAYOUT,
    MANIFEST,
    MEMBERSHIPS,
    OWNERS,
    SIGNING,
    direct,
    entry,
    membership,
)

from ridgeway.crypto import labels
from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.gossip import effects as ef
from ridgeway.gossip import events as ev
from ridgeway.gossip.judging import Accept, InvalidRecord, NotYet
from ridgeway.gossip.peer import Peer
from ridgeway.gossip.record import Entry, gossip_digest
from ridgeway.manifest import Masking
from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.proto.records import RECORD_VERSION as CONTRIBUTION_VERSION
from ridgeway.proto.records import sign_contribution
from ridgeway.roster.charter import sign_charter
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.roster.rendezvous import aggregator
from ridgeway.roster.round_book import Era, RoundBook
from ridgeway.roster.round_records import (
    NUMBER_BYTES,
    body_digest,
    came_to_nothing,
    certified,
    round_key,
    vote_of,
    votes_for_nothing,
    votes_for_sum,
)
from ridgeway.roster.seat import Seat
from ridgeway.roster.standing import Roster
from ridgeway.round_vector import SignedContribution, as_sum, change, length
from ridgeway.secagg.plan import COMPLETE_MAX, threshold
from ridgeway.sums import FederationSum, InconsistentSum

INCREMENTAL, FULL = m.RoundKind.INCREMENTAL, m.RoundKind.FULL
FIRST = Era()


def lookup(key: str) -> Entry | None:
    record = MEMBERSHIPS.get(key)
    return entry(record) if record else None


def terms(number: int, kind: m.RoundKind = INCREMENTAL, era: Era = FIRST, members: Sequence[str] = ()) -> m.RoundTerms:
    return m.RoundTerms(
        1, FEDERATION, MANIFEST.digest(), number, bytes([number]) * 32, kind, members=tuple(sorted(members)),
        era=era.number + (kind is FULL), base=era.nonce, aggregator="ann", generation=1,
    )  # fmt: skip


def cohort(*owners: str, domains: tuple[str, ...] = ("law",)) -> tuple[m.RoundSeat, ...]:
    return tuple(m.RoundSeat(owner, 1, "", True, True, domains, domains) for owner in sorted(owners))


def summed(about: m.RoundTerms, seats: tuple[m.RoundSeat, ...], content: bytes = b"") -> m.RoundBody:
    domains = tuple(sorted({name for seat in seats for name in seat.domains}))
    size = NUMBER_BYTES * length(LAYOUT, len(domains))
    payload = content or bytes(size)
    return m.RoundBody(RECORD_VERSION, about, seats, True, domains, size, tuple(chunk_digests(payload)))


def ballots(body: m.RoundBody, voters: Sequence[str]) -> dict[int, bytes]:
    data, about = encode(body), body.terms
    assert about is not None
    return {
        position: KEYS[seat.owner].sign(labels.VOTE_SIGNATURE, encode(vote_of(about, seat, body_digest(data))))
        for position, seat in enumerate(body.seats)
        if seat.owner in voters
    }


def record(body: m.RoundBody, voters: Sequence[str] = OWNERS) -> m.GossipRecord:
    made = certified(encode(body), ballots(body, voters))
    assert made is not None
    return made


def vote(seat: m.RoundSeat, about: m.RoundTerms, digest: bytes) -> m.GossipRecord:
    return record_of(KEYS[seat.owner], vote_of(about, seat, digest))


# What is judged to be a round's end


def test_a_round_with_enough_votes_is_accepted_with_its_sum() -> None:
    body = summed(terms(1), cohort(*OWNERS))
    verdict = JUDGE(record(body), lookup)
    assert isinstance(verdict, Accept) and verdict.payload is not None
    assert (verdict.author, verdict.payload.length) == ("ann", body.payload_bytes)
    nothing = came_to_nothing(terms(1), cohort(*OWNERS))
    assert JUDGE(record(nothing, ("ann", "bob")), lookup) == Accept("ann", None)
    made = record(body)
    assert isinstance(JUDGE(made, lambda key: None if "/dan/" in key else lookup(key)), NotYet)


def forged(change_of: Callable[[m.RoundBody], m.RoundBody]) -> m.GossipRecord:
    """A body that all voted for, although nobody should have."""
    return record(change_of(summed(terms(1), cohort(*OWNERS))))


FORGERIES: Mapping[str, Callable[[], m.GossipRecord]] = {
    "another sum than was voted for": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))), body=encode(summed(terms(1), cohort(*OWNERS), b"x" * 100))
    ),
    "a sum that was changed": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))),
        body=encode(replace(summed(terms(1), cohort(*OWNERS)), chunk_digests=(b"d" * 32,))),
    ),
    "one vote short": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))),
        signature=encode(
            m.RoundCertificate(
                tuple(
                    m.CertifiedVote(position, signature)
                    for position, signature in ballots(summed(terms(1), cohort(*OWNERS)), OWNERS[:3]).items()
                )
            )
        ),
    ),
    "one vote twice": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))),
        signature=encode(
            m.RoundCertificate(
                tuple(m.CertifiedVote(0, ballots(summed(terms(1), cohort(*OWNERS)), OWNERS)[0]) for _ in range(4))
            )
        ),
    ),
    "a vote of nobody": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))),
        signature=encode(m.RoundCertificate(tuple(m.CertifiedVote(place, b"s" * 64) for place in (0, 1, 2, 9)))),
    ),
    "votes for nothing as votes for a sum": lambda: replace(
        record(came_to_nothing(terms(1), cohort(*OWNERS))), body=encode(summed(terms(1), cohort(*OWNERS))), sequence=2
    ),
    "another number": lambda: replace(record(summed(terms(1), cohort(*OWNERS))), sequence=3),
    "the key of another round": lambda: replace(
        record(summed(terms(1), cohort(*OWNERS))), key=str(round_key(terms(2)))
    ),
    "a cohort that is too small": lambda: forged(lambda body: replace(body, seats=body.seats[:2])),
    "an owner twice": lambda: forged(lambda body: replace(body, seats=(body.seats[0], *body.seats[:4]))),
    "too few survivors": lambda: forged(
        lambda body: replace(body, seats=(m.RoundSeat("ann", 1), m.RoundSeat("bob", 1), *body.seats[2:]))
    ),
    "too few with a change": lambda: forged(
        lambda body: replace(body, seats=tuple(replace(seat, changed=seat.owner < "cat") for seat in body.seats))
    ),
    "a domain that is left out": lambda: forged(lambda body: replace(body, domains=())),
    "a sum of another length": lambda: forged(lambda body: replace(body, payload_bytes=body.payload_bytes + 8)),
    "a trial": lambda: forged(lambda body: replace(body, terms=replace(terms(1), kind=m.RoundKind.TRIAL))),
    "an era without a beginning": lambda: forged(lambda body: replace(body, terms=replace(terms(1), era=1))),
    "another manifest": lambda: forged(lambda body: replace(body, terms=replace(terms(1), manifest_digest=b"m" * 32))),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_round_is_refused(what: str) -> None:
    with pytest.raises(InvalidRecord):
        JUDGE(FORGERIES[what](), lookup)


def proposal(body: m.RoundBody, by: str = "ann", sequence: int = 1) -> m.GossipRecord:
    return record_of(KEYS[by], m.ProposalBody(RECORD_VERSION, FEDERATION, by, 1, "", sequence, encode(body)))


def test_only_the_aggregator_proposes_the_sum_of_its_round() -> None:
    body = summed(terms(1), cohort(*OWNERS))
    assert isinstance(JUDGE(proposal(body), lookup), Accept)
    for wrong in (
        proposal(body, by="bob"),
        proposal(body, sequence=2),
        proposal(came_to_nothing(terms(1), cohort(*OWNERS))),
        replace(proposal(body), signature=proposal(body, by="bob").signature),
    ):
        with pytest.raises(InvalidRecord):
            JUDGE(wrong, lookup)


def test_a_federation_that_masks_takes_no_contribution_and_another_no_round() -> None:
    size = LAYOUT.numbers * 8
    body = m.ContributionBody(
        CONTRIBUTION_VERSION, FEDERATION, "ann", "law", 1, MANIFEST.digest(), 5, size, (b"c" * 32,), 8, 1
    )
    signed = sign_contribution(KEYS["ann"], body)
    key = RecordKey(RecordKind.CONTRIBUTION, "ann", 1, "", "law")
    with pytest.raises(InvalidRecord, match="masks"):
        JUDGE(m.GossipRecord(str(key), 1, signed.body, signed.signature), lookup)
    unmasked = replace(MANIFEST, masking=Masking.OFF)
    judge = TrustJudge(sign_charter(AUTHORITY, unmasked, SIGNING.public_bytes))
    with pytest.raises(InvalidRecord, match="masks"):
        judge(record(summed(terms(1), cohort(*OWNERS))), lookup)


# Sum or nothing, never both


@pytest.mark.parametrize("size", range(3, COMPLETE_MAX + 1))
def test_both_ends_of_a_round_would_need_a_vote_that_was_given_twice(size: int) -> None:
    assert votes_for_sum(size) == threshold(size - 1)
    assert 3 * votes_for_sum(size) > 2 * size
    assert votes_for_sum(size) + votes_for_nothing(size) == size + 1


@given(st.data())
def test_members_that_vote_once_never_end_a_round_both_ways(data: st.DataObject) -> None:
    """Each member votes as its machine says, with or without having seen the sum, in any order."""
    owners = OWNERS[: data.draw(st.integers(3, 5))]
    about, seats = terms(1), cohort(*owners)
    body = summed(about, seats)
    roster = Roster()
    roster.take([entry(membership(owner)) for owner in owners])
    book = roster.rounds
    ended: set[int] = set()
    shown = entry(proposal(body))
    for position in data.draw(st.permutations(range(len(owners)))):
        seat = Seat(about, seats, position, entered=True)
        seen, own_book = data.draw(st.booleans()), RoundBook()
        if seen:
            own_book.take(RecordKey.parse(shown.key), shown)
        choice = seat.choice(own_book, hopeless=not seen)
        assert choice == body_digest(encode(body)) if seen else choice == body_digest(seat.nothing)
        voted = seat.voted(choice)
        assert not voted.choice(own_book, hopeless=True)
        roster.take([entry(record_of(KEYS[owners[position]], voted.ballot))])
    roster.take([shown])
    for made in [*book.ready(), seat.end(book)]:
        if made is not None:
            assert isinstance(JUDGE(made, lookup), Accept)
            ended.add(made.sequence)
    assert len(ended) == 1
    for made in [*book.ready(), seat.end(book)]:
        if made is not None:
            roster.take([entry(made)])
    assert book.ended(about) is not None


def test_whoever_votes_twice_is_found_out() -> None:
    about, seats = terms(1), cohort(*OWNERS)
    both = [vote(seats[1], about, digest) for digest in (b"1" * 32, b"2" * 32)]
    peer = Peer("ann", JUDGE, random.Random(1))
    peer.handle(ev.MembersKnown(dict.fromkeys(OWNERS, "")), 0.0)
    peer.handle(ev.Linked("cat"), 0.0)
    peer.handle(ev.Publish(tuple(MEMBERSHIPS.values())), 0.0)
    said: list[ef.Effect] = []
    for each in both:
        frame = m.PeerFrame(1, reconciliation=m.Reconciliation(records=(each,)))
        said += peer.handle(ev.FrameReceived("cat", frame), 0.1)
    found = [effect for effect in said if isinstance(effect, ef.Equivocated)]
    assert [effect.kept.author for effect in found] == ["bob"]


def seen(body: m.RoundBody) -> RoundBook:
    book, shown = RoundBook(), entry(proposal(body))
    book.take(RecordKey.parse(shown.key), shown)
    return book


def test_a_member_votes_for_no_sum_that_does_not_fit_what_it_saw() -> None:
    about, seats = terms(1), cohort(*OWNERS)
    good = summed(about, seats)
    without_eve = (*seats[:4], m.RoundSeat("eve", 1))
    for seat, body in (
        # Another list of survivors than it agreed to; a survivor that never sent its vector; other domains; a change.
        (Seat(about, seats, 0, True, frozenset(OWNERS[:4])), good),
        (Seat(about, seats, 0, entered=False), good),
        (Seat(about, cohort(*OWNERS, domains=("code", "law")), 0, entered=True), good),
        (Seat(about, (replace(seats[0], changed=False), *seats[1:]), 0, entered=True), good),
    ):
        assert seat.choice(seen(body), hopeless=False) == body_digest(seat.nothing)
    fits = summed(about, without_eve)
    for seat in (Seat(about, seats, 0, True, frozenset(OWNERS[:4])), Seat(about, seats, 4, entered=False)):
        assert seat.choice(seen(fits), hopeless=False) == body_digest(encode(fits))


def test_a_round_whose_voters_have_gone_for_ever_is_known_to_be_undecidable() -> None:
    about, seats = terms(1), cohort("ann", "bob", "cat")
    roster = Roster()
    roster.take([entry(membership(owner)) for owner in ("ann", "bob", "cat")])
    roster.take([entry(vote(seats[place], about, b"s" * 32)) for place in (0, 1)])
    seat = Seat(about, seats, 0, entered=True, vote=b"s" * 32)
    assert not seat.is_undecidable(roster)
    evicted = m.VerdictBody(RECORD_VERSION, FEDERATION, "cat", 1, 1, "", m.MemberState.EVICTED, "", 1)
    roster.take([entry(record_of(SIGNING, evicted))])
    assert seat.is_undecidable(roster)
    assert seat.missing(roster) == ("cat",)


# Eras and sums


@dataclass(frozen=True)
class Brought:
    """A round and the vector that it sums to."""

    body: m.RoundBody
    vector: np.ndarray[tuple[int], np.dtype[np.int64]]


def a_round(about: m.RoundTerms, changes: Mapping[str, Sequence[tuple[str, int, int]]]) -> Brought:
    """What owners bring, as (domain, seed, sign)."""
    domains = tuple(sorted({domain for parts in changes.values() for domain, _, _ in parts}))
    total = np.zeros(length(LAYOUT, len(domains)), dtype=np.int64)
    seats = []
    for owner, parts in sorted(changes.items()):
        signed = [
            SignedContribution(domain, random_contribution(seed, MANIFEST), 20, sign) for domain, seed, sign in parts
        ]
        total += change(LAYOUT, domains, signed)
        touched = tuple(sorted({domain for domain, _, _ in parts}))
        remaining = tuple(sorted({domain for domain, _, sign in parts if sign > 0}))
        seats.append(m.RoundSeat(owner, 1, "", True, True, touched, remaining))
    return Brought(summed(about, tuple(seats), total.astype("<i8").tobytes()), total)


HISTORY = [
    a_round(terms(1), {"ann": [("law", 1, 1)], "bob": [("law", 2, 1)], "cat": [("code", 3, 1)]}),
    # One leaves, one changes, one joins.
    a_round(terms(2), {"ann": [("law", 1, -1)], "bob": [("law", 2, -1), ("law", 4, 1)], "dan": [("code", 5, 1)]}),
    # What was before, to the bit.
    a_round(terms(3), {"ann": [("law", 1, 1)], "bob": [("law", 4, -1), ("law", 2, 1)], "dan": [("code", 5, -1)]}),
]
AFRESH = a_round(
    terms(4, FULL, members=("ann", "bob", "cat")),
    {"bob": [("law", 2, 1)], "cat": [("code", 3, 1)], "dan": [("law", 6, 1)]},
)
RIVAL = a_round(
    terms(5, FULL, members=("ann", "bob", "cat")), {owner: [("law", 7, 1)] for owner in ("ann", "dan", "eve")}
)
NEXT = a_round(
    terms(6, era=Era(1, bytes([4]) * 32)), {"ann": [("law", 8, 1)], "bob": [("law", 2, -1)], "eve": [("code", 9, 1)]}
)
ALL = [*HISTORY, AFRESH, RIVAL, NEXT]
RECORDS = [record(each.body) for each in ALL] + [
    record(came_to_nothing(terms(7), cohort("ann", "bob", "cat")), ("ann", "bob"))
]


def digest_of(book: RoundBook) -> bytes:
    vectors = {round_key(each.body.terms or m.RoundTerms()): each.vector for each in ALL}
    total = FederationSum(LAYOUT)
    for counted in book.counted:
        key = next(key for key in vectors if key.domain == counted.nonce.hex())
        total.accumulate(as_sum(LAYOUT, counted.domains, vectors[key].copy()))
    total.settle(MANIFEST.mass)
    return total.digest(MANIFEST.digest())


def book_of(records: Sequence[m.GossipRecord]) -> RoundBook:
    book = RoundBook()
    for each in records:
        book.take(RecordKey.parse(each.key), entry(each))
    return book


def test_join_then_leave_restores_the_bits() -> None:
    assert digest_of(book_of(RECORDS[:1])) == direct(("law", 1), ("law", 2), ("code", 3))
    assert digest_of(book_of(RECORDS[:2])) == direct(("law", 4), ("code", 3), ("code", 5))
    assert digest_of(book_of(RECORDS[:3])) == digest_of(book_of(RECORDS[:1]))


def test_a_full_round_begins_anew_and_of_two_everybody_chooses_the_same() -> None:
    afresh = book_of(RECORDS[:4])
    assert (afresh.era, digest_of(afresh)) == (Era(1, bytes([4]) * 32), direct(("law", 2), ("code", 3), ("law", 6)))
    assert afresh.owners == ("bob", "cat", "dan")
    greater = max((AFRESH, RIVAL), key=lambda each: gossip_digest(record(each.body)))
    both = book_of(RECORDS)
    assert both.era.nonce == (greater.body.terms or m.RoundTerms()).nonce
    assert len(both.counted) == (2 if greater is AFRESH else 1)


@given(st.permutations(RECORDS), st.integers(0, len(RECORDS)))
@settings(max_examples=60)
def test_the_same_records_mean_the_same_in_any_order(records: list[m.GossipRecord], held: int) -> None:
    one, other = book_of(records[:held]), book_of(sorted(records[:held], key=lambda each: each.key))
    assert (one.era, one.counted, one.places, one.turns) == (other.era, other.counted, other.places, other.turns)


def test_a_round_that_is_here_before_the_one_it_goes_on_from_gives_no_sum_yet() -> None:
    with pytest.raises(InconsistentSum):
        digest_of(book_of(RECORDS[1:2]))


def test_a_lost_sum_counts_no_longer_and_again_when_it_is_back() -> None:
    book = book_of(RECORDS[:3])
    key = RecordKey.parse(RECORDS[2].key)
    book.lose(key)
    assert book.counted == book_of(RECORDS[:2]).counted
    book.take(key, entry(RECORDS[2]))
    assert book.counted == book_of(RECORDS[:3]).counted


# Whose turn it is


@given(st.sets(st.sampled_from(OWNERS), min_size=1), st.integers(0, 1000), st.sampled_from(OWNERS))
def test_the_turn_goes_to_a_candidate_and_only_moves_when_its_holder_goes(
    candidates: set[str], turn: int, gone: str
) -> None:
    chosen = aggregator(FEDERATION, turn, candidates)
    assert chosen in candidates
    assert aggregator(FEDERATION, turn, sorted(candidates, reverse=True)) == chosen
    if gone != chosen:
        assert aggregator(FEDERATION, turn, candidates - {gone}) == chosen
    assert aggregator(FEDERATION, turn, ()) is None
    assert len({aggregator(FEDERATION, each, OWNERS) for each in range(100)}) == len(OWNERS)
