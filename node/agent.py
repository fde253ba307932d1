"""What a node does, whether a daemon runs it or a single command: join, contribute, withdraw, leave."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from ridgeway.crypto.certificates import validity
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.errors import RidgewayError
from ridgeway.features import Features
from ridgeway.manifest import Manifest, Masking
from ridgeway.node import enrolment
from ridgeway.node.brought_statistics import BroughtStatistics
from ridgeway.node.contribution import Computed, DomainError, Workshop, compute, signer
from ridgeway.node.delivery import CoordinatorDelivery, Delivery, OnProgress, withdrawal_signer
from ridgeway.node.hold_outs import HoldOuts
from ridgeway.node.link import Link, read_tls
from ridgeway.node.persistence import persist
from ridgeway.node.prompts import PromptError, PromptSource, ReadReport, source_fingerprint
from ridgeway.node.prompts.source import STANDARD_INPUT
from ridgeway.node.request import check_request, prompt_source, read_statistics
from ridgeway.node.roster_file import read_roster
from ridgeway.node.round_state import RoundState
from ridgeway.node.rounds import Rounds, Standing
from ridgeway.node.router_store import RouterStore
from ridgeway.node.state import EVERYTHING, STATE_FILE, Membership, NodeState, NotJoined, Prepared
from ridgeway.privacy.agreement import agreed_embedder
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.secagg.cohort import fingerprint

_log = logging.getLogger("ridgeway.node")


class UnknownSource(RidgewayError):
    """A domain that this node does not contribute to."""


class Stopped(RidgewayError):
    """The node was told to stop while it counted."""


class Agent:
    """One node's state and its connection, in a directory that the caller has locked.

    Attributes:
        state: durable.
        routers: the newest router.
        rounds: our part in rounds of secure aggregation.
        link: the connection; None until it is needed.
        payloads: the folder with those of our records.
        unsettled: set while the state may hold something that the coordinator does not have.
        on_membership: called when the node joined or left.
        doubtful: whether the coordinator's ledger may have been restored from a backup since we compared.
        seen_by: who sees an owner's sums where they are not masked.
    """

    seen_by = "the coordinator"

    def __init__(self, directory: DataDirectory, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.directory = directory
        self.state = NodeState(directory.path / STATE_FILE)
        self.routers = RouterStore(directory)
        self.link: Link | None = None
        self.doubtful = False
        self.unsettled = asyncio.Event()
        self.unsettled.set()
        self.on_membership: Callable[[], None] = lambda: None
        self._now = now
        self.payloads = directory.folder("payloads")
        self.hold_outs = HoldOuts(directory.folder("hold-outs"))
        self._brought = BroughtStatistics(directory.folder("statistics"))
        # Made before anybody looks for it who may only read.
        self.state.hold_out_key()
        self.rounds = Rounds(RoundState(self.state))
        self._embedder: Embedder | None = None
        self._changing = asyncio.Lock()

    async def close(self) -> None:
        """End the connection and close the state."""
        await self._disconnect()
        self.state.close()

    # Membership

    def manifest(self) -> Manifest:
        """What the federation agreed on, also after leaving it.

        Raises:
            NotJoined: we never were a member.
        """
        return Manifest.from_json(self._latest_membership().manifest_json.encode())

    @property
    def masked(self) -> bool:
        """Whether what we contribute leaves this machine masked only; the manifest decides, nobody else."""
        return self.manifest().masking is Masking.REQUIRED

    def standing(self) -> Standing:
        """Who we are in a round.

        Raises:
            NotJoined: we can take part in none.
        """
        owner = self.state.require_membership().owner
        identity = enrolment.identity(self.directory)
        return Standing(owner, self.manifest(), identity, self.payloads, lambda: read_roster(self.directory))

    async def embedder(self) -> Embedder:
        """The embedder that the membership names, loaded once.

        Raises:
            NotJoined, EmbedderError: there is none.
        """
        if self._embedder is None:
            self._embedder = await self._as_agreed(await load(self._latest_membership().embedder))
        return self._embedder

    async def _as_agreed(self, embedder: Embedder) -> Embedder:
        return await asyncio.to_thread(agreed_embedder, embedder, self.manifest())

    def _latest_membership(self) -> Membership:
        return self.state.membership or self.state.require_membership()

    def connect(self) -> Link:
        """The connection to the coordinator.

        Raises:
            NotJoined, CredentialMissing, CertificateExpired: there can be none.
        """
        membership = self.state.require_membership()
        if self.link is None:
            self.link = Link(membership.member_address, read_tls(self.directory))
        self.link.require_valid(self._now())
        return self.link

    def delivery(self) -> Delivery:
        """What brings our records where they count.

        Raises:
            NotJoined, CredentialMissing, CertificateExpired: there is nowhere to bring them.
        """
        return CoordinatorDelivery(self.state, self.connect(), enrolment.identity(self.directory), self.payloads)

    async def _disconnect(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            await link.close()

    async def join(self, request: m.JoinRequest, on_progress: OnProgress) -> None:
        """Enrol if there is a token, take over sources and experts, contribute, and return when all is committed.

        Raises:
            RidgewayError: many kinds; what was done until then stays, and the same join may be run again.
        """
        await asyncio.to_thread(check_request, request, set(self.state.sources()))
        async with self._changing:
            if request.token:
                await self._enrol(request, on_progress)
            self.state.require_membership()
            sources = {source.domain: await self._taken_over(source) for source in request.sources}
            if sources and self.masked:
                self.state.stay()
            self.state.add(sources, request.experts + request.generalists)
            self.state.keep_out(request.hold_out)
        wanted = set(self.state.sources()) if request.token else set(sources)
        fresh = {domain for domain, source in sources.items() if source.location == STANDARD_INPUT}
        await self._settle(wanted, fresh, on_progress)
        self.state.require_membership()

    async def _enrol(self, request: m.JoinRequest, on_progress: OnProgress) -> None:
        on_progress(m.Progress(stage="enrol"))
        before = self.state.membership
        embedder = await self.admit(request, on_progress)
        self._embedder = await self._as_agreed(embedder)
        await self._disconnect()
        membership = self.state.require_membership()
        if before is not None and before.federation_id != membership.federation_id:
            self.routers.forget()
        on_progress(m.Progress(stage="enrolled", detail=membership.owner))
        if self.rounds.state.bound:
            self.rounds.state.forget_exposed()
            on_progress(m.Progress("warning", detail="a round that may have been opened is forgotten, as you asked"))
        _log.info("enrolled as %s at %s", membership.owner, membership.member_address)
        # The join that goes on now contributes by itself.
        self.unsettled.clear()
        if not self.masked:
            seen = "sees your sums, with noise" if self.manifest().privacy else "can tell which words you use"
            on_progress(m.Progress("warning", detail=f"masking is off: {self.seen_by} {seen}"))
        self.on_membership()

    async def _taken_over(self, source: m.PromptSource) -> PromptSource:
        """A source as we keep it; statistics are copied, after a look at whether they are of this federation's rows."""
        if not source.statistics:
            return prompt_source(source)
        brought = await asyncio.to_thread(read_statistics, source)
        brought.features.check_same(Features.of(self.manifest()))
        return await asyncio.to_thread(self._brought.keep, brought)

    async def admit(self, request: m.JoinRequest, _: OnProgress) -> Embedder:
        """Turn the request's token into a membership; the embedder that the federation computes with.

        Raises:
            RidgewayError: see `enrolment.enrol`.
        """
        return await enrolment.enrol(self.directory, self.state, request.token, request.embedder, load)

    async def leave(self, domain: str, on_progress: OnProgress) -> None:
        """Take one domain, or EVERYTHING, out of the sum; return when it is acknowledged.

        Raises:
            NotJoined, UnknownSource: there is nothing to take out.
            Unreachable, Refused: it is not acknowledged; it will be sent again, by this call or by the daemon.
        """
        async with self._changing:
            self.state.require_membership()
            on_progress(m.Progress("leaving", domain))
            if domain == EVERYTHING or domain in self.state.contributions() or await self._is_in_ledger(domain):
                if domain not in self.state.withdrawals() or self._came_back(domain):
                    key = enrolment.identity(self.directory)
                    self.state.withdraw(domain, withdrawal_signer(self.state, key, domain), masked=self.masked)
            else:
                self.state.forget_source(domain)
                on_progress(m.Progress("withdrawn", domain))
        await self._settle(set(), set(), on_progress)

    def _came_back(self, domain: str) -> bool:
        """Whether a domain, or with EVERYTHING any, was added again after it was withdrawn."""
        sources = self.state.sources()
        return bool(sources) if domain == EVERYTHING else domain in sources

    async def ledger(self) -> tuple[dict[str, int], int]:
        """What counts of us, sequence numbers by domain, and the smallest number that is free.

        Raises:
            Unreachable, Refused: the coordinator does not say.
        """
        membership = await self.connect().call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        return {held.domain: held.sequence for held in membership.contributions}, membership.next_sequence

    async def _is_in_ledger(self, domain: str) -> bool:
        if domain in self.state.withdrawals():
            return True
        if domain in self.state.sources():
            return False
        ledger, _ = await self.ledger()
        if domain not in ledger:
            raise UnknownSource(
                f"this node does not contribute to {domain[:80]!r}; `ridgeway status` lists what it does"
            )
        return True

    # Settling

    async def _settle(self, domains: set[str], fresh: set[str], on_progress: OnProgress) -> None:
        """Bring everything to the coordinator, trying again while that may help; a daemon goes on where this stops."""

        def waiting(error: RidgewayError) -> None:
            on_progress(m.Progress("waiting", detail=str(error)))

        async def attempt() -> None:
            await self.settle(domains, fresh, on_progress)
            if is_member(self.state) and self.masked:
                await self._in_sum(on_progress)
                # Who is out of the sum leaves now, unless the daemon was quicker.
                with suppress(NotJoined):
                    await self.settle(set(), set(), on_progress)

        try:
            await persist(attempt, waiting)
        except BaseException:
            self.unsettled.set()
            raise

    async def _in_sum(self, on_progress: OnProgress) -> None:
        """Take part in rounds until the sum holds what we want; if a daemon does so already, only wait."""

        def told(why: str) -> None:
            on_progress(m.Progress("round", detail=why))

        settled = asyncio.ensure_future(self.rounds.until_settled(told))
        tasks: set[asyncio.Future[None]] = {settled}
        if not self.rounds.kept_by_daemon:
            tasks.add(asyncio.ensure_future(self.rounds.run(self.connect(), self.standing())))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for domain, held in sorted(self.state.last_committed().items()):
            on_progress(m.Progress("committed", domain, detail=f"sequence {held.sequence}"))

    async def settle(
        self, domains: set[str] | None = None, fresh: set[str] | None = None, on_progress: OnProgress = lambda _: None
    ) -> None:
        """One try at bringing the coordinator everything that it does not have.

        Args:
            domains: whose files are looked at; None means all.
            fresh: domains to count in any case; each is taken out once it was counted.
            on_progress: told how it goes.

        Raises:
            DomainError: of some domains the prompts cannot be used; the others were sent.
            Unreachable, Refused: something was not acknowledged.
        """
        async with self._changing:
            delivery = self.delivery()
            if not (self.masked and (self.state.last_committed() or self.rounds.state.open)):
                # What the masked sum holds of us, or may hold, goes out of it by a round; only then may we leave.
                await delivery.withdrawals(on_progress)
            if is_member(self.state):
                await delivery.experts(again=self.doubtful)
                await self._compare_with_ledger()
                self.doubtful = False
                wanted = sorted(self.state.sources() if domains is None else domains)
                await self._contribute_all(delivery, wanted, set() if fresh is None else fresh, on_progress)
            else:
                await self._disconnect()
                self.on_membership()
            self._remove_unnamed_payloads()
        self.rounds.stir()

    def doubt(self) -> None:
        """Compare with the coordinator's ledger once more: it may have been restored from a backup meanwhile."""
        self.doubtful = True
        self.unsettled.set()

    async def _compare_with_ledger(self) -> None:
        if (self.state.compared and not self.doubtful) or self.masked:
            return
        ledger, next_sequence = await self.ledger()
        if self.state.compared:
            missing = self.state.send_again(ledger)
            if missing:
                _log.warning("the ledger lacks our %s; sending it again", ", ".join(missing))
        else:
            self.state.compare(ledger, next_sequence)
        for domain in sorted(ledger.keys() - self.state.sources().keys()):
            _log.warning("the sum still holds our %s, which has no source here; withdraw it with leave", domain)

    async def _contribute_all(
        self, delivery: Delivery, domains: list[str], fresh: set[str], on_progress: OnProgress
    ) -> None:
        problems = []
        for domain in domains:
            try:
                await self._contribute(delivery, domain, fresh, on_progress)
            except DomainError as problem:
                problems.append(str(problem))
        if problems:
            raise DomainError("; ".join(problems))

    async def _contribute(self, delivery: Delivery, domain: str, fresh: set[str], on_progress: OnProgress) -> None:
        """Send what was prepared for a domain, then what its files say now, if that is something else."""
        source = self.state.sources()[domain]
        held = self.state.contributions().get(domain)
        masked = self.masked
        if held is not None and not held.committed and not masked:
            await delivery.contribution(held, on_progress)
        if domain in fresh or await asyncio.to_thread(_is_due, domain, source, held):
            prepared = await self._prepare(domain, source, on_progress)
            fresh.discard(domain)
            if prepared is not None and not masked:
                await delivery.contribution(prepared, on_progress)
                return
        committed = self.state.last_committed().get(domain)
        if committed is not None and not masked:
            on_progress(m.Progress("committed", domain, detail=f"sequence {committed.sequence}"))

    async def _prepare(self, domain: str, source: PromptSource, on_progress: OnProgress) -> Prepared | None:
        """Count a domain and write the signed record; None if the sum holds exactly this already."""
        on_progress(m.Progress("embedder", domain))
        embedder, manifest = await self.embedder(), self.manifest()
        computed = await self._compute(manifest, embedder, domain, source, on_progress)
        before = self.state.last_committed().get(domain)
        if before is not None and (before.payload, before.rows) == (computed.payload, computed.rows):
            self.state.forget_uncommitted(domain)
            self.state.source_unchanged(domain, computed.source_fingerprint)
            return None
        member = self.state.require_membership()
        key = enrolment.identity(self.directory)
        sign = signer(key, member.owner, manifest, domain, computed, member.generation)
        return self.state.prepare(
            domain, computed.rows, computed.payload, computed.source_fingerprint, sign, computed.release
        )

    async def _compute(
        self, manifest: Manifest, embedder: Embedder, domain: str, source: PromptSource, on_progress: OnProgress
    ) -> Computed:
        """Compute in a thread; a cancellation stops the counting and waits for the thread's end."""
        stopped = threading.Event()

        def counted(report: ReadReport) -> None:
            if stopped.is_set():
                raise Stopped("the node stops; the domain is counted again at its next start")
            skipped = f", {report.skipped} bad entries skipped" if report.skipped else ""
            detail = f"{report.prompts} prompts{skipped}"
            on_progress(m.Progress("count", domain, report.bytes_done, report.bytes_total or 0, detail))

        work = asyncio.ensure_future(
            asyncio.to_thread(compute, self._workshop(), manifest, embedder, domain, source, counted)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stopped.set()
            with suppress(RidgewayError):
                await work
            raise

    def _workshop(self) -> Workshop:
        state = self.state
        return Workshop(
            self.payloads, self.hold_outs, self._brought, state.hold_out_key(), state.hold_out, state.releases()
        )

    def _remove_unnamed_payloads(self) -> None:
        named = self.state.payloads()
        self.hold_outs.keep_only(named)
        self._brought.keep_only(self.state.sources())
        for path in self.payloads.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)

    # Status

    async def federation_status(self) -> m.FederationStatus:
        """The federation as whoever adds up sees it.

        Raises:
            Unreachable, Refused: it does not say.
        """
        return await self.connect().call(rpc.GET_STATUS, m.GetStatusRequest())

    def status(self, connected: bool, last_error: str) -> m.NodeStatus:
        """The node as it sees itself."""
        membership = self.state.membership
        if membership is None:
            return m.NodeStatus(last_error=last_error)
        return m.NodeStatus(
            owner=membership.owner,
            federation_id=membership.federation_id,
            coordinator_address=membership.member_address,
            connected=connected,
            router_version=self.routers.version,
            router_received_unix_ms=self.routers.received_unix_ms,
            certificate_expires_unix_ms=_expiry_ms(self.directory),
            domains=tuple(self._domains()),
            last_error="this node has left the federation" if membership.left else self._problems(last_error),
            manifest_json=membership.manifest_json.encode(),
            waiting=self.rounds.waiting,
            identity_sha256=fingerprint(enrolment.identity(self.directory).public_bytes).hex(),
        )

    def _problems(self, last_error: str) -> str:
        return "; ".join(problem for problem in (last_error, self.rounds.state.bound) if problem)

    def _domains(self) -> Iterator[m.NodeDomain]:
        contributions, releases, privacy = self.state.contributions(), self.state.releases(), self.manifest().privacy
        for domain, source in self.state.sources().items():
            held, released = contributions.get(domain), releases.get(domain)
            spent = released.spent / privacy.limit if privacy and released else 0.0
            if held is None:
                yield m.NodeDomain(domain, source.location, budget_spent=spent)
            else:
                yield m.NodeDomain(domain, source.location, held.sequence, held.rows, held.committed, spent)


def is_member(state: NodeState) -> bool:
    """Whether the node has joined and not left."""
    try:
        state.require_membership()
    except NotJoined:
        return False
    return True


async def load(name: str) -> Embedder:
    """An embedder by name."""
    return await asyncio.to_thread(load_embedder, name)


def _is_due(domain: str, source: PromptSource, held: Prepared | None) -> bool:
    """Whether a source has to be counted; standard input, which can be read once, never has."""
    if source.location == STANDARD_INPUT:
        return False
    try:
        return held is None or held.source_fingerprint != source_fingerprint(source)
    except PromptError as error:
        raise DomainError(f"domain {domain}: {error}") from error


def _expiry_ms(directory: DataDirectory) -> int:
    return int(validity(read_tls(directory).certificate_pem)[1].timestamp() * 1000)
