"""What the records of rounds mean together: which rounds count, what of whom is in the sum, and what waits for votes.

A pure function of the set of records, whatever the order they came in. The sum is that of the committed rounds of one
era. An era begins with a full round, to which everybody brings all that it has; in incremental rounds members bring
what is new minus what was committed in this era. Era 0 begins with nothing. Of all full rounds the one with the
greatest (era, digest) began the present era; what others committed to an earlier one, or to one that lost, counts no
longer, and they bring all of it again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ridgeway.gossip.record import Entry
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.round_records import body_digest, certified, payload_of, round_key, seat_key, terms_of


@dataclass(frozen=True, slots=True)
class Era:
    """A stretch of rounds that add up; the first has number 0 and no nonce.

    Attributes:
        number: how many full rounds came before it, and began it.
        nonce: of the full round that began it.
    """

    number: int = 0
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class CountedRound:
    """A round whose sum is part of the federation's, and where its numbers are."""

    nonce: bytes
    payload_digest: bytes
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What the sum holds of one membership: since which round, and of which domains."""

    number: int
    nonce: bytes
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a round ended.

    Attributes:
        body: what its cohort voted for.
        digest: of the record.
    """

    body: m.RoundBody = field(repr=False)
    digest: bytes

    @property
    def terms(self) -> m.RoundTerms:
        """Of the round."""
        return terms_of(self.body)

    @property
    def outcome(self) -> str:
        """In words."""
        return f"round {self.terms.number} {'was committed' if self.body.committed else 'came to nothing'}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sum that waits for votes, and the serialised body that is voted on."""

    body: m.RoundBody = field(repr=False)
    data: bytes = field(repr=False)

    @property
    def terms(self) -> m.RoundTerms:
        """Of the round."""
        return terms_of(self.body)

    @property
    def digest(self) -> bytes:
        """What a vote for it names."""
        return body_digest(self.data)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What all rounds that have ended mean: the present era, the rounds that count, what the sum holds of whom."""

    era: Era
    counted: tuple[CountedRound, ...]
    places: dict[RecordKey, Place]


@dataclass(frozen=True, slots=True)
class _Vote:
    body: m.VoteBody
    signature: bytes


class RoundBook:
    """The rounds at hand, and what they mean."""

    def __init__(self) -> None:
        self._ended: dict[RecordKey, Ended] = {}
        self._proposals: dict[RecordKey, Proposal] = {}
        self._votes: dict[RecordKey, _Vote] = {}
        # Found out when it is asked for: at a start a thousand rounds come one after another.
        self._known: _Meaning | None = None

    def take(self, key: RecordKey, entry: Entry) -> None:
        """A record that counts now; judged before."""
        if key.kind is RecordKind.VOTE:
            self._votes[key.membership] = _Vote(decode(m.VoteBody, entry.record.body), entry.record.signature)
        elif key.kind is RecordKind.PROPOSAL:
            data = decode(m.ProposalBody, entry.record.body).round
            self._proposals[key] = Proposal(decode(m.RoundBody, data), data)
        else:
            self._ended[key] = Ended(decode(m.RoundBody, entry.record.body), entry.digest)
            self._known = None

    def lose(self, key: RecordKey) -> None:
        """A record whose payload was lost; it comes again."""
        self._proposals.pop(key, None)
        if self._ended.pop(key, None) is not None:
            self._known = None

    @property
    def _meaning(self) -> _Meaning:
        if self._known is None:
            self._known = self._found_out()
        return self._known

    def _found_out(self) -> _Meaning:
        committed = [ended for ended in self._ended.values() if ended.body.committed]
        full = [ended for ended in committed if ended.terms.kind is m.RoundKind.FULL]
        first = max(full, key=lambda ended: (ended.terms.era, ended.digest), default=None)
        era = Era(first.terms.era, first.terms.nonce) if first else Era()
        counting = [ended for ended in committed if ended is first or _goes_on(ended.terms, era)]
        counting.sort(key=lambda ended: (ended.terms.number, ended.terms.nonce))
        places = {}
        for ended in counting:
            terms = ended.terms
            for seat in ended.body.seats:
                if seat.survived:
                    # A membership's own rounds have ascending numbers, so the last one says what is in the sum of it.
                    places[seat_key(seat)] = Place(terms.number, terms.nonce, seat.remaining)
        held = {key: place for key, place in places.items() if place.domains}
        return _Meaning(era, tuple(_counted(ended) for ended in counting), held)

    # What it means

    @property
    def era(self) -> Era:
        """The present one."""
        return self._meaning.era

    @property
    def counted(self) -> tuple[CountedRound, ...]:
        """The rounds whose sums add up to the federation's."""
        return self._meaning.counted

    @property
    def places(self) -> Mapping[RecordKey, Place]:
        """What the sum holds of whom, by membership; nobody of whom it holds nothing."""
        return self._meaning.places

    @property
    def owners(self) -> tuple[str, ...]:
        """The owners of whom the sum holds something, in order."""
        return tuple(sorted({key.owner for key in self.places}))

    @property
    def turns(self) -> int:
        """How many rounds have ended."""
        return len(self._ended)

    @property
    def last(self) -> Ended | None:
        """The round of the highest number that has ended; None before the first."""
        return max(self._ended.values(), key=lambda ended: (ended.terms.number, ended.terms.nonce), default=None)

    def settled(self, membership: RecordKey) -> bytes:
        """Nonce of the last round that put something of a membership into the sum; empty if it holds nothing of it."""
        place = self._meaning.places.get(membership)
        return place.nonce if place is not None else b""

    def ended(self, terms: m.RoundTerms) -> Ended | None:
        """How a round ended; None if that is not known here."""
        return self._ended.get(round_key(terms))

    def proposal(self, terms: m.RoundTerms) -> Proposal | None:
        """The sum of a round that waits for votes; None if none has come here."""
        return next((each for each in self._proposals.values() if each.terms == terms), None)

    def vote(self, membership: RecordKey) -> m.VoteBody | None:
        """The last vote of a membership."""
        cast = self._votes.get(membership)
        return cast.body if cast else None

    def votes(self, body: m.RoundBody, digest: bytes) -> dict[int, bytes]:
        """The signatures of those who voted for a body, by position."""
        found = {}
        for position, seat in enumerate(body.seats):
            cast = self._votes.get(seat_key(seat))
            if cast is not None and (cast.body.nonce, cast.body.round_digest) == (terms_of(body).nonce, digest):
                found[position] = cast.signature
        return found

    def ready(self) -> Iterator[m.GossipRecord]:
        """Proposals that have enough votes, as records of how their rounds ended."""
        for proposal in self._proposals.values():
            ended = self.ended(proposal.terms)
            if ended is None or not ended.body.committed:
                record = certified(proposal.data, self.votes(proposal.body, proposal.digest))
                if record is not None:
                    yield record


def _goes_on(terms: m.RoundTerms, era: Era) -> bool:
    return terms.kind is m.RoundKind.INCREMENTAL and (terms.era, terms.base) == (era.number, era.nonce)


def _counted(ended: Ended) -> CountedRound:
    payload = payload_of(ended.body)
    assert payload is not None  # noqa: S101 - it is committed
    return CountedRound(ended.terms.nonce, payload.digest, ended.body.domains)
