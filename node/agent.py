"""What a node does, whether a daemon runs it or a single command: join, contribute, withdraw, leave."""

import asyncio
import logging
import random
from collections.abc import Callable

from ridgeway.crypto.certificates import validity
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.node import enrolment
from ridgeway.node.contribution import prepare, remove_unnamed, sign_and_keep
from ridgeway.node.link import Link, is_transient, read_tls
from ridgeway.node.prompts import PromptSource, ReadReport, source_fingerprint
from ridgeway.node.prompts.source import STANDARD_INPUT
from ridgeway.node.router_store import RouterStore
from ridgeway.node.state import STATE_FILE, NodeState, NotJoined, Prepared
from ridgeway.node.uploader import upload_once
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.codec import decode
from ridgeway.proto.records import RECORD_VERSION, sign_withdrawal
from ridgeway.protocol.backoff import Backoff
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.remote_errors import Refused

_log = logging.getLogger("ridgeway.node")

# Told from any thread.
OnProgress = Callable[[m.Progress], None]


class UnknownSource(RidgewayError):
    """A domain that this node does not contribute to."""


class Agent:
    """One node's state and its connection.

    Attributes:
        state: durable.
        routers: the newest router.
        link: the connection; None until the node has joined.
        last_error: why the last exchange with the coordinator failed; empty since the last success.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self.directory = directory
        self.state = NodeState(directory.path / STATE_FILE)
        self.routers = RouterStore(directory)
        self.link: Link | None = None
        self.last_error = ""
        self._payloads = directory.folder("payloads")
        self._embedder: Embedder | None = None
        self._changing = asyncio.Lock()

    async def close(self) -> None:
        """End the connection and close the state."""
        if self.link is not None:
            await self.link.close()
        self.state.close()

    # Membership

    def manifest(self) -> Manifest:
        """What the federation agreed on.

        Raises:
            NotJoined: we are no member.
        """
        return Manifest.from_json(self.state.require_membership().manifest_json.encode())

    async def embedder(self) -> Embedder:
        """The embedder that the membership names, loaded once."""
        if self._embedder is None:
            self._embedder = await _load(self.state.require_membership().embedder)
        return self._embedder

    def connect(self) -> Link:
        """The connection to the coordinator.

        Raises:
            NotJoined, CredentialMissing: there can be none.
        """
        membership = self.state.require_membership()
        if self.link is None:
            self.link = Link(membership.member_address, read_tls(self.directory))
        return self.link

    async def join(self, request: m.JoinRequest, on_progress: OnProgress) -> None:
        """Enrol if there is a token, take over sources and experts, contribute, and return when all is committed.

        Raises:
            RidgewayError: many kinds; what was done until then stays, and the same join may be run again.
        """
        async with self._changing:
            if request.token:
                await self._enrol(request, on_progress)
            self.state.require_membership()
            self.state.add_sources({s.domain: _source(s) for s in request.sources})
            self.state.add_experts(request.experts)
            if request.token or request.experts:
                await self.connect().call(rpc.REGISTER_EXPERTS, m.RegisterExpertsRequest(self.state.experts()))
            await self._contribute({s.domain for s in request.sources}, on_progress, patience=None)

    async def _enrol(self, request: m.JoinRequest, on_progress: OnProgress) -> None:
        on_progress(m.Progress(stage="enrol"))
        before = self.state.membership
        self._embedder = await enrolment.enrol(self.directory, self.state, request.token, request.embedder, _load)
        if self.link is not None:
            await self.link.close()
            self.link = None
        membership = self.state.require_membership()
        if before is not None and before.federation_id != membership.federation_id:
            self.routers.forget()
        on_progress(m.Progress(stage="enrolled", detail=membership.owner))
        _log.info("enrolled as %s at %s", membership.owner, membership.member_address)

    # Contributions

    async def contribute_changes(self, on_progress: OnProgress, patience: int | None = None) -> None:
        """Send every contribution that is not committed yet or whose files changed since."""
        async with self._changing:
            await self._contribute(set(self.state.sources()), on_progress, patience)

    async def _contribute(self, domains: set[str], on_progress: OnProgress, patience: int | None) -> None:
        """Prepare what changed and send what is not committed; `patience` bounds the tries, None is without end."""
        for domain in sorted(domains):
            source = self.state.sources()[domain]
            held = self.state.contributions().get(domain)
            if held is None or (source.location != STANDARD_INPUT and _changed(held, source)):
                held = await self._prepare(domain, source, on_progress)
            if not held.committed:
                await self._send(held, on_progress, patience)
        remove_unnamed(self.state, self._payloads)

    async def _prepare(self, domain: str, source: PromptSource, on_progress: OnProgress) -> Prepared:
        def counted(report: ReadReport) -> None:
            skipped = f", {report.skipped} bad entries skipped" if report.skipped else ""
            detail = f"{report.prompts} prompts{skipped}"
            on_progress(m.Progress("count", domain, report.bytes_done, report.bytes_total or 0, detail))

        on_progress(m.Progress(stage="embedder", domain=domain))
        embedder = await self.embedder()
        key = enrolment.identity(self.directory)
        return await asyncio.to_thread(prepare, self.state, self._payloads, key, embedder, domain, source, counted)

    async def _send(self, prepared: Prepared, on_progress: OnProgress, patience: int | None) -> None:
        def sent(done: int, total: int) -> None:
            on_progress(m.Progress("upload", prepared.domain, done, total))

        backoff = Backoff()
        while True:
            try:
                link = self.connect()
                committed = await upload_once(link, prepared, self._payloads / prepared.payload, sent)
                break
            except RidgewayError as error:
                self.last_error = str(error)
                if isinstance(error, Refused) and await self._is_behind(prepared):
                    prepared = self._sign_again(prepared)
                    continue
                if not is_transient(error) or backoff.failures == patience:
                    raise
                on_progress(m.Progress("waiting", prepared.domain, detail=str(error)))
                await asyncio.sleep(backoff.failed(random.random()))  # noqa: S311 - spreads retries, protects nothing
        self.last_error = ""
        self.state.committed(prepared.domain, prepared.sequence)
        on_progress(m.Progress("committed", prepared.domain, detail=committed.sum_digest.hex()))
        _log.info("%s is committed: sum %s", prepared.domain, committed.sum_digest.hex())

    async def _is_behind(self, prepared: Prepared) -> bool:
        """Whether the ledger knows higher numbers of us than we do: our state is an old copy of itself."""
        membership = await self.connect().call(rpc.GET_MEMBERSHIP, m.GetMembershipRequest())
        behind = membership.next_sequence > prepared.sequence
        if behind:
            _log.warning("the ledger expects sequence %d of us; signing again", membership.next_sequence)
            self.state.raise_sequence(membership.next_sequence)
        return behind

    def _sign_again(self, prepared: Prepared) -> Prepared:
        body = decode(m.ContributionBody, prepared.record.body)
        return sign_and_keep(
            self.state,
            enrolment.identity(self.directory),
            self.manifest(),
            prepared.domain,
            prepared.rows,
            prepared.payload,
            prepared.source_fingerprint,
            body.payload_bytes,
            body.chunk_digests,
        )

    # Leaving

    async def leave(self, domain: str, on_progress: OnProgress) -> None:
        """Take one domain, or with an empty name everything, out of the sum; return when it is acknowledged.

        Raises:
            NotJoined, UnknownSource: there is nothing to take out.
            Unreachable, Refused: it is not acknowledged; the same call may be made again.
        """
        async with self._changing:
            membership = self.state.require_membership()
            if domain and domain not in self.state.contributions():
                raise UnknownSource(f"this node does not contribute to {domain}; `ridgeway status` lists what it does")
            record = self.state.withdrawal(domain)
            if record is None:
                body = m.WithdrawalBody(
                    RECORD_VERSION, membership.federation_id, membership.owner, domain, self.state.next_sequence
                )
                record = sign_withdrawal(enrolment.identity(self.directory), body)
                self.state.withdrawing(domain, record)
            on_progress(m.Progress(stage="leaving", domain=domain))
            response = await self.connect().call(rpc.WITHDRAW if domain else rpc.LEAVE, record)
            self.state.withdrawn(domain)
            if not domain:
                self.state.departed()
            on_progress(m.Progress("withdrawn", domain, detail=response.sum_digest.hex()))
            _log.info("withdrew %s: sum %s", domain or "everything", response.sum_digest.hex())

    # Status

    def status(self, connected: bool) -> m.NodeStatus:
        """The node as it sees itself."""
        membership = self.state.membership
        if membership is None:
            return m.NodeStatus(last_error=self.last_error)
        contributions = self.state.contributions()
        return m.NodeStatus(
            owner=membership.owner,
            federation_id=membership.federation_id,
            coordinator_address=membership.member_address,
            connected=connected,
            router_version=self.routers.version,
            router_received_unix_ms=self.routers.published_unix_ms,
            certificate_expires_unix_ms=_expiry_ms(self.directory),
            domains=tuple(
                m.NodeDomain(
                    domain,
                    source.location,
                    contributions[domain].sequence if domain in contributions else 0,
                    contributions[domain].rows if domain in contributions else 0,
                    domain in contributions and contributions[domain].committed,
                )
                for domain, source in self.state.sources().items()
            ),
            last_error="this node has left the federation" if membership.left else self.last_error,
            manifest_json=membership.manifest_json.encode(),
        )


def is_member(state: NodeState) -> bool:
    """Whether the node has joined and not left."""
    try:
        state.require_membership()
    except NotJoined:
        return False
    return True


async def _load(name: str) -> Embedder:
    return await asyncio.to_thread(load_embedder, name)


def _source(source: m.PromptSource) -> PromptSource:
    return PromptSource(source.location, source.field or None, source.skip_bad)


def _changed(held: Prepared, source: PromptSource) -> bool:
    return held.source_fingerprint != source_fingerprint(source)


def _expiry_ms(directory: DataDirectory) -> int:
    return int(validity(read_tls(directory).certificate_pem)[1].timestamp() * 1000)
