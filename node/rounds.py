"""A node in the rounds of its federation: one stream to the coordinator, on which it says what it wants and takes part.

What is masked, and when a round may go on, the machines of `secagg` decide; this is their shell.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import grpc
import numpy as np
import numpy.typing as npt

from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import CHUNK_BYTES
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node.link import Link
from ridgeway.node.masking import mask_in_parallel
from ridgeway.node.round_input import Part, Trial, intention
from ridgeway.node.round_state import RoundState
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Malformed, Unreachable, translated
from ridgeway.secagg.cohort import CohortView, Roster, fingerprint
from ridgeway.secagg.masks import Mask
from ridgeway.secagg.participant import ENTROPY_BYTES, Involvement, Participant
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION

_log = logging.getLogger("ridgeway.node")

# A piece of the masked vector that is not taken for this long is on a connection that has died.
WRITE_WAIT_S = 60.0


class Call(Protocol):
    """A stream with whoever runs rounds."""

    async def write(self, reply: m.RoundReply, /) -> None:
        """Send something."""

    def __aiter__(self) -> AsyncIterator[m.RoundOrder]:
        """What comes."""

    def cancel(self) -> object:
        """End it."""


OnWaiting = Callable[[str], None]


class WrongTerms(RidgewayError):
    """A round that this node takes no part in."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who takes part, and under what agreement.

    Attributes:
        owner: we.
        manifest: our own copy.
        identity: signs.
        payloads: the folder with what we contribute.
        trusted: asked in each round for the fingerprints of the only owners we take part with; None believes new ones.
    """

    owner: str
    manifest: Manifest
    identity: IdentityKey = field(repr=False)
    payloads: Path
    trusted: Callable[[], dict[str, bytes] | None] = lambda: None

    def roster(self, seen: dict[str, bytes]) -> Roster:
        """Whom we believe, given the fingerprints that we have seen before."""
        ours, trusted = {self.owner: fingerprint(self.identity.public_bytes)}, self.trusted()
        return Roster(seen | ours) if trusted is None else Roster(trusted | ours, closed=True)


@dataclass(slots=True)
class Engagement:
    """The round under way, as far as it concerns us."""

    terms: m.RoundTerms
    participant: Participant
    brings: Part | Trial
    view: CohortView | None = None
    masks: tuple[Mask, ...] = field(default=(), repr=False)


class Rounds:
    """A node's part in rounds.

    Attributes:
        state: durable.
        trial: our counts of the newest router, if we have any to report.
        waiting: what our change waits for, as the coordinator says.
        kept_by_daemon: whether a daemon keeps the stream.
        on_committed: called when a round was committed with us.
    """

    def __init__(self, state: RoundState) -> None:
        self.state = state
        self.trial: Trial | None = None
        self.waiting = ""
        self.kept_by_daemon = False
        self.on_committed: Callable[[], None] = lambda: None
        self._stirred = asyncio.Event()
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._engaged: Engagement | None = None
        self._said: m.Intention | None = None

    def stir(self) -> None:
        """What we want may have changed: tell the coordinator."""
        self._stirred.set()
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until_settled(self, on_waiting: OnWaiting) -> None:
        """Wait until the sum holds all that we want, and nothing else of us."""
        told = None
        while True:
            news = self._news
            if not self.state.parts().touched and not self.state.open:
                return
            if told != self.waiting:
                told = self.waiting
                on_waiting(told or "the next round")
            await news.wait()

    async def run(self, link: Link, standing: Standing) -> None:
        """Take part until the stream ends.

        Raises:
            Unreachable, Refused: it has ended.
        """
        async with link.channel() as channel:
            call = rpc.converse(channel, rpc.TAKE_PART)
            with link.told_of_replacement(call.cancel):
                await self._converse(call, standing, link.address)

    async def _converse(self, call: Call, standing: Standing, address: str) -> None:
        announcing = asyncio.create_task(self._announce(call))
        try:
            await self._follow(call, standing)
            raise Unreachable(f"{address} has ended the stream of rounds; is it shutting down?")
        except grpc.aio.AioRpcError as error:
            raise translated(error, address) from error
        except asyncio.InvalidStateError as error:
            raise Unreachable(f"{address} has ended the stream of rounds; taking part again") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        finally:
            self._engaged = None
            announcing.cancel()
            call.cancel()

    async def _announce(self, call: Call) -> None:
        """Say what we want at first, and whenever that changed and no round is under way."""
        self._said = None
        while True:
            self._stirred.clear()
            now = self._intention()
            if self._engaged is None and now != self._said:
                self._said = now
                await self._write(call, m.RoundReply(intention=now))
            await self._stirred.wait()

    def _intention(self) -> m.Intention:
        trial = self.trial.version if self.trial and self.trial.version > self.state.tried else 0
        return intention(
            self.state.next_parts(),
            self.state.settled,
            self.state.open,
            out_of_step=self.state.out_of_step,
            trial_version=trial,
            exposed=self.state.exposed,
            exposed_kind=self.state.exposed_kind,
        )

    async def _write(self, call: Call, reply: m.RoundReply) -> None:
        async with self._writing:
            try:
                async with asyncio.timeout(WRITE_WAIT_S):
                    await call.write(reply)
            except TimeoutError as error:
                raise Unreachable("the coordinator takes nothing more of a round; check that it runs") from error

    async def _follow(self, call: Call, standing: Standing) -> None:
        async for order in call:
            engaged = self._engaged
            if order.situation is not None:
                self._learn(order.situation)
            elif order.outcome is not None:
                self._end(order)
            elif order.terms is not None or (engaged is not None and order.nonce == engaged.terms.nonce):
                await self._take_step(call, order, standing)

    async def _take_step(self, call: Call, order: m.RoundOrder, standing: Standing) -> None:
        """A step that we refuse ends the round for us, and the coordinator is told why."""
        try:
            if order.terms is not None:
                await self._begin(call, order.terms, standing)
            elif self._engaged is not None:
                await self._step(call, order, self._engaged, standing)
        except (Unreachable, Malformed):
            raise
        except RidgewayError as error:
            _log.warning("took no further part in a round: %s", error)
            await self._write(call, m.RoundReply(refusal=str(error), nonce=order.nonce))

    def _learn(self, situation: m.Situation) -> None:
        self.waiting = situation.waiting
        if not situation.undecided and self._engaged is None and self.state.compare(situation.settled_round):
            if self.state.bound:
                _log.warning("%s", self.state.bound)
            self._stirred.set()
            self.on_committed()
        self._tell()

    async def _begin(self, call: Call, terms: m.RoundTerms, standing: Standing) -> None:
        brings = self._brought(terms, standing.manifest)
        self.state.called(terms.number)
        participant = Participant(
            standing.identity,
            terms,
            self._involvement(brings, standing),
            standing.manifest.min_cohort,
            standing.roster(self.state.roster()),
            secrets.token_bytes(ENTROPY_BYTES),
            self.state.exposed if isinstance(brings, Part) else frozenset(),
            excused=self.state.excused,
            rebased=self.state.rebased,
        )
        self._engaged = Engagement(terms, participant, brings)
        await self._write(call, m.RoundReply(advertisement=participant.advertisement, nonce=terms.nonce))

    def _brought(self, terms: m.RoundTerms, manifest: Manifest) -> Part | Trial:
        """What we bring to a round with these terms.

        Raises:
            WrongTerms: nothing.
        """
        ours = ROUND_VERSION, manifest.federation_id, manifest.digest(), NONCE_BYTES
        theirs = terms.format_version, terms.federation_id, terms.manifest_digest, len(terms.nonce)
        if ours != theirs:
            raise WrongTerms("a round was called for another federation, manifest or release; we take no part")
        if terms.kind is m.RoundKind.TRIAL:
            trial = self.trial
            asked = terms.router_version, terms.router_domains
            if trial is None or (trial.version, trial.domains) != asked or trial.version <= self.state.tried:
                raise WrongTerms("a trial was called of a router that we have not tried, or have reported on already")
            return trial
        if terms.kind is m.RoundKind.UNSPECIFIED or self.state.open:
            raise WrongTerms("a round was called of a kind that we do not know, or before the last one was decided")
        if terms.kind is m.RoundKind.INCREMENTAL and self.state.out_of_step:
            raise WrongTerms("we do not know our part of the sum any more, so only a full round can go on with us")
        if self.state.exposed and terms.kind is not self.state.exposed_kind:
            raise WrongTerms("a round that may have been opened has to be run again as it was, before any other")
        return Part(terms.kind, self.state.next_parts())

    def _involvement(self, brings: Part | Trial, standing: Standing) -> Involvement:
        if isinstance(brings, Trial):
            return Involvement(standing.owner, changed=True)
        settled = bool(self.state.settled) and not self.state.out_of_step
        return brings.involvement(standing.owner, settled=settled)

    async def _step(self, call: Call, order: m.RoundOrder, engaged: Engagement, standing: Standing) -> None:
        participant, reply = engaged.participant, None
        if order.cohort is not None:
            reply = m.RoundReply(shares=await asyncio.to_thread(participant.share, order.cohort))
            self._seated(engaged)
        elif order.shares is not None:
            view, engaged.masks = await asyncio.to_thread(participant.masks, order.shares)
            engaged.view = view
            self.state.pin({one.advertised.owner: one.identity_public_key for one in view.neighbours.values()})
        elif order.input_wanted is not None:
            await self._send_input(call, engaged, standing)
        elif order.survivors is not None:
            reply = m.RoundReply(agreement=participant.agree(order.survivors))
        elif order.agreements is not None:
            exposes = participant.exposes
            revelation = await asyncio.to_thread(participant.reveal, order.agreements)
            if isinstance(engaged.brings, Trial):
                self.state.has_tried(engaged.brings.version)
            elif exposes:
                self.state.reveals(exposes, engaged.terms.kind, engaged.terms.aggregator)
            reply = m.RoundReply(revelation=revelation)
        if reply is not None:
            await self._write(call, replace(reply, nonce=order.nonce))

    def _seated(self, engaged: Engagement) -> None:
        """We have a place in a cohort, and nobody has our shares yet."""

    async def _send_input(self, call: Call, engaged: Engagement, standing: Standing) -> None:
        """Mask our vector in place and send it in pieces; what it means is on disk before."""
        view, masks = engaged.view, engaged.masks
        if view is None or not masks:
            raise WrongTerms("our vector was asked for before the shares came; we send nothing")
        engaged.masks = ()
        if isinstance(engaged.brings, Part):
            part = engaged.brings
            vector = await asyncio.to_thread(part.vector, standing.payloads, standing.manifest.layout, view.domains)
            self.state.enter(engaged.terms.nonce, part.targets)
        else:
            vector = engaged.brings.vector()
        await asyncio.to_thread(mask_in_parallel, vector, masks)
        numbers = CHUNK_BYTES // 8
        for index, start in enumerate(range(0, vector.size, numbers)):
            chunk = m.PayloadChunk(index, _bytes(vector[start : start + numbers]))
            await self._write(call, m.RoundReply(input=chunk, nonce=engaged.terms.nonce))

    def _end(self, order: m.RoundOrder) -> None:
        """A round has ended; it may be one that we had entered before our last stream broke."""
        outcome, engaged = order.outcome, self._engaged
        if outcome is None:
            return
        if engaged is not None and order.nonce == engaged.terms.nonce:
            self._engaged = None
            told = "was committed" if outcome.committed else f"went on without us: {outcome.reason}"
            _log.info("round %d %s", engaged.terms.number, told)
        if self.state.open == order.nonce:
            if outcome.committed:
                self.state.committed()
                self.on_committed()
            else:
                self.state.aborted()
        # A round uses up what was said before it, also if nothing has changed.
        self._said = None
        self.stir()


def _bytes(piece: npt.NDArray[np.int64]) -> bytes:
    return piece.astype("<i8", copy=False).tobytes()
