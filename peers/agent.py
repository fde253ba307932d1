"""What a peer does, whether a daemon runs it or a single command: join, contribute, withdraw, leave."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from ridgeway.embedder import Embedder
from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Entry
from ridgeway.node.agent import Agent, load
from ridgeway.node.delivery import OnProgress
from ridgeway.node.enrolment import identity
from ridgeway.node.roster_file import read_roster
from ridgeway.node.round_state import RoundState
from ridgeway.node.rounds import Standing
from ridgeway.peers.ballot import Ballot
from ridgeway.peers.delivery import PeerDelivery, own_key, until_passed_on
from ridgeway.peers.engine import Engine
from ridgeway.peers.enrolment import enrol
from ridgeway.peers.part import PeerRounds
from ridgeway.proto import messages as m
from ridgeway.roster.invitation import PeerInvitation
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.secagg.cohort import fingerprint

_log = logging.getLogger("ridgeway.peers")

ENGINE_WAIT_S = 60.0


class EngineMissing(RidgewayError):
    """The node's gossip did not begin."""


class PeerAgent(Agent):
    """One peer's state, in a directory that the caller has locked.

    Attributes:
        addresses: where this node can be dialled, by members and by newcomers; empty strings: nowhere.
        ask_federation: how to learn the federation's status; None if no daemon runs.
    """

    seen_by = "every member"

    def __init__(self, directory: DataDirectory, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(directory, now)
        self.rounds: PeerRounds = PeerRounds(RoundState(self.state), Ballot(self.state))
        self.addresses = ("", "")
        self.ask_federation: Callable[[], Awaitable[m.FederationStatus]] | None = None
        self._time = now
        self._engine: Engine | None = None
        self._up = asyncio.Event()

    @property
    def engine(self) -> Engine | None:
        """The gossip of the present membership, while it runs."""
        return self._engine

    @engine.setter
    def engine(self, engine: Engine | None) -> None:
        self._engine = engine
        if engine is None:
            self._up.clear()
        else:
            engine.on_behind = self._behind
            self._up.set()

    def require_engine(self) -> Engine:
        """The gossip of the present membership.

        Raises:
            EngineMissing: it does not run.
        """
        if self._engine is None:
            raise EngineMissing("this node's gossip does not run yet; try again in a moment, and look at its log")
        return self._engine

    def delivery(self) -> PeerDelivery:
        """What publishes our records.

        Raises:
            EngineMissing: nobody would pass them on.
        """
        engine, key = self.require_engine(), identity(self.directory)
        return PeerDelivery(self.state, engine, key, self.payloads, self.addresses, self._time)

    def standing(self) -> Standing:
        """Who we are in a round, and whom we believe: the members by the records, fewer if our roster file says so.

        Raises:
            NotJoined: we can take part in none.
        """
        return replace(super().standing(), trusted=self._trusted)

    def _trusted(self) -> dict[str, bytes]:
        members = self.require_engine().roster.members
        known = {name: fingerprint(each.identity_public_key) for name, each in members.items() if each.active}
        chosen = read_roster(self.directory)
        return known if chosen is None else {name: key for name, key in known.items() if chosen.get(name) == key}

    async def federation_status(self) -> m.FederationStatus:
        """The federation as this node's records say.

        Raises:
            EngineMissing: no daemon runs.
        """
        if self.ask_federation is None:
            raise EngineMissing("this node's daemon does not run; start `ridgeway node`")
        return await self.ask_federation()

    async def admit(self, request: m.JoinRequest, on_progress: OnProgress) -> Embedder:
        """Turn the request's token into a membership; the embedder that the federation computes with.

        Raises:
            RidgewayError: see `enrolment.enrol`.
        """
        invitation = PeerInvitation.from_token(request.token)
        return await enrol(self.directory, self.state, invitation, request.embedder, load, on_progress)

    async def ledger(self) -> tuple[dict[str, int], int]:
        """What counts of us, sequence numbers by domain, and the smallest number that is free.

        Raises:
            EngineMissing: the records cannot be asked.
        """
        engine, member = self.require_engine(), self.state.require_membership()
        prefix = str(own_key(RecordKind.CONTRIBUTION, member))
        ours = [entry.record.sequence for entry in engine.machine.entries() if entry.key.startswith(prefix)]
        counted = engine.roster.counted_of(member.owner)
        return {domain: held.sequence for domain, held in counted.items()}, 1 + max(ours, default=0)

    async def settle(
        self, domains: set[str] | None = None, fresh: set[str] | None = None, on_progress: OnProgress = lambda _: None
    ) -> None:
        """Publish everything that is not published yet; see `Agent.settle`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ENGINE_WAIT_S):
                await self._up.wait()
        self.require_engine()
        await super().settle(domains, fresh, on_progress)

    async def passed_on(self) -> None:
        """Wait until another peer holds what counts of us, if there is another.

        Raises:
            Unreachable: none did in time.
        """
        engine, member = self.require_engine(), self.state.require_membership()
        counted = engine.roster.counted_of(member.owner)
        keys = [own_key(RecordKind.CONTRIBUTION, member, domain) for domain in counted]
        profile = own_key(RecordKind.PROFILE, member)
        await until_passed_on(engine, [*keys, profile], "what you contributed")

    def _behind(self, entry: Entry) -> None:
        """Others know a record of ours that this copy of the node does not: it was restored from a backup."""
        key, member = RecordKey.parse(entry.key), self.state.membership
        if key.kind is not RecordKind.CONTRIBUTION or member is None or key.generation != member.generation:
            return
        _log.warning(
            "others hold number %d of our %s, which this copy of the node does not know; was it restored from a backup?"
            " It takes higher numbers from now on", entry.record.sequence, key.domain,
        )  # fmt: skip
        committed = {domain: held.sequence for domain, held in self.state.last_committed().items()}
        committed.pop(key.domain, None)
        self.state.compare(committed, entry.record.sequence + 1)
        if key.domain not in self.state.sources():
            _log.warning("the sum may hold our %s, which has no source here; withdraw it with leave", key.domain)
        self.unsettled.set()
