"""The peer daemon: `ridgeway node` in a federation without a coordinator."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ridgeway.errors import RidgewayError
from ridgeway.node.agent import is_member
from ridgeway.node.caller import require_own
from ridgeway.node.control_service import SOCKET, ControlService
from ridgeway.node.daemon import CannotListen
from ridgeway.node.latency import Latencies, answer_ms, worth_telling
from ridgeway.node.observer import Observer, Unobserved
from ridgeway.node.persistence import jittered
from ridgeway.node.routing_service import RoutingService
from ridgeway.peers.administration_service import AdministrationService, status_of
from ridgeway.peers.agent import PeerAgent
from ridgeway.peers.enrolment_service import EnrolmentService
from ridgeway.peers.exchange_service import ExchangeService
from ridgeway.peers.membership import MembershipRun
from ridgeway.peers.refusals import REFUSALS
from ridgeway.peers.status import gossip_status
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.protocol.backoff import Backoff
from ridgeway.runtime import request_id
from ridgeway.runtime.call_interceptor import CallInterceptor
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import bind
from ridgeway.runtime.remote_errors import RefusalInterceptor
from ridgeway.runtime.serving import Server
from ridgeway.runtime.tls import enrolment_server_credentials, mutual_server_credentials
from ridgeway.web.settings import HttpSettings

if TYPE_CHECKING:
    from ridgeway.node.page import NodePage

_log = logging.getLogger("ridgeway.peers")

_ANY_ADDRESS = {"0.0.0.0", "::", "[::]", ""}  # noqa: S104 - recognised, not bound  # nosec B104


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """How one peer runs.

    Attributes:
        data_dir: its directory.
        host: where to listen; None: nowhere, this node takes part through connections that it opens.
        port: for members; newcomers ask one port above.
        advertise: the host, or HOST:PORT, that others are told to dial; None says `host` and `port`.
        refresh_s: how often to look whether the files changed; 0 never.
        probe_s: how often to time the experts' answers, on average; 0 never.
        now: the clock.
        http: where the status page and the metrics are served; None: nowhere.
    """

    data_dir: Path
    host: str | None = None
    port: int = 0
    advertise: str | None = None
    refresh_s: float = 600.0
    probe_s: float = 60.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    http: HttpSettings | None = None

    @property
    def addresses(self) -> tuple[str, str]:
        """HOST:PORT that members and newcomers are told to dial; empty strings if nobody can.

        Raises:
            CannotListen: there is no address to tell.
        """
        if self.host is None:
            return "", ""
        host, port = self.advertise or self.host, self.port
        if self.advertise and self.advertise.rpartition(":")[2].isdigit() and not self.advertise.endswith("]"):
            host, _, said = self.advertise.rpartition(":")
            port = int(said)
        if host in _ANY_ADDRESS:
            raise CannotListen(f"{self.host} is no address that others could dial; say theirs with --advertise HOST")
        host = f"[{host.strip('[]')}]" if ":" in host else host
        return f"{host}:{port}", f"{host}:{port + 1}"


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a running peer serves beside its socket; empty strings: nowhere, or not before it has joined."""

    members: str = ""
    newcomers: str = ""
    http: str = ""


class _MembershipChanged(Exception):
    """Ends the duties of the membership before."""


