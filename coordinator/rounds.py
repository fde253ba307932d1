"""Rounds of secure aggregation over the members' streams: one at a time, begun as soon as the policy allows.

A round lives in memory. If the coordinator dies before it is committed it is as if it had never been; the ledger says
which rounds were committed, and every node asks.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from ridgeway import round_vector
from ridgeway.coordinator.database import LedgerUnwritable
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.ledger import Place
from ridgeway.coordinator.observer import Observer, Unobserved
from ridgeway.coordinator.publication import Publisher
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.rounds.hall import INPUTS_AT_ONCE, Connection, Hall
from ridgeway.secagg.aggregator import Aggregator, Phase
from ridgeway.secagg.round_policy import Roll, Start, Wait, decide

_log = logging.getLogger("ridgeway.coordinator")


class Rounds(Hall):
    """The rounds that a coordinator runs; what is committed, its ledger says."""

    def __init__(
        self, federation: Federation, exclusive: Exclusive, publisher: Publisher, observer: Observer | None = None
    ) -> None:
        super().__init__()
        self._observer = observer or Unobserved()
        self._federation = federation
        self._exclusive = exclusive
        self._publisher = publisher

    @property
    def _spools(self) -> Path:
        return self._federation.totals.folder

    def stir(self) -> None:
        """Something changed that the next round may depend on; who is no member any more is sent away."""
        members = self._federation.membership.members
        for owner, connection in self._connections.items():
            if members[owner].state is not m.MemberState.ACTIVE:
                connection.send(None)
        self._stirred.set()

    async def _take_intention(self, connection: Connection, intention: m.Intention) -> None:
        places = await self._exclusive(self._federation.ledger.places)
        running = self._round
        undecided = running is not None and intention.open_round == running.terms.nonce
        connection.intention = None if undecided else intention
        connection.waiting, connection.told = "", _settled(places, connection.owner)
        connection.send(m.RoundOrder(situation=m.Situation(connection.told, undecided=undecided)))
        self._intention_s = time.monotonic()
        self.stir()

    # Rounds

    async def _decided(self) -> Start | Wait:
        places: dict[str, Place] = await self._exclusive(self._federation.ledger.places)
        self._set_outdated_aside(places)
        members = self._federation.membership.members
        active = {owner for owner, member in members.items() if member.state is m.MemberState.ACTIVE}
        # Who left while a round with it was under way is in the sum and cannot take itself out any more.
        gone = {m.MemberState.EVICTED, m.MemberState.LEFT}
        evicted = {owner for owner in places if members[owner].state in gone}
        now = time.monotonic()
        if not evicted and not any(c.intention and c.intention.out_of_step for c in self._connections.values()):
            self._full_due_s = now
        if not any(c.intention and c.intention.exposed for c in self._connections.values()):
            self._exposed_s = now
        newest = self._publisher.latest
        roll = Roll(
            connected={o: c.intention for o, c in self._connections.items() if c.intention and o in active},
            in_sum=places.keys(),
            evicted=evicted,
            trial_version=self._federation.trials.wanted(newest.router.version) if newest else 0,
            quiet_s=now - self._intention_s,
            full_due_s=now - self._full_due_s,
            exposed_s=now - self._exposed_s,
        )
        return decide(roll, self._federation.manifest.min_cohort)

    def _set_outdated_aside(self, places: Mapping[str, Place]) -> None:
        """Ask no owner by what it intended before a round that it knows nothing of, such as one that left it out."""
        for owner, connection in self._connections.items():
            intention, settled = connection.intention, _settled(places, owner)
            if intention is None or intention.out_of_step or intention.settled_round == settled:
                continue
            connection.intention = None
            if connection.told != settled:
                connection.told = settled
                connection.send(m.RoundOrder(situation=m.Situation(settled)))

    async def _run_round(self, start: Start) -> None:
        try:
            await self._conduct(start)
        except LedgerUnwritable as error:
            _log.error("no round can be called: %s", error)
            self._note(last_outcome=f"no round can be called: {error}")
            await asyncio.sleep(self._pauses.failed(0.5))

    async def _conduct(self, start: Start) -> None:
        members, newest = self._federation.membership.members, self._publisher.latest
        about = (
            (newest.router.version, newest.router.domains) if start.kind is m.RoundKind.TRIAL and newest else (0, ())
        )
        terms = await self._exclusive(self._federation.call_round, start.kind, about)
        running = Aggregator(
            terms,
            {owner: members[owner].identity_public_key for owner in start.invited},
            self._federation.manifest.min_cohort,
            lambda domains: self._length(terms, domains),
            time.monotonic(),
            slots=INPUTS_AT_ONCE,
        )
        self._open(running, start.invited)
        try:
            await self._await_inputs(running)
            digest = await self._committed(running)
        finally:
            self._round = None
        self._end(running, start.invited, digest)
        await self._pause(running)

    def _length(self, terms: m.RoundTerms, domains: tuple[str, ...]) -> int:
        if terms.kind is m.RoundKind.TRIAL:
            return self._federation.trials.vector_length(len(terms.router_domains))
        return round_vector.length(self._federation.manifest.layout, len(domains))

    async def _committed(self, running: Aggregator) -> bytes:
        """Unmask and commit; the digest of the federation's sum, or nothing if the round came to nothing."""
        if running.phase is Phase.ABORTED:
            return b""
        try:
            summed = await asyncio.to_thread(running.unmask)
            if running.terms.kind is not m.RoundKind.TRIAL:
                return await self._publisher.changing(self._federation.commit_round, running.terms, summed)
            trial = running.terms.router_version, running.terms.router_domains
            await self._exclusive(self._federation.trials.take_sum, *trial, summed.vector)
            self._publisher.changed_soon()
            return self._federation.sum_digest
        except (RidgewayError, OSError) as error:
            running.abort(str(error))
            return b""

    def _end(self, running: Aggregator, invited: frozenset[str], digest: bytes) -> None:
        self._tell_end(running, invited, digest)
        self._observer.round_ended(running.phase is Phase.SUMMED, len(running.dropouts))
        self._note_end(running)
        self._intention_s = time.monotonic()


def _settled(places: Mapping[str, Place], owner: str) -> bytes:
    """Nonce of the last round that the sum holds an owner's part from; empty: it holds nothing of it."""
    place = places.get(owner)
    return place.nonce if place else b""
