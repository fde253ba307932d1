"""A member's place in a round among peers: what it knows of the cohort, and what it votes for.

A seat is written before any secret of its member leaves, and so is its vote before that is published: a member that was
killed and comes back votes for nothing else. It votes for a sum that fits what it saw of the cohort, or, once it has no
hope of one, that the round came to nothing; never for both.
"""

from dataclasses import dataclass, field, replace

from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.roster.keys import RecordKey
from ridgeway.roster.round_book import Ended, Proposal, RoundBook
from ridgeway.roster.round_records import (
    body_digest,
    came_to_nothing,
    certified,
    seat_key,
    vote_of,
    votes_for_nothing,
    votes_for_sum,
)
from ridgeway.roster.standing import Roster


@dataclass(frozen=True, slots=True)
class Seat:
    """One place.

    Attributes:
        terms: of the round.
        cohort: by position, with what each advertised, as if all survived.
        position: ours.
        entered: whether our masked vector may have left.
        survivors: the owners whose sum we agreed to; empty before that, or after a restart.
        vote: digest of the body that we voted for; empty before that.
    """

    terms: m.RoundTerms
    cohort: tuple[m.RoundSeat, ...] = field(repr=False)
    position: int
    entered: bool = False
    survivors: frozenset[str] = frozenset()
    vote: bytes = b""

    @property
    def membership(self) -> RecordKey:
        """Ours."""
        return seat_key(self.cohort[self.position])

    @property
    def nothing(self) -> bytes:
        """The serialised body that says that the round came to nothing."""
        return encode(came_to_nothing(self.terms, self.cohort))

    def fits(self, proposal: Proposal) -> bool:
        """Whether a sum is of this cohort, of the survivors that we agreed to, and of what they advertised."""
        body = proposal.body
        domains = {name for seat in self.cohort for name in seat.domains}
        survivors = frozenset(seat.owner for seat in body.seats if seat.survived)
        stated = tuple(
            seat if seat.owner in survivors else m.RoundSeat(seat.owner, seat.generation, seat.issuer)
            for seat in self.cohort
        )
        return (
            proposal.terms == self.terms
            and body.seats == stated
            and body.domains == tuple(sorted(domains))
            and survivors == (self.survivors or survivors)
            and (self.entered or self.cohort[self.position].owner not in survivors)
        )

    def choice(self, book: RoundBook, *, hopeless: bool) -> bytes:
        """The digest of what we vote for now; empty: we have voted, or wait.

        Args:
            book: the rounds at hand.
            hopeless: no sum of the round is to be expected any more.
        """
        if self.vote:
            return b""
        proposal = book.proposal(self.terms)
        if proposal is not None:
            return proposal.digest if self.fits(proposal) else body_digest(self.nothing)
        return body_digest(self.nothing) if hopeless else b""

    def voted(self, digest: bytes) -> "Seat":
        """This seat once it has voted."""
        return replace(self, vote=digest)

    @property
    def ballot(self) -> m.VoteBody:
        """What we sign."""
        return vote_of(self.terms, self.cohort[self.position], self.vote)

    def end(self, book: RoundBook) -> m.GossipRecord | None:
        """The record that the round came to nothing, if enough voted so and it is not known to have ended."""
        if book.ended(self.terms) is not None:
            return None
        body = came_to_nothing(self.terms, self.cohort)
        return certified(self.nothing, book.votes(body, body_digest(self.nothing)))

    def survived(self, ended: Ended) -> bool:
        """Whether our vector is in the sum of the round."""
        return ended.body.committed and any(seat_key(s) == self.membership and s.survived for s in ended.body.seats)

    def missing(self, roster: Roster) -> tuple[str, ...]:
        """Whose votes have not come here."""
        return tuple(seat.owner for seat in self.cohort if not self._has_voted(roster, seat))

    def is_undecidable(self, roster: Roster) -> bool:
        """Whether so many of the cohort are members no more, without having voted, that nothing can be decided."""
        for_sum = for_nothing = 0
        nothing = body_digest(self.nothing)
        for seat in self.cohort:
            vote, member = roster.rounds.vote(seat_key(seat)), roster.member(seat.owner)
            if vote is not None and vote.nonce == self.terms.nonce:
                for_nothing += vote.round_digest == nothing
                for_sum += vote.round_digest != nothing
            elif member is not None and member.active and member.key == seat_key(seat):
                for_nothing += 1
                for_sum += 1
        size = len(self.cohort)
        return for_sum < votes_for_sum(size) and for_nothing < votes_for_nothing(size)

    def _has_voted(self, roster: Roster, seat: m.RoundSeat) -> bool:
        vote = roster.rounds.vote(seat_key(seat))
        return vote is not None and vote.nonce == self.terms.nonce
