"""The members' streams and the round under way, for whoever runs rounds of secure aggregation.

What a round is about, who decides that one begins and what becomes of its sum, the coordinator and a peer each say by
themselves; how members are followed, and how one round goes from its terms to its sum, is the same.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ridgeway.crypto.owner_name import OWNER_CHARACTERS, check_domains
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.protocol.backoff import Backoff
from ridgeway.rounds.input_spool import InputSpool
from ridgeway.runtime.remote_errors import Malformed
from ridgeway.secagg.aggregator import Aggregator, Orders, Phase
from ridgeway.secagg.plan import COHORT_MAX
from ridgeway.secagg.round_policy import ABSENT_S, Start, Wait
from ridgeway.secagg.terms import NONCE_BYTES
from ridgeway.token_bucket import TokenBucket

_log = logging.getLogger("ridgeway.rounds")

# A node answers each order before it gets many more; one that reads nothing is cut off.
ORDERS_HELD = 64
# A node says what it wants when that changes; each saying looks into the ledger, and each may begin a round.
INTENTIONS_PER_SECOND = 2.0
INTENTIONS_AT_ONCE = 50.0
# A node that was asked for its vector and sends nothing for this long has gone.
INPUT_WAIT_S = 30.0
# How often a running round looks at its deadlines.
LOOK_S = 0.5
# Vectors on their way at once; they lie on disk until they are added, but each stream has its buffers.
INPUTS_AT_ONCE = 2
# After an aborted round, so that a node that always refuses does not keep everybody busy.
PAUSE_FIRST_S = 1.0
PAUSE_LONGEST_S = 60.0


class TooManyIntentions(RidgewayError):
    """A member that changes its mind more often than its prompts can change."""


class SlowReader(RidgewayError):
    """A member that does not read what it is sent."""


@dataclass(slots=True, eq=False)
class Connection:
    """One member's stream.

    Attributes:
        owner: whose.
        orders: what is to be sent; None ends the stream.
        intention: what it wants, once it has said so.
        waiting: what it was last told to wait for.
        told: the round that it was last told to be settled.
        spool: its masked vector as it arrives; None while none is wanted.
        progress_s: when the last of it came.
        intentions: how many more it may send.
    """

    owner: str
    orders: "asyncio.Queue[m.RoundOrder | None]" = field(default_factory=lambda: asyncio.Queue(ORDERS_HELD))
    intention: m.Intention | None = None
    waiting: str = ""
    told: bytes = b""
    spool: InputSpool | None = None
    progress_s: float = 0.0
    intentions: TokenBucket = field(default_factory=lambda: TokenBucket(INTENTIONS_PER_SECOND, INTENTIONS_AT_ONCE))

    def send(self, order: m.RoundOrder | None) -> None:
        """Send something; a stream that does not take it is ended."""
        try:
            self.orders.put_nowait(order)
        except asyncio.QueueFull:
            while not self.orders.empty():
                self.orders.get_nowait()
            self.orders.put_nowait(None)

    def want(self, spool: InputSpool) -> None:
        """Take a masked vector from now on."""
        self.give_up()
        self.spool, self.progress_s = spool, time.monotonic()

    def give_up(self) -> None:
        """Take no vector any more, and forget what came of one."""
        if self.spool is not None:
            self.spool.close()
            self.spool = None


class Hall(ABC):
    """The members that are there, and the round under way."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._round: Aggregator | None = None
        self._stirred = asyncio.Event()
        # When somebody said what it wants, when nobody needed a full round, and when nobody's last round was opened.
        self._intention_s = self._full_due_s = self._exposed_s = time.monotonic()
        self._pauses = Backoff(PAUSE_FIRST_S, PAUSE_LONGEST_S)
        self._status = m.RoundStatus()
        self._closing = False

    @property
    @abstractmethod
    def _spools(self) -> Path:
        """Where masked vectors lie while they arrive."""

    @abstractmethod
    async def _take_intention(self, connection: Connection, intention: m.Intention) -> None:
        """A member says what it wants."""

    @abstractmethod
    async def _decided(self) -> Start | Wait:
        """Whether a round may begin now."""

    @abstractmethod
    async def _run_round(self, start: Start) -> None:
        """Run one round to its end."""

    def status(self) -> m.RoundStatus:
        """What is going on."""
        running = self._round
        return m.RoundStatus(
            waiting=self._status.waiting,
            phase=running.phase.value if running else "",
            number=running.terms.number if running else self._status.number,
            cohort=running.cohort_size if running else 0,
            missing=running.missing if running else (),
            changed=tuple(sorted(o for o, c in self._connections.items() if c.intention and c.intention.domains)),
            last_outcome=self._status.last_outcome,
            committed=self._status.committed,
            aborted=self._status.aborted,
            dropouts=self._status.dropouts,
        )

    def stir(self) -> None:
        """Something changed that the next round may depend on."""
        self._stirred.set()

    def close(self) -> None:
        """End every member's stream."""
        self._closing = True
        for connection in self._connections.values():
            connection.send(None)

    # Members' streams

    async def follow(
        self, owner: str, replies: AsyncIterator[m.RoundReply], still_welcome: Callable[[], object]
    ) -> AsyncGenerator[m.RoundOrder, None]:
        """One member's stream, until either side ends it; a newer one of the same owner takes its place.

        Raises:
            SlowReader: the member does not read.
            Malformed: it sends what no round needs.
        """
        connection = Connection(owner)
        older = self._connections.get(owner)
        if older is not None:
            self._forget(older)
            older.send(None)
        self._connections[owner] = connection
        reading = asyncio.create_task(self._read(connection, replies, still_welcome))
        reading.add_done_callback(lambda _: connection.send(None))
        try:
            while (order := await connection.orders.get()) is not None:
                still_welcome()
                yield order
            still_welcome()
            if reading.done():
                reading.result()
            elif not self._closing and self._connections.get(owner) is connection:
                raise SlowReader("this stream is not read; take part again")
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([reading])
            if self._connections.get(owner) is connection:
                del self._connections[owner]
                self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.give_up()
        if self._round is not None:
            self._send(self._round.lost(connection.owner, time.monotonic()))
        self.stir()

    async def _read(
        self, connection: Connection, replies: AsyncIterator[m.RoundReply], still_welcome: Callable[[], object]
    ) -> None:
        async for reply in replies:
            still_welcome()
            if reply.intention is not None:
                _check_intention(reply.intention)
                if not connection.intentions.take(time.monotonic()):
                    raise TooManyIntentions(f"{connection.owner} says too often what it wants; take part again")
                await self._take_intention(connection, reply.intention)
            elif self._round is not None and reply.nonce == self._round.terms.nonce:
                self._take_step(connection, reply, self._round)

    def _take_step(self, connection: Connection, reply: m.RoundReply, running: Aggregator) -> None:
        if reply.input is not None:
            self._take_chunk(connection, reply.input, running)
        else:
            self._send(running.receive(connection.owner, reply, time.monotonic()))
        self.stir()

    def _take_chunk(self, connection: Connection, chunk: m.PayloadChunk, running: Aggregator) -> None:
        spool = connection.spool
        if spool is None:
            return
        if chunk.index * CHUNK_BYTES != spool.received or not 0 < len(chunk.data) <= spool.missing:
            raise Malformed("a piece of a masked vector is missing, doubled or too long; take part again")
        try:
            spool.append(chunk.data)
        except OSError as error:
            self._lose(connection, running, error)
            return
        connection.progress_s = time.monotonic()
        if not spool.missing:
            self._send(running.take_input(connection.owner, spool.numbers, spool.pieces(), time.monotonic()))
            connection.give_up()

    def _send(self, orders: Orders) -> None:
        running = self._round
        if running is None:
            return
        for owner, order in orders:
            connection = self._connections.get(owner)
            if connection is None:
                # It went before it was awaited again, so nothing else will say so.
                self._send(running.lost(owner, time.monotonic()))
                continue
            if order.input_wanted is not None:
                try:
                    connection.want(InputSpool(self._spools, running.vector.size))
                except OSError as error:
                    self._lose(connection, running, error)
                    continue
            connection.send(_addressed(order, running.terms.nonce))

    def _lose(self, connection: Connection, running: Aggregator, error: OSError) -> None:
        """Go on without an owner whose vector has no place on our disk."""
        connection.give_up()
        _log.error("no place for the masked vector of %s: %s", connection.owner, error)
        self._send(running.lost(connection.owner, time.monotonic(), "the aggregator's disk does not take its vector"))

    # One round after another

    async def run(self) -> None:
        """Begin a round whenever one may begin, for ever."""
        while True:
            self._stirred.clear()
            decision = await self._decided()
            if isinstance(decision, Wait):
                self._tell(decision.why)
                with suppress(TimeoutError):
                    async with asyncio.timeout(decision.look_again_s):
                        await self._stirred.wait()
                continue
            self._tell("")
            await self._run_round(decision)

    def _tell(self, why: str) -> None:
        self._note(waiting=why)
        for connection in self._connections.values():
            intention = connection.intention
            if intention is not None and intention.domains and connection.waiting != why:
                connection.waiting = why
                connection.send(m.RoundOrder(situation=m.Situation(connection.told, why)))

    def _open(self, running: Aggregator, invited: frozenset[str]) -> None:
        """Ask everybody who is invited; what they said before, the round uses up."""
        self._round = running
        kind, number = running.terms.kind.name.lower(), running.terms.number
        _log.info("called %s round %d of %d owners", kind, number, len(invited))
        for owner in sorted(invited & self._connections.keys()):
            self._connections[owner].intention = None
        self._send(running.start())
        for owner in sorted(invited - self._connections.keys()):
            self._send(running.lost(owner, time.monotonic()))

    async def _pause(self, running: Aggregator) -> None:
        """After a round that came to nothing, wait before the next one."""
        if running.phase is Phase.SUMMED:
            self._pauses.succeeded()
            return
        waited = time.monotonic() - self._exposed_s >= ABSENT_S
        await asyncio.sleep(self._pauses.failed(0.5))
        if waited:
            # Those of an opened round have their turn again: they may be back, and be why this one failed.
            self._exposed_s = time.monotonic()

    async def _await_inputs(self, running: Aggregator) -> None:
        while running.phase not in {Phase.UNMASKING, Phase.ABORTED}:
            self._stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._stirred.wait()
            now = time.monotonic()
            self._send(running.tick(now))
            for connection in list(self._connections.values()):
                if connection.spool is not None and now - connection.progress_s > INPUT_WAIT_S:
                    connection.give_up()
                    self._send(running.lost(connection.owner, now, "it stopped sending its masked vector"))

    def _tell_end(self, running: Aggregator, invited: frozenset[str], digest: bytes) -> None:
        """Tell everybody who was asked whether the sum holds its part."""
        committed = running.phase is Phase.SUMMED
        for owner in sorted(invited & self._connections.keys()):
            within = committed and owner in running.included
            reason = "" if within else running.dropouts.get(owner, running.reason)
            order = m.RoundOrder(outcome=m.RoundOutcome(within, reason, digest))
            self._connections[owner].send(_addressed(order, running.terms.nonce))

    def _note_end(self, running: Aggregator) -> None:
        """Remember how a round ended, for `status`."""
        committed, number = running.phase is Phase.SUMMED, running.terms.number
        outcome = f"round {number} was committed" if committed else f"round {number} came to nothing: {running.reason}"
        gone = ", ".join(f"{owner} ({why})" for owner, why in sorted(running.dropouts.items())[:5])
        _log.info("%s; %d dropped out%s", outcome, len(running.dropouts), f": {gone}" if gone else "")
        self._note(
            number=number,
            last_outcome=outcome,
            committed=self._status.committed + committed,
            aborted=self._status.aborted + (not committed),
            dropouts=self._status.dropouts + len(running.dropouts),
        )

    def _note(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)


def _check_intention(intention: m.Intention) -> None:
    check_domains(intention.domains)
    check_domains(intention.remaining)
    if len(intention.exposed) > COHORT_MAX or any(len(owner) > OWNER_CHARACTERS for owner in intention.exposed):
        raise Malformed("these were no survivors of a round; take part again")
    if max(len(intention.settled_round), len(intention.open_round)) > NONCE_BYTES:
        raise Malformed(f"a round is known by {NONCE_BYTES} bytes; take part again")


def _addressed(order: m.RoundOrder, nonce: bytes) -> m.RoundOrder:
    return replace(order, nonce=nonce)
