"""Rounds that this peer adds up while it is its turn: over the streams of the members that dialled it.

It decides nothing alone. What a round came to it proposes, and its cohort votes; who knows enough votes tells all.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ridgeway import round_vector
from ridgeway.crypto.identity import IdentityKey
from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Payload
from ridgeway.node.round_state import RoundState
from ridgeway.peers.engine import Engine
from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, BadRecord, record_of
from ridgeway.roster.round_records import COHORT_MAX, open_body
from ridgeway.roster.standing import Member
from ridgeway.rounds.hall import INPUTS_AT_ONCE, Connection, Hall
from ridgeway.secagg.aggregator import Aggregator, Phase, Sum
from ridgeway.secagg.round_policy import Roll, Start, Wait, decide
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION

_log = logging.getLogger("ridgeway.peers")

# A cohort has this long to vote for a sum before the next round is thought of; the votes count later too.
VOTES_WAIT_S = 60.0
# A member may be so many rounds ahead of what is known here; nobody uses all numbers up by what it says.
NUMBER_STEP_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Chair:
    """What a peer needs to run rounds.

    Attributes:
        engine: of its gossip.
        identity: its key.
        state: its own part in rounds, for the numbers that it has used up.
        spools: where masked vectors lie while they arrive.
        voted: called when records of rounds may have changed what is to be voted for.
    """

    engine: Engine
    identity: IdentityKey
    state: RoundState
    spools: Path
    voted: Callable[[], None]


class PeerHall(Hall):
    """The rounds that this peer runs."""

    def __init__(self, chair: Chair) -> None:
        super().__init__()
        self._chair = chair

    @property
    def _spools(self) -> Path:
        return self._chair.spools

    def _member(self, owner: str) -> Member | None:
        member = self._chair.engine.roster.member(owner)
        return member if member is not None and member.active else None

    async def _take_intention(self, connection: Connection, intention: m.Intention) -> None:
        # Who waits for the end of a round takes part in none, and says so again once it knows.
        connection.intention = None if intention.open_round else intention
        connection.waiting, connection.told = "", intention.settled_round
        connection.send(m.RoundOrder(situation=m.Situation(connection.told)))
        self._intention_s = time.monotonic()
        self.stir()

    # Which round

    async def _decided(self) -> Start | Wait:
        engine = self._chair.engine
        if self._member(engine.owner) is None:
            return Wait()
        if engine.awaits(RecordKind.ROUND):
            return Wait("the sum of a round is on its way", look_again_s=1.0)
        connected = self._connected()
        book = self._chair.engine.roster.rounds
        evicted = {key.owner for key in book.places if not self._counts(key)}
        now = time.monotonic()
        if not evicted and not any(intention.out_of_step for intention in connected.values()):
            self._full_due_s = now
        if not any(intention.exposed for intention in connected.values()):
            self._exposed_s = now
        roll = Roll(
            connected=connected,
            in_sum=set(book.owners),
            evicted=evicted,
            trial_version=0,
            quiet_s=now - self._intention_s,
            full_due_s=now - self._full_due_s,
            exposed_s=now - self._exposed_s,
        )
        decision = decide(roll, self._chair.engine.charter.manifest.min_cohort)
        return Start(decision.kind, _fitting(decision, connected)) if isinstance(decision, Start) else decision

    def _connected(self) -> dict[str, m.Intention]:
        """What members want whose records, and ours, say the same of their part."""
        book, found = self._chair.engine.roster.rounds, {}
        for owner, connection in self._connections.items():
            intention, member = connection.intention, self._member(owner)
            if intention is None or member is None:
                continue
            if intention.out_of_step or intention.settled_round == book.settled(member.key):
                found[owner] = intention
        return found

    def _counts(self, key: RecordKey) -> bool:
        member = self._chair.engine.roster.member(key.owner)
        counting = {m.MemberState.ACTIVE, m.MemberState.REVOKED}
        return member is not None and member.key == key and member.state in counting

    # One round

    async def _run_round(self, start: Start) -> None:
        running = self._called(start)
        self._open(running, start.invited)
        try:
            await self._await_inputs(running)
            await self._conclude(running)
        finally:
            self._round = None
        if running.phase is Phase.ABORTED:
            self._tell_end(running, start.invited, b"")
        self._note_end(running)
        self._intention_s = time.monotonic()
        await self._pause(running)

    def _called(self, start: Start) -> Aggregator:
        engine = self._chair.engine
        members = {owner: member for owner in start.invited if (member := self._member(owner)) is not None}
        layout = engine.charter.manifest.layout
        return Aggregator(
            self._terms(start),
            {owner: member.identity_public_key for owner, member in members.items()},
            engine.charter.manifest.min_cohort,
            lambda domains: round_vector.length(layout, len(domains)),
            time.monotonic(),
            slots=INPUTS_AT_ONCE,
        )

    def _terms(self, start: Start) -> m.RoundTerms:
        engine, full = self._chair.engine, start.kind is m.RoundKind.FULL
        book, us = engine.roster.rounds, self._chair.engine.roster.member(engine.owner)
        if us is None or not us.active:
            raise BadRecord("this node is no member any more, so it calls no round")
        return m.RoundTerms(
            format_version=ROUND_VERSION,
            federation_id=engine.charter.federation_id,
            manifest_digest=engine.charter.manifest.digest(),
            number=self._next_number(start),
            nonce=secrets.token_bytes(NONCE_BYTES),
            kind=start.kind,
            members=book.owners if full else (),
            era=book.era.number + full,
            base=book.era.nonce,
            aggregator=us.owner,
            generation=us.generation,
            issuer=us.issuer,
        )

    def _next_number(self, start: Start) -> int:
        ours = self._chair.state.last_number
        used = [c.intention.last_round for o, c in self._connections.items() if o in start.invited and c.intention]
        return 1 + max([ours, *(number for number in used if number <= ours + NUMBER_STEP_MAX)])

    # What it came to

    async def _conclude(self, running: Aggregator) -> None:
        """Unmask, propose the sum, and wait a while for the votes."""
        if running.phase is Phase.ABORTED:
            return
        try:
            summed = await asyncio.to_thread(running.unmask)
            await self._propose(running, summed)
        except (RidgewayError, OSError) as error:
            _log.warning("the sum of round %d cannot be proposed: %s", running.terms.number, error)
            running.abort(str(error))
            return
        if not await self._is_voted_for(running.terms):
            running.abort("too few of its cohort voted for its sum")

    async def _propose(self, running: Aggregator, summed: Sum) -> None:
        engine = self._chair.engine
        round_vector.as_sum(engine.charter.manifest.layout, summed.domains, summed.vector).check_change(
            engine.charter.manifest.mass
        )
        payload = await engine.on_disk(engine.payloads.keep_sum, summed.vector)
        data = encode(_body(running, summed, payload))
        open_body(data, engine.charter.manifest)
        terms = running.terms
        proposal = m.ProposalBody(
            RECORD_VERSION,
            terms.federation_id,
            terms.aggregator,
            terms.generation,
            terms.issuer,
            terms.number,
            data,
        )
        with engine.adopting(payload.digest):
            await engine.publish([record_of(self._chair.identity, proposal)])
        self._chair.voted()

    async def _is_voted_for(self, terms: m.RoundTerms) -> bool:
        engine = self._chair.engine
        with suppress(TimeoutError):
            async with asyncio.timeout(VOTES_WAIT_S):
                while engine.roster.rounds.ended(terms) is None:
                    await engine.changed.wait()
        ended = engine.roster.rounds.ended(terms)
        return ended is not None and ended.body.committed


def proposal_key(terms: m.RoundTerms) -> RecordKey:
    """Under which key the sum of a round is proposed."""
    return RecordKey(RecordKind.PROPOSAL, terms.aggregator, terms.generation, terms.issuer)


def _fitting(start: Start, connected: dict[str, m.Intention]) -> frozenset[str]:
    """As many owners as a round among peers may have; those with a change first, the others have their turn later."""
    changed = sorted(start.invited, key=lambda owner: (not (connected.get(owner) or m.Intention()).domains, owner))
    return frozenset(changed[:COHORT_MAX])


def _body(running: Aggregator, summed: Sum, payload: Payload) -> m.RoundBody:
    survivors = {statement.owner for statement in summed.survivors}
    seats = tuple(
        m.RoundSeat(each.owner, each.generation, each.issuer, True, each.changed, each.domains, each.remaining)
        if each.owner in survivors
        else m.RoundSeat(each.owner, each.generation, each.issuer)
        for each in running.seats
    )
    return m.RoundBody(
        format_version=RECORD_VERSION,
        terms=running.terms,
        seats=seats,
        committed=True,
        domains=summed.domains,
        payload_bytes=payload.length,
        chunk_digests=payload.chunk_digests,
    )