class PeerDaemon:
    """One peer's memberships, one after another.

    Args:
        agent: the node's.
        settings: see there.
        observer: told of what happens.
        attending: whether to keep contributions current too; a single command does only what it was asked.

    Attributes:
        run_now: what runs of the present membership; None while there is none.
    """

    def __init__(self, agent: PeerAgent, settings: PeerSettings, observer: Observer, *, attending: bool = True) -> None:
        self._agent = agent
        self._settings = settings
        self._observer = observer
        self._attending = attending
        self._changed = asyncio.Event()
        self._problems: dict[str, str] = {}
        self._latencies = Latencies()
        self.run_now: MembershipRun | None = None
        agent.on_membership = self._changed.set
        agent.addresses = settings.addresses

    async def run(self) -> None:
        """Take part for as long as there is a membership, for ever."""
        while True:
            self._changed.clear()
            self._problems.clear()
            if is_member(self._agent.state):
                with suppress(_MembershipChanged):
                    await self._attend()
            else:
                await self._changed.wait()

    async def _attend(self) -> None:
        run = MembershipRun(self._agent, self._settings.now)
        run.on_router = self._tell_of_router
        run.engine.connections.on_traffic = self._observer.gossiped
        try:
            async with run.running(), self._listening(run):
                self.run_now = run
                await self._duties()
        except* _MembershipChanged:
            _log.info("the membership changed")
            raise _MembershipChanged from None
        finally:
            self.run_now = None

    async def _duties(self) -> None:
        if not self._attending:
            await self._changed.wait()
            raise _MembershipChanged
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._until_changed())
            duties.create_task(self._repeat("contributions", self._keep_current))
            if self._settings.probe_s:
                duties.create_task(self._repeat("experts", self._probe_experts))

    async def _until_changed(self) -> None:
        await self._changed.wait()
        raise _MembershipChanged

    @asynccontextmanager
    async def _listening(self, run: MembershipRun) -> AsyncIterator[None]:
        """Let members and newcomers in, if others can dial this node at all."""
        settings, agent = self._settings, self._agent
        if settings.host is None:
            yield
            return
        interceptors = [CallInterceptor(self._observer), RefusalInterceptor(REFUSALS, self._observer.refused)]
        exchange = ExchangeService(run.we, run.engine.roster.member, run.engine.connections, settings.now, run.hall)
        routing = RoutingService(agent.routers, self._require_own, self._observer)
        enrolment = EnrolmentService(run.engine, settings.now)
        servers = [
            Server({rpc.PEERS: exchange.handlers(), rpc.ROUTING: routing.handlers()}, interceptors),
            Server({rpc.PEER_ENROLMENT: enrolment.handlers()}, interceptors),
        ]
        _bind(servers[0], settings.host, settings.port, mutual_server_credentials(run.we.tls))
        _bind(servers[1], settings.host, settings.port + 1, enrolment_server_credentials(run.we.tls))
        for server in servers:
            await server.start()
        try:
            yield
        finally:
            run.engine.connections.close()
            if run.hall is not None:
                run.hall.close()
            await asyncio.gather(*(server.stop() for server in servers))

    def _require_own(self, context: object) -> None:
        require_own(context, self._agent.state.require_membership(), self._settings.now())

    async def _repeat(self, duty: str, do: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff()
        while True:
            request_id.begin()
            try:
                await do()
                self._problems.pop(duty, None)
                backoff.succeeded()
            except (RidgewayError, OSError) as error:
                if self._problems.get(duty) != str(error):
                    _log.warning("%s: %s", duty, error)
                self._problems[duty] = str(error)
                await asyncio.sleep(jittered(backoff))

    async def _keep_current(self) -> None:
        unsettled = self._agent.unsettled
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.refresh_s or None):
                await unsettled.wait()
        # What changes from now on may come too late for this try.
        unsettled.clear()
        try:
            await self._agent.settle()
        except BaseException:
            unsettled.set()
            raise

    async def _probe_experts(self) -> None:
        """Time our experts' answers, and tell the others when they have changed much."""
        state = self._agent.state
        told = {expert.url: expert.latency_ms for expert in state.experts()}
        for url in told:
            self._latencies.add(url, await asyncio.to_thread(answer_ms, url))
        changed = {
            url: now for url, before in told.items() if worth_telling(before, now := self._latencies.median(url))
        }
        if changed:
            state.measured(changed)
            self._agent.unsettled.set()
        await asyncio.sleep(self._settings.probe_s * (0.5 + random.random()))  # noqa: S311 - spreads probes

    async def load_router(self) -> None:
        """Serve the router on disk, of a membership that has ended too.

        Raises:
            EmbedderError: the embedder is gone.
        """
        agent = self._agent
        if agent.state.membership is None:
            return
        embedder = await agent.embedder()
        try:
            await asyncio.to_thread(agent.routers.load, embedder, agent.manifest())
        except RidgewayError as error:
            _log.warning("the router on disk is of no use: %s", error)
        self._tell_of_router()

    def _tell_of_router(self) -> None:
        routers = self._agent.routers
        if routers.router is not None:
            weights = routers.router.router
            self._observer.router_came(weights.version, weights.sum_digest, routers.received_unix_ms)

    def status(self) -> m.NodeStatus:
        """The node as it sees itself."""
        run = self.run_now
        linked = run is not None and bool(run.engine.connections.linked)
        problems = dict(self._problems)
        if run is not None and not linked:
            problems |= run.dialler.problems
        status = self._agent.status(linked, "; ".join(dict.fromkeys(problems.values())))
        if run is None:
            return status
        gossip = gossip_status(run.engine, run.solved, run.administration, self._agent.addresses[0])
        return replace(status, gossip=gossip)

    async def federation_status(self) -> m.FederationStatus:
        """The federation as this node's records say."""
        run = self.run_now
        if run is None:
            self._agent.state.require_membership()
            return m.FederationStatus()
        return status_of(run)


