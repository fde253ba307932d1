"""The Federation service: what members call over mutual TLS."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import grpc

from ridgeway.coordinator.caller import peer_certificate
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation, MaskingRequired, Offer
from ridgeway.coordinator.founding import Founded
from ridgeway.coordinator.ledger import Member
from ridgeway.coordinator.membership import NotAMember
from ridgeway.coordinator.observer import Observer, Unobserved
from ridgeway.coordinator.payload_store import StagedPayload
from ridgeway.coordinator.publication import Publisher
from ridgeway.coordinator.rounds import Rounds
from ridgeway.coordinator.status import federation_status
from ridgeway.coordinator.uploads import CHUNK_WAIT_S, CHUNKS_BEHIND, Turn, Uploads, UploadTooSlow, opened
from ridgeway.crypto.certificates import PeerCertificate, read_peer_certificate
from ridgeway.crypto.owner_name import check_domain_name
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Masking
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.remote_errors import Malformed
from ridgeway.token_bucket import TokenBuckets
from ridgeway.trial import BadTrial

EXPERTS_PER_OWNER = 256
URL_CHARACTERS_MAX = 2048
MODEL_CHARACTERS_MAX = 256
# Of all its URLs and models together: every member's status and every router carries all experts of all owners.
EXPERT_CHARACTERS_PER_OWNER = 16_384
# One node has one feed; a second and third for a moment when it reconnects.
FEEDS_PER_OWNER = 4
# A node makes a call now and then and one for each contribution; what many at once may cost the others is bounded so.
CALLS_PER_SECOND = 20.0
CALLS_AT_ONCE = 200.0
# The status takes the thread that commits; new experts make a new router, which everybody is sent.
STATUS_COST = 5.0
EXPERTS_COST = 10.0
OWNERS_REMEMBERED = 65_536


class NoRounds(RidgewayError):
    """A member that would take part in rounds where there are none."""


class TooManyCalls(RidgewayError):
    """One owner calls more often than it can need."""


class TooManyFeeds(RidgewayError):
    """One owner watches the router more often than it can need."""


class BadExpert(RidgewayError):
    """An expert that nobody could be sent to."""


class FederationService:
    """Serves the members of one federation."""

    def __init__(
        self,
        federation: Federation,
        exclusive: Exclusive,
        publisher: Publisher,
        founded: Founded,
        rounds: Rounds,
        now: Callable[[], datetime],
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer or Unobserved()
        self._federation = federation
        self._exclusive = exclusive
        self._publisher = publisher
        self._founded = founded
        self._rounds = rounds
        self._now = now
        self._uploads = Uploads()
        self._calls = TokenBuckets(CALLS_PER_SECOND, CALLS_AT_ONCE, OWNERS_REMEMBERED)
        self.feeds: Counter[str] = Counter()
        self.sent_version: dict[str, int] = {}

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(
            rpc.FEDERATION,
            {
                rpc.CONTRIBUTE: self.contribute,
                rpc.WITHDRAW: self.withdraw,
                rpc.LEAVE: self.leave,
                rpc.REGISTER_EXPERTS: self.register_experts,
                rpc.RENEW_CERTIFICATE: self.renew_certificate,
                rpc.GET_MEMBERSHIP: self.get_membership,
                rpc.WATCH_ROUTER: self.watch_router,
                rpc.REPORT_TRIAL: self.report_trial,
                rpc.TAKE_PART: self.take_part,
                rpc.GET_STATUS: self.get_status,
            },
        )

    def _member(self, certificate: PeerCertificate) -> Member:
        return self._federation.membership.require(certificate, int(self._now().timestamp() * 1000))

    def _charge(self, certificate: PeerCertificate, cost: float = 1.0) -> None:
        if not self._calls.of(certificate.owner).take(self._now().timestamp(), cost):
            raise TooManyCalls(f"{certificate.owner} calls too often; wait a few seconds")

    def _admitted(self, context: grpc.aio.ServicerContext, cost: float = 1.0) -> Member:
        """The member that begins a call, which is counted against what it may call."""
        certificate = peer_certificate(context)
        member = self._member(certificate)
        self._charge(certificate, cost)
        return member

    async def contribute(
        self, requests: AsyncIterator[m.ContributeRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[m.ContributeResponse]:
        """One upload: the record, then its chunks; answered with where to go on, then with the commit."""
        certificate, member = peer_certificate(context), self._admitted(context)
        record = (await _next(requests)).record
        if record is None:
            raise Malformed("an upload begins with its signed record; send that first")
        offer = await self._exclusive(self._federation.offer, member, record)
        if offer.repeated:
            yield m.ContributeResponse(committed=await self._commit(offer))
            return
        async with self._uploads.place(offer.body.owner, offer.body.domain) as turn:
            # What stood when the place was asked for may have been replaced meanwhile, by this very record even.
            offer = await self._exclusive(self._federation.take_in, self._member(certificate), record)
            if not offer.repeated:
                staged = await opened(self._federation.stage, offer)
                try:
                    yield m.ContributeResponse(ready=m.UploadReady(staged.assembly.next_chunk))
                    finish = partial(self._federation.finish, offer, staged)
                    await _receive(requests, staged, partial(self._may_go_on, certificate, turn), finish)
                finally:
                    staged.close()
            yield m.ContributeResponse(committed=await self._commit(offer))

    def _may_go_on(self, certificate: PeerCertificate, turn: Turn) -> None:
        self._member(certificate)
        turn.check(asyncio.get_running_loop().time())

    async def _commit(self, offer: Offer) -> m.Committed:
        fresh = await self._publisher.changing(self._federation.commit, offer)
        if fresh:
            self._observer.committed(offer.body.payload_bytes)
        return m.Committed(offer.body.sequence, repeated=not fresh)

    async def withdraw(self, request: m.SignedRecord, context: grpc.aio.ServicerContext) -> m.WithdrawResponse:
        """Take one domain of the caller out of the sum."""
        change = await self._publisher.changing(self._federation.withdraw, self._admitted(context), request)
        return m.WithdrawResponse(change.sequence, change.sum_digest, change.repeated)

    async def leave(self, request: m.SignedRecord, context: grpc.aio.ServicerContext) -> m.WithdrawResponse:
        """End the caller's membership; one that has left may hear so again, in case the answer was lost."""
        certificate = peer_certificate(context)
        self._charge(certificate)
        member = self._federation.membership.members.get(certificate.owner)
        if member is None or member.state is not m.MemberState.LEFT:
            member = self._member(certificate)
        elif member.leave_record != request.body:
            raise NotAMember(f"{member.owner} has left the federation already, with another record")
        change = await self._publisher.changing(self._federation.leave, member, request)
        return m.WithdrawResponse(change.sequence, change.sum_digest, change.repeated)

    async def register_experts(
        self, request: m.RegisterExpertsRequest, context: grpc.aio.ServicerContext
    ) -> m.RegisterExpertsResponse:
        """Replace the caller's experts."""
        member = self._admitted(context, EXPERTS_COST)
        if len(request.experts) > EXPERTS_PER_OWNER:
            raise BadExpert(f"an owner may offer {EXPERTS_PER_OWNER} experts, not {len(request.experts)}")
        experts = tuple(_checked_expert(member.owner, expert) for expert in request.experts)
        if sum(len(expert.url) + len(expert.model) for expert in experts) > EXPERT_CHARACTERS_PER_OWNER:
            raise BadExpert(f"the URLs and models of an owner may have {EXPERT_CHARACTERS_PER_OWNER} characters in all")
        await self._publisher.changing(
            self._federation.set_experts, member.owner, tuple(sorted(set(experts), key=_expert_order))
        )
        return m.RegisterExpertsResponse()

    async def renew_certificate(
        self, request: m.RenewCertificateRequest, context: grpc.aio.ServicerContext
    ) -> m.RenewCertificateResponse:
        """Issue the caller's next certificate; the present one counts until it ends."""
        member = self._admitted(context)
        now = self._now()
        lifetime = self._founded.certificate_lifetime
        pem = self._founded.authority.issue_member(request.signing_request_pem, member.owner, now, lifetime)
        issued = read_peer_certificate(pem)
        await self._exclusive(self._add_certificate, issued, now)
        return m.RenewCertificateResponse(pem)

    def _add_certificate(self, issued: PeerCertificate, now: datetime) -> None:
        self._federation.ledger.add_certificate(
            issued.owner, issued.serial, int(issued.not_after.timestamp() * 1000), int(now.timestamp() * 1000)
        )
        self._federation.membership.reload(self._federation.ledger)

    async def get_membership(self, _: m.GetMembershipRequest, context: grpc.aio.ServicerContext) -> m.Membership:
        """What the ledger holds of the caller."""
        owner = self._admitted(context).owner
        entries = await self._exclusive(self._federation.entries_of, owner)
        return m.Membership(
            next_sequence=1 + max((entry.sequence for entry in entries), default=0),
            contributions=tuple(
                m.CommittedContribution(e.domain, e.sequence, e.rows, e.payload_digest, e.committed_unix_ms)
                for e in entries
                if e.payload_digest is not None
            ),
        )

    async def watch_router(
        self, request: m.WatchRouterRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[m.RouterChunk]:
        """The router feed, until the caller goes or is sent away."""
        certificate = peer_certificate(context)
        owner = self._admitted(context).owner
        if self.feeds[owner] >= FEEDS_PER_OWNER:
            raise TooManyFeeds(f"{owner} watches the router {FEEDS_PER_OWNER} times already; end one of them")
        self.feeds[owner] += 1
        known = request.known_version, request.known_edition
        try:
            async for piece in self._publisher.follow(known, lambda: self._welcome(certificate)):
                yield piece
                self.sent_version[owner] = piece.version
        finally:
            self.feeds[owner] -= 1

    def _welcome(self, certificate: PeerCertificate) -> None:
        self._member(certificate)

    async def report_trial(self, request: m.TrialReport, context: grpc.aio.ServicerContext) -> m.TrialResponse:
        """How the newest router does on the caller's hold-outs; a trial of an older one counts no more."""
        owner = self._admitted(context).owner
        if self._masked:
            raise MaskingRequired("this federation takes trials in masked rounds only; upgrade the node")
        newest = self._publisher.latest
        if newest is None or newest.router.version != request.router_version:
            return m.TrialResponse(counted=False)
        if newest.router.domains != request.router_domains:
            raise BadTrial("a trial names other domains than this router has; try the router again")
        await self._exclusive(self._take_trial, owner, request)
        self._publisher.changed_soon()
        return m.TrialResponse(counted=True)

    def _take_trial(self, owner: str, report: m.TrialReport) -> None:
        contributed = {e.domain for e in self._federation.entries_of(owner) if e.payload_digest is not None}
        self._federation.trials.take(owner, contributed, report)

    async def take_part(
        self, replies: AsyncIterator[m.RoundReply], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[m.RoundOrder]:
        """Rounds of secure aggregation, until the caller goes or is sent away."""
        certificate = peer_certificate(context)
        owner = self._admitted(context).owner
        if not self._masked:
            raise NoRounds("this federation does not mask contributions; send them with Contribute")
        async for order in self._rounds.follow(owner, replies, lambda: self._welcome(certificate)):
            yield order

    @property
    def _masked(self) -> bool:
        return self._federation.manifest.masking is Masking.REQUIRED

    async def get_status(self, _: m.GetStatusRequest, context: grpc.aio.ServicerContext) -> m.FederationStatus:
        """The federation as the coordinator sees it."""
        self._admitted(context, STATUS_COST)
        return await self.status()

    async def status(self) -> m.FederationStatus:
        """The federation's status, for the members and the operator."""
        status = await self._exclusive(
            federation_status, self._federation, self._publisher.latest, self.feeds, self.sent_version
        )
        return replace(status, rounds=self._rounds.status()) if self._masked else status


async def _next(requests: AsyncIterator[m.ContributeRequest]) -> m.ContributeRequest:
    try:
        async with asyncio.timeout(CHUNK_WAIT_S):
            return await anext(requests)
    except StopAsyncIteration as error:
        raise Malformed("the stream ended before the upload was whole; resume it") from error
    except TimeoutError as error:
        raise UploadTooSlow(f"no chunk came for {CHUNK_WAIT_S:.0f} s; resume the upload") from error


async def _receive(
    requests: AsyncIterator[m.ContributeRequest],
    staged: StagedPayload,
    still_welcome: Callable[[], object],
    finish: Callable[[], None],
) -> None:
    """Hand the chunks that are missing to a thread that checks and writes them, a few behind what has come.

    The thread finishes the payload too, right after the last chunk; if one was refused, that is what is raised.
    """
    loop = asyncio.get_running_loop()
    behind: deque[asyncio.Future[None]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload") as thread:
        try:
            for _ in range(staged.assembly.next_chunk, len(staged.assembly.chunk_digests)):
                chunk = await _next_chunk(requests)
                still_welcome()
                if len(behind) == CHUNKS_BEHIND:
                    await behind.popleft()
                behind.append(loop.run_in_executor(thread, staged.write, chunk.index, chunk.data))
            behind.append(loop.run_in_executor(thread, finish))
            while behind:
                await behind.popleft()
        finally:
            await asyncio.gather(*behind, return_exceptions=True)


async def _next_chunk(requests: AsyncIterator[m.ContributeRequest]) -> m.PayloadChunk:
    chunk = (await _next(requests)).chunk
    if chunk is None:
        raise Malformed("a second record came where a chunk was expected; start the upload again")
    return chunk


def _checked_expert(owner: str, expert: m.Expert) -> m.Expert:
    check_domain_name(expert.domain)
    if len(expert.url) > URL_CHARACTERS_MAX or len(expert.model) > MODEL_CHARACTERS_MAX:
        raise BadExpert(f"the URL or model of the expert for {expert.domain} is too long")
    if not (expert.url.isprintable() and expert.model.isprintable()):
        raise BadExpert(f"the URL or model of the expert for {expert.domain} has characters that cannot be printed")
    try:
        parts = urlsplit(expert.url)
    except ValueError as error:
        raise BadExpert(f"the expert for {expert.domain} needs an http or https URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadExpert(f"the expert for {expert.domain} needs an http or https URL")
    if parts.username or parts.password:
        raise BadExpert(
            f"the expert's URL for {expert.domain} holds a password, which every owner would see; remove it"
        )
    if not all(value is None or 0.0 <= value < float("inf") for value in (expert.price, expert.latency_ms)):
        raise BadExpert(f"price and latency of the expert for {expert.domain} must be finite and not negative")
    return replace(expert, owner=owner)


def _expert_order(expert: m.Expert) -> tuple[str, str, str]:
    return expert.domain, expert.url, expert.model
