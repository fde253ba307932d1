"""One membership, as long as it lasts: gossip, the sum and the router, certificates, and letting others in."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from threadpoolctl import threadpool_limits

from ridgeway.crypto.certificates import renewal_due, signing_request, validity
from ridgeway.errors import RidgewayError
from ridgeway.gossip.events import PayloadMissing
from ridgeway.gossip.parameters import LAN
from ridgeway.manifest import Masking
from ridgeway.node.enrolment import identity
from ridgeway.node.link import read_tls, write_credential
from ridgeway.node.rounds import Call
from ridgeway.peers import keyring
from ridgeway.peers.administering import Administration
from ridgeway.peers.agent import PeerAgent
from ridgeway.peers.aggregating import Chair, PeerHall
from ridgeway.peers.delivery import own_key
from ridgeway.peers.dialling import Dialler, Self, round_stream
from ridgeway.peers.engine import Engine
from ridgeway.peers.part import Company
from ridgeway.peers.payload_folder import PayloadFolder
from ridgeway.peers.record_store import STORE_FILE, RecordStore
from ridgeway.peers.round_summing import RoundSumming
from ridgeway.peers.summing import Solved, Summing, Unsummed, Wanted
from ridgeway.proto import messages as m
from ridgeway.roster.keys import RecordKind
from ridgeway.roster.records import record_of
from ridgeway.roster.standing import Member
from ridgeway.router import RouterWeights

_log = logging.getLogger("ridgeway.peers")

PAYLOADS = "peer-payloads"
SPOOLS = "round-inputs"
# Below this the solver is quicker on one core, and leaves the others to everybody else; see the coordinator's.
PARALLEL_DIMENSION = 1000
# An administrator leaves other administrators' newcomers to them for so long.
PATIENCE_S = 20.0
CLOCK_LOOK_S = 300.0
GATHER_S = 0.1
# A sum of which parts are just arriving is not worth solving; but nobody waits for long for a router.
GATHER_MAX_S = 3.0
PAUSE_S = 1.0


class MembershipRun:
    """What runs while this node is a member.

    Attributes:
        engine: gossip.
        administration: this node's power over others.
        solved: the newest sum and router; None until the first is made.
        on_router: told of each new router.
    """

    def __init__(self, agent: PeerAgent, now: Callable[[], datetime]) -> None:
        member, directory = agent.state.require_membership(), agent.directory
        charter = keyring.read_charter(directory)
        store = RecordStore(directory.path / STORE_FILE)
        self.engine = Engine(member.owner, charter, store, PayloadFolder(directory.folder(PAYLOADS)))
        self.administration = Administration(directory, charter, member.owner, self.engine.roster, store)
        self.solved: Solved | None = None
        self.on_router: Callable[[], None] = lambda: None
        self.we = Self(member.owner, member.federation_id, identity(directory), lambda: read_tls(directory))
        self._agent = agent
        self._now = now
        masked = charter.manifest.masking is Masking.REQUIRED
        self._summing = (RoundSumming if masked else Summing)(charter.manifest, self.engine.payloads)
        self.hall = self._new_hall() if masked else None
        self._root = self.engine.machine.root
        self._stale = asyncio.Event()
        self._stale.set()
        self._jitter = random.random()  # noqa: S311 - spreads renewals, protects nothing
        self.engine.on_applied = self._applied
        self.dialler = Dialler(self.we, self.engine.roster.member, self.engine.connections, LAN.dial_timeout_s)
        if charter.manifest.dimension < PARALLEL_DIMENSION:
            threadpool_limits(limits=1, user_api="blas")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run while the block runs; the block ends with the first failure of a duty."""
        try:
            async with asyncio.TaskGroup() as duties:
                gossip = duties.create_task(self.engine.run(self.dialler))
                others = [duties.create_task(work) for work in self._duties()]
                self._agent.engine = self.engine
                try:
                    yield
                finally:
                    self._agent.engine = None
                    for task in (*others, gossip):
                        task.cancel()
        finally:
            await asyncio.to_thread(self.engine.close)

    def _duties(self) -> Iterator[Coroutine[None, None, None]]:
        yield from (self._sum_up(), self._let_in(), self._keep_certified())
        if self.hall is not None:
            # Who cannot be dialled adds up for nobody.
            reachable = bool(self._agent.addresses[0])
            company = Company(self.engine, self.hall if reachable else None, self._round_stream, self._agent.standing)
            yield self._agent.rounds.take_part_among(company)
            if reachable:
                yield self.hall.run()

    def round_status(self) -> m.RoundStatus | None:
        """What this node knows of rounds: of its own, while it is its turn, and of what its own part waits for."""
        if self.hall is None:
            return None
        status, last = self.hall.status(), self.engine.roster.rounds.last
        if last is not None and (status.phase or status.number < last.terms.number):
            # Somebody else added up the last one.
            number = status.number if status.phase else last.terms.number
            status = replace(status, number=number, last_outcome=last.outcome)
        return replace(status, waiting=self._agent.rounds.waiting or status.waiting)

    def _new_hall(self) -> PeerHall:
        rounds, spools = self._agent.rounds, self._agent.directory.folder(SPOOLS)
        rounds.on_committed = self._agent.unsettled.set
        return PeerHall(Chair(self.engine, self.we.identity, rounds.state, spools, rounds.look_soon))

    def _round_stream(self, member: Member) -> AbstractAsyncContextManager[Call]:
        return round_stream(self.we, member, LAN.dial_timeout_s)

    # The sum

    def _applied(self, root: bytes) -> None:
        self._root = root
        self._stale.set()
        if self.hall is not None:
            self.hall.stir()

    async def _sum_up(self) -> None:
        """Bring the sum up to date whenever the records changed; what changes meanwhile is done right after."""
        took_s = 0.0
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver") as solver:
            while True:
                await self._stale.wait()
                await self._gather(took_s)
                self._stale.clear()
                wanted, began_s = self._wanted(), time.monotonic()
                try:
                    work = asyncio.get_running_loop().run_in_executor(solver, self._summing.bring, wanted)
                    solved = await asyncio.shield(work)
                except Unsummed as error:
                    _log.error("%s", error)
                    await self.engine.on_disk(self.engine.payloads.lost, error.payload_digest)
                    await self.engine.report(PayloadMissing(error.payload_digest))
                    continue
                await self._publish(solved)
                took_s = time.monotonic() - began_s

    async def _gather(self, took_s: float) -> None:
        """What comes within a moment is solved together; a busy machine gathers for longer, and so does one that is
        fetching payloads."""
        until_s = time.monotonic() + max(GATHER_MAX_S, 4 * took_s)
        await asyncio.sleep(max(GATHER_S, 2 * took_s))
        while self.engine.machine.pending() and time.monotonic() < until_s:  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(GATHER_S)

    def _wanted(self) -> Wanted:
        roster = self.engine.roster
        now_ms = time.time_ns() // 1_000_000
        return Wanted(
            self._root,
            roster.revision,
            roster.edition,
            roster.counted,
            roster.experts,
            now_ms,
            roster.rounds.counted,
        )

    async def _publish(self, solved: Solved) -> None:
        self.solved = solved
        if solved.sum_digest:
            await self.engine.sum_ready(solved.root, solved.sum_digest, solved.weights_digest)
        await self.engine.forget_payloads(self._summing.needed)
        if solved.problem:
            _log.warning("the sum gives no router: %s", solved.problem)
        agent, router = self._agent, solved.router
        if router is None or self._is_served(router):
            return
        try:
            await agent.routers.replace(solved.artifact, await agent.embedder(), agent.manifest())
        except RidgewayError as error:
            _log.warning("the router cannot be used here: %s", error)
            return
        _log.info("router %d from sum %s", router.version, solved.sum_digest.hex())
        self.on_router()

    def _is_served(self, router: RouterWeights) -> bool:
        """Whether what decides here is this already: then the vocabulary need not be scored again."""
        served = self._agent.routers.router
        if served is None:
            return False
        now = served.router
        same = (now.version, now.sum_digest, now.experts) == (router.version, router.sum_digest, router.experts)
        return same or (now.version, now.edition) >= (router.version, router.edition)

    # Letting others in

    async def _let_in(self) -> None:
        """As an administrator, answer who asks; others' newcomers only if those others do not."""
        patient_until = time.monotonic() + PATIENCE_S
        while True:
            changed = self.engine.changed
            impatient = time.monotonic() >= patient_until
            if impatient:
                patient_until = time.monotonic() + PATIENCE_S
            await self._try(self._answer_all(to_others=impatient))
            await _either(changed.wait(), PATIENCE_S)

    async def _answer_all(self, *, to_others: bool) -> None:
        answers = self.administration.answers(self._now(), to_others=to_others)
        if answers:
            await self.engine.publish(answers)

    async def _try(self, work: Awaitable[None]) -> None:
        try:
            await work
        except RidgewayError as error:
            _log.warning("%s", error)

    # Our own certificate

    async def _keep_certified(self) -> None:
        """Take a certificate that has come; ask for the next one at two thirds of the present one's life."""
        while True:
            changed = self.engine.changed
            self._take_certificate()
            await self._try(self._ask_for_certificate())
            await asyncio.sleep(PAUSE_S)
            await _either(changed.wait(), CLOCK_LOOK_S)

    def _take_certificate(self) -> None:
        directory = self._agent.directory
        member = self.engine.roster.member(self.engine.owner)
        key = directory.read(keyring.REQUESTED_KEY_FILE)
        if key is None or member is None or member.certificate is None:
            return
        chain = member.certificate.certificate_chain_pem
        if x509.load_pem_x509_certificate(chain).public_key() == load_pem_private_key(key, password=None).public_key():
            write_credential(directory, key, chain)
            keyring.forget_requested_key(directory)
            _log.info("the certificate is renewed, by %s", member.certificate.certifier)

    async def _ask_for_certificate(self) -> None:
        directory, member = self._agent.directory, self._agent.state.require_membership()
        due = renewal_due(*validity(read_tls(directory).certificate_pem), self._jitter)
        asked = directory.read(keyring.REQUESTED_KEY_FILE) is not None
        before = self.engine.roster.body(own_key(RecordKind.REQUEST, member))
        if self._now() < due or asked or not isinstance(before, m.CertificateRequestBody):
            return
        request = replace(
            before,
            sequence=before.sequence + 1,
            signing_request_pem=signing_request(keyring.requested_key(directory), member.owner),
            invitation=None,
            redemption=b"",
        )
        await self.engine.publish([record_of(self.we.identity, request)])


async def _either(happens: Awaitable[object], seconds: float) -> None:
    """Wait for something, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            await happens
    except TimeoutError:
        return
