"""A member's part in the rounds of a federation of peers: with whom it takes part, what it votes for, what it learns.

The steps of a round are those with a coordinator (`node.rounds`). What differs: whoever adds up is a peer whose turn it
is, and how a round ended the votes of its cohort say, not that peer.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace

from ridgeway.errors import RidgewayError
from ridgeway.node.round_input import Part, Trial
from ridgeway.node.round_state import RoundReplayed, RoundState
from ridgeway.node.rounds import Call, Engagement, Rounds, Standing, WrongTerms
from ridgeway.peers.aggregating import proposal_key
from ridgeway.peers.ballot import Ballot
from ridgeway.peers.engine import Engine
from ridgeway.peers.local_stream import LocalStream
from ridgeway.proto import messages as m
from ridgeway.roster.keys import RecordKind
from ridgeway.roster.records import record_of
from ridgeway.roster.rendezvous import aggregator
from ridgeway.roster.round_book import Ended
from ridgeway.roster.round_records import COHORT_MAX, check_terms, seat_key
from ridgeway.roster.seat import Seat
from ridgeway.roster.standing import Member
from ridgeway.rounds.hall import Hall
from ridgeway.secagg.cohort import CohortView
from ridgeway.secagg.participant import Involvement

_log = logging.getLogger("ridgeway.peers")

# A sum whose aggregator has gone may still be on its way from others; one that is arriving may take longer.
HOPE_S = 10.0
ARRIVING_S = 120.0
# The longest that a round is believed in whose aggregator only keeps the stream.
ROUND_S = 900.0
# How often to look whether time has changed anything.
LOOK_S = 0.5
# A peer that could not be reached is not thought of as an aggregator for so long.
AVOID_S = 15.0
# The turn changes with every round that ended, and in any case this often.
TURN_S = 600.0


@dataclass(frozen=True, slots=True)
class Company:
    """With whom a member takes part.

    Attributes:
        engine: of its gossip.
        hall: its own rounds; None if nobody can dial it.
        open_stream: opens a stream of rounds with another member.
        standing: who we are in a round.
    """

    engine: Engine
    hall: Hall | None
    open_stream: Callable[[Member], AbstractAsyncContextManager[Call]]
    standing: Callable[[], Standing]

    @property
    def us(self) -> Member:
        """Our membership.

        Raises:
            WrongTerms: it has ended.
        """
        member = self.engine.roster.member(self.engine.owner)
        if member is None or not member.active:
            raise WrongTerms("we are no member any more, and take part in no round")
        return member


class PeerRounds(Rounds):
    """One member's part.

    Attributes:
        problem: why we are in no stream of rounds now; empty if we are in one.
    """

    def __init__(self, state: RoundState, ballot: Ballot) -> None:
        super().__init__(state)
        self.kept_by_daemon = True
        self.problem = ""
        self._ballot = ballot
        self._here: Company | None = None
        self._partner = ""
        self._avoided: dict[str, float] = {}
        self._looking = asyncio.Event()
        self._hopeless_s = self._began_s = 0.0

    @property
    def _company(self) -> Company:
        if self._here is None:
            raise WrongTerms("this node's gossip does not run; it takes part in no round")
        return self._here

    def look_soon(self) -> None:
        """Something may be to be voted for."""
        self._looking.set()

    async def take_part_among(self, company: Company) -> None:
        """Take part for as long as the membership lasts."""
        self._here, self._hopeless_s = company, time.monotonic() + HOPE_S
        try:
            async with asyncio.TaskGroup() as duties:
                duties.create_task(self._keep_stream(company))
                duties.create_task(self._keep_looking(company))
        finally:
            self._here = None

    # With whom

    async def _keep_stream(self, company: Company) -> None:
        while True:
            choice = self._choice(company)
            if choice is None:
                self._wait_for("a member whose node can be dialled and adds up")
                await asyncio.sleep(LOOK_S)
                continue
            work = asyncio.create_task(self._with(company, choice))
            try:
                while not work.done():
                    await asyncio.wait({work}, timeout=LOOK_S)
                    if self._engaged is None and self._choice(company) != choice:
                        break
            finally:
                work.cancel()
                await asyncio.wait({work})
            self._note(choice, work)

    def _choice(self, company: Company) -> str | None:
        engine, now = company.engine, time.monotonic()
        living = {view.peer for view in engine.machine.peers() if view.state is not m.PeerState.DEAD}
        if company.hall is not None:
            living.add(engine.owner)
        candidates = [
            owner
            for owner, member in engine.roster.members.items()
            if member.active and owner in living and member.profile and member.profile.address
            and self._avoided.get(owner, 0.0) <= now
        ]  # fmt: skip
        turn = engine.roster.rounds.turns + int(time.time() / TURN_S)
        return aggregator(engine.charter.federation_id, turn, candidates)

    async def _with(self, company: Company, choice: str) -> None:
        self._partner, standing = choice, company.standing()
        if choice == company.engine.owner:
            assert company.hall is not None  # noqa: S101 - else we are no candidate
            stream = LocalStream(company.hall, choice)
            async with aclosing(stream.orders):
                await self._converse(stream, standing, "this node")
            return
        member = company.engine.roster.member(choice)
        if member is not None:
            async with company.open_stream(member) as call:
                self.problem = ""
                await self._converse(call, standing, choice)

    def _note(self, choice: str, work: "asyncio.Task[None]") -> None:
        """A stream has ended; whoever ended it is left alone for a while."""
        error = None if work.cancelled() else work.exception()
        if error is None:
            return
        if not isinstance(error, RidgewayError | OSError):
            raise error
        self.problem = f"rounds: {error}"
        _log.info("no stream of rounds with %s: %s", choice, error)
        self._avoided[choice] = time.monotonic() + AVOID_S

    async def _converse(self, call: Call, standing: Standing, address: str) -> None:
        try:
            await super()._converse(call, standing, address)
        finally:
            self._hopeless_s = max(self._hopeless_s, time.monotonic() + HOPE_S)
            self.look_soon()

    def _wait_for(self, what: str) -> None:
        if self.waiting != what:
            self.waiting = what
            self._tell()

    # What we say

    def _intention(self) -> m.Intention:
        said, seat = super()._intention(), self._ballot.seat
        exposed = set(said.exposed) - (self.state.excused & self._dead())
        return replace(
            said,
            # Nobody is to ask us before we know how our last round ended.
            open_round=seat.terms.nonce if seat is not None else said.open_round,
            last_round=self._last_number(),
            exposed=tuple(sorted(exposed)),
        )

    def _dead(self) -> set[str]:
        peers = self._company.engine.machine.peers()
        return {view.peer for view in peers if view.state is m.PeerState.DEAD}

    def _last_number(self) -> int:
        """The highest round number that is used up, also if all that we know of it is our vote."""
        engine = self._company.engine
        member = engine.roster.member(engine.owner)
        vote = engine.roster.rounds.vote(member.key) if member is not None else None
        return max(self.state.last_number, vote.sequence if vote else 0)

    def _learn(self, situation: m.Situation) -> None:
        """What of us is in the sum our own records say."""
        self._wait_for(situation.waiting)

    async def _begin(self, call: Call, terms: m.RoundTerms, standing: Standing) -> None:
        self._check(terms)
        self._began_s = time.monotonic()
        await super()._begin(call, terms, standing)

    def _check(self, terms: m.RoundTerms) -> None:
        """Whether this is a round that goes on from what we know.

        Raises:
            WrongTerms, RoundReplayed, BadRecord: it is none.
        """
        engine = self._company.engine
        check_terms(terms, engine.charter.manifest)
        caller, book = engine.roster.member(self._partner), engine.roster.rounds
        called_by = (terms.aggregator, terms.generation, terms.issuer)
        if caller is None or called_by != (caller.owner, caller.generation, caller.issuer):
            raise WrongTerms("a round was called in somebody else's name; we take no part")
        if self._ballot.seat is not None or self._is_behind():
            raise WrongTerms("we do not know yet how our last round ended")
        if terms.number <= self._last_number():
            raise RoundReplayed(f"round {terms.number} was called before; we refuse")
        full = terms.kind is m.RoundKind.FULL
        if (terms.era - full, terms.base) != (book.era.number, book.era.nonce):
            raise WrongTerms("our records and the aggregator's differ; we take part once they agree")
        if full and terms.members != book.owners:
            raise WrongTerms("the sum that this round replaces is not the one that we know")

    def _is_behind(self) -> bool:
        """Whether the sum of a round is on its way here, so that we do not know what of us is in the sum."""
        return self._company.engine.awaits(RecordKind.ROUND)

    def _involvement(self, brings: Part | Trial, standing: Standing) -> Involvement:
        us = self._company.us
        return replace(super()._involvement(brings, standing), generation=us.generation, issuer=us.issuer)

    # Our seat

    def _seated(self, engaged: Engagement) -> None:
        view = engaged.participant.view
        try:
            if view is None:
                raise WrongTerms("the cohort was not shown to us")
            self._ballot.write(self._seat_in(view))
        except RidgewayError:
            engaged.participant.withdraw()
            raise

    def _seat_in(self, view: CohortView) -> Seat:
        """Our seat, if every member of the cohort is who our records say.

        Raises:
            WrongTerms: one is not, or we do not see all.
        """
        if view.size > COHORT_MAX or len(view.holders) != view.size:
            raise WrongTerms(f"a cohort among peers has at most {COHORT_MAX} members; we take no part")
        cohort = []
        for position in range(view.size):
            said = view.member(position).advertised
            seat = m.RoundSeat(
                said.owner, said.generation, said.issuer, True, said.changed, said.domains, said.remaining
            )
            member = self._company.engine.roster.member(said.owner)
            if member is None or not member.active or member.key != seat_key(seat):
                raise WrongTerms(f"{said.owner[:80]} is no member by our records; we take no part")
            cohort.append(seat)
        return Seat(view.terms, tuple(cohort), view.me.position)

    async def _send_input(self, call: Call, engaged: Engagement, standing: Standing) -> None:
        seat = self._ballot.seat
        if seat is None or seat.terms != engaged.terms or seat.vote:
            raise WrongTerms("we have voted on this round already; our vector stays here")
        self._ballot.write(replace(seat, entered=True))
        await super()._send_input(call, engaged, standing)

    async def _step(self, call: Call, order: m.RoundOrder, engaged: Engagement, standing: Standing) -> None:
        await super()._step(call, order, engaged, standing)
        seat = self._ballot.seat
        if order.survivors is not None and seat is not None and seat.terms == engaged.terms:
            self._ballot.write(replace(seat, survivors=frozenset(engaged.participant.survivors)))

    def _end(self, order: m.RoundOrder) -> None:
        """Whoever adds up has given the round up; that it came to nothing the cohort has still to say."""
        engaged = self._engaged
        if engaged is not None and order.nonce == engaged.terms.nonce and order.outcome is not None:
            _log.info("round %d goes on without us: %s", engaged.terms.number, order.outcome.reason)
            self._engaged = None
            self._hopeless_s = time.monotonic()
        self._said = None
        self.look_soon()
        self.stir()

    # What is to be voted for, and what has been

    async def _keep_looking(self, company: Company) -> None:
        while True:
            changed = company.engine.changed
            self._looking.clear()
            try:
                await self._look(company)
            except RidgewayError as error:
                _log.warning("%s", error)
            await _first(changed.wait(), self._looking.wait(), seconds=LOOK_S)

    async def _look(self, company: Company) -> None:
        engine, seat = company.engine, self._ballot.seat
        if seat is not None:
            await self._vote(company, seat)
            seat = self._ballot.seat
        end = seat.end(engine.roster.rounds) if seat is not None else None
        for record in [*engine.roster.rounds.ready(), *([end] if end is not None else [])]:
            await engine.publish([record])
        self._compare(company)

    async def _vote(self, company: Company, seat: Seat) -> None:
        book, now = company.engine.roster.rounds, time.monotonic()
        ended = book.ended(seat.terms)
        if ended is not None:
            self._finish(seat, ended)
            return
        if book.proposal(seat.terms) is not None or self._is_arriving(company, seat):
            self.state.told_of_sum()
        cast = book.vote(seat.membership)
        if cast is not None and cast.nonce == seat.terms.nonce and not seat.vote:
            # An older copy of this node would vote a second time.
            seat = seat.voted(cast.round_digest)
            self._ballot.write(seat)
        hopeless = self._is_hopeless(company, seat, now)
        choice = seat.choice(book, hopeless=hopeless)
        if choice:
            seat = seat.voted(choice)
            self._ballot.write(seat)
        if seat.vote and book.vote(seat.membership) != seat.ballot:
            await company.engine.publish([record_of(company.standing().identity, seat.ballot)])
        elif hopeless:
            self._despair(company, seat, now)

    def _is_hopeless(self, company: Company, seat: Seat, now: float) -> bool:
        """Whether no sum of a round is to be expected any more."""
        if self._engaged is not None and self._engaged.terms == seat.terms:
            return now >= self._began_s + ROUND_S
        return now >= self._hopeless_s + (ARRIVING_S if self._is_arriving(company, seat) else 0.0)

    def _is_arriving(self, company: Company, seat: Seat) -> bool:
        """Whether the sum of the round is on its way here."""
        key = str(proposal_key(seat.terms))
        return any(entry.key == key for entry in company.engine.machine.pending())

    def _despair(self, company: Company, seat: Seat, now: float) -> None:
        """We have voted, and the round does not end: say for whom it waits, or go on without its end."""
        if not seat.entered and now >= self._hopeless_s + HOPE_S:
            # Nothing of us can be in its sum; our vote has been heard by then.
            self._ballot.clear()
            self.stir()
        elif seat.is_undecidable(company.engine.roster):
            _log.warning("round %d will never end; only a full round can go on with us", seat.terms.number)
            self.state.lose_track()
            self._ballot.clear()
            self.stir()
        else:
            missing = ", ".join(seat.missing(company.engine.roster)[:3])
            self._wait_for(f"the votes of {missing} on how round {seat.terms.number} ended")

    def _finish(self, seat: Seat, ended: Ended) -> None:
        """It is known how our round ended."""
        if self._engaged is not None and self._engaged.terms == seat.terms:
            self._engaged = None
        survived = seat.survived(ended)
        if self.state.open == seat.terms.nonce:
            if survived:
                self.state.committed()
            else:
                self.state.aborted()
        self._ballot.clear()
        _log.info("round %d %s", seat.terms.number, "was committed" if survived else "ended without us")
        self._said = None
        self.on_committed()
        self.stir()

    def _compare(self, company: Company) -> None:
        """What our records say that the sum holds of us decides what the next round has to bring."""
        if self._ballot.seat is not None or self._engaged is not None or self.state.open or self._is_behind():
            return
        member = company.engine.roster.member(company.engine.owner)
        if member is not None and self.state.compare(company.engine.roster.rounds.settled(member.key)):
            self._said = None
            self.on_committed()
            self.stir()


async def _first(*happenings: Coroutine[None, None, object], seconds: float) -> None:
    """Wait for the first of several things, but not for ever."""
    tasks = [asyncio.create_task(happening) for happening in happenings]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