async def serve(
    settings: PeerSettings, stop: asyncio.Event, on_ready: Callable[[Serving], None] = lambda _: None
) -> None:
    """Run a peer until `stop` is set.

    Raises:
        DataDirectoryError: the directory cannot be used, or another node runs on it.
        BadHttpSettings: the page cannot be served as asked.
        CannotListen: the address is taken, or cannot be told to others.
        EmbedderError: the node has joined, and its embedder is gone.
    """
    members, newcomers = settings.addresses
    directory = DataDirectory(settings.data_dir, "node", create=True)
    with directory.locked():
        agent = PeerAgent(directory, settings.now)
        page = _page(settings.http)
        observer: Observer = page.metrics if page else Unobserved()
        daemon = PeerDaemon(agent, settings, observer)
        agent.ask_federation = daemon.federation_status
        try:
            async with (
                _controlled(agent, daemon, settings, observer),
                page.served(agent, daemon.status) if page else nullcontext("") as http,
            ):
                await daemon.load_router()
                running, stopping = asyncio.create_task(daemon.run()), asyncio.create_task(stop.wait())
                on_ready(Serving(members, newcomers, http))
                await _until_either(running, stopping)
                _log.info("shutting down")
        finally:
            await agent.close()


async def _until_either(running: asyncio.Task[None], stopping: asyncio.Task[bool]) -> None:
    """Wait for the end of either; a failure of the first is ours."""
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.wait({running, stopping})


@asynccontextmanager
async def _controlled(
    agent: PeerAgent, daemon: PeerDaemon, settings: PeerSettings, observer: Observer
) -> AsyncIterator[None]:
    """Serve the owner's commands and programs on the socket in the data directory."""
    interceptors = [CallInterceptor(observer), RefusalInterceptor(REFUSALS, observer.refused)]
    services = {
        rpc.ROUTING: RoutingService(agent.routers, lambda _: None, observer).handlers(),
        rpc.NODE_CONTROL: ControlService(agent, daemon.status).handlers(),
        rpc.ADMINISTRATION: AdministrationService(
            lambda: daemon.run_now, settings.addresses[1], settings.now
        ).handlers(),
    }
    server = Server(services, interceptors)
    socket = bind(server.grpc, agent.directory.path, SOCKET)
    await server.start()
    try:
        yield
    finally:
        await server.stop()
        socket.close()
        (agent.directory.path / SOCKET).unlink(missing_ok=True)


def _page(http: HttpSettings | None) -> "NodePage | None":
    if http is None:
        return None
    from ridgeway.node.page import NodePage  # noqa: PLC0415 - an extra

    return NodePage(http)


def _bind(server: Server, host: str, port: int, credentials: object) -> None:
    address = f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        server.grpc.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {address}; is another process there? choose another --listen") from error
