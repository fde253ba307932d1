"""The node daemon: follows the router feed, keeps contributions current, renews its certificate, serves routing."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from ridgeway.backup.staging import forget_snapshots
from ridgeway.errors import RidgewayError
from ridgeway.node.agent import Agent, is_member
from ridgeway.node.caller import require_own
from ridgeway.node.control_service import SOCKET, ControlService
from ridgeway.node.latency import Latencies, answer_ms, worth_telling
from ridgeway.node.link import is_transient, read_tls
from ridgeway.node.observer import Observer, Unobserved
from ridgeway.node.persistence import jittered
from ridgeway.node.refusals import REFUSALS
from ridgeway.node.renewal import renew, seconds_left
from ridgeway.node.round_input import Trial
from ridgeway.node.router_feed import watch
from ridgeway.node.routing_service import RoutingService
from ridgeway.node.state import StateUnwritable
from ridgeway.node.trials import report_trial, try_on_hold_outs
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import BadRouterArtifact
from ridgeway.protocol.backoff import Backoff
from ridgeway.runtime import request_id
from ridgeway.runtime.call_interceptor import CallInterceptor
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import bind
from ridgeway.runtime.remote_errors import RefusalInterceptor
from ridgeway.runtime.serving import Server
from ridgeway.runtime.tls import mutual_server_credentials
from ridgeway.trial import ways_to_decide
from ridgeway.web.settings import HttpSettings

if TYPE_CHECKING:
    from ridgeway.node.page import NodePage

_log = logging.getLogger("ridgeway.node")

# One that was sent away looks again now and then, in case its operator thought better of it, without hammering.
REFUSED_RETRY_S = 300.0
# A sleeping machine's timers stand still while its certificate ages, so the clock is looked at this often.
CLOCK_LOOK_S = 300.0


class CannotListen(RidgewayError):
    """An address that cannot be listened on."""


class _MembershipChanged(Exception):
    """Ends the duties of the membership before."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How one node runs.

    Attributes:
        data_dir: its directory.
        listen: HOST:PORT for routing over mutual TLS; None serves only the socket in the data directory.
        refresh_s: how often to look whether the files changed; 0 never.
        probe_s: how often to time the experts' answers, on average; 0 never.
        now: the clock.
        http: where the status page and the metrics are served; None: nowhere.
    """

    data_dir: Path
    listen: str | None = None
    refresh_s: float = 600.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    probe_s: float = 60.0
    http: HttpSettings | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running node serves beside its socket; empty strings: nowhere.

    Attributes:
        routing: HOST:PORT over mutual TLS.
        http: the status page's URL.
    """

    routing: str = ""
    http: str = ""


class Daemon:
    """The duties of a member around its agent; they start once it has joined, and start over when it joins anew."""

    def __init__(self, agent: Agent, settings: NodeSettings, observer: Observer) -> None:
        self._agent = agent
        self._settings = settings
        self._observer = observer
        self._membership_changed = asyncio.Event()
        self._problems: dict[str, str] = {}
        self._following = False
        self._tried_version = 0
        self._latencies = Latencies()
        self._jitter = random.random()  # noqa: S311 - spreads renewals, protects nothing  # nosec B311
        agent.on_membership = self._membership_changed.set

    async def run(self) -> None:
        """Do the duties of the present membership, for ever."""
        while True:
            self._membership_changed.clear()
            self._problems.clear()
            try:
                await self._attend()
            except* _MembershipChanged:
                _log.info("the membership changed")

    async def _attend(self) -> None:
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._until_membership_changes())
            if is_member(self._agent.state):
                duties.create_task(self._repeat("feed", self._follow_routers))
                duties.create_task(self._repeat("contributions", self._keep_current))
                duties.create_task(self._repeat("trials", self._try_routers))
                if self._agent.masked:
                    duties.create_task(self._repeat("rounds", self._take_part))
                if self._settings.probe_s:
                    duties.create_task(self._repeat("experts", self._probe_experts))
                duties.create_task(self._repeat("certificate", self._keep_certified))

    async def _until_membership_changes(self) -> None:
        await self._membership_changed.wait()
        raise _MembershipChanged

    async def _repeat(self, duty: str, do: Callable[[Backoff], Awaitable[None]]) -> None:
        """Do a duty again and again; after a failure with a pause, which is long if only a person can help."""
        backoff = Backoff()
        while True:
            request_id.begin()
            try:
                await do(backoff)
                self._succeeded(duty, backoff)
            except (RidgewayError, OSError) as error:
                if self._problems.get(duty) != str(error) and is_member(self._agent.state):
                    _log.warning("%s: %s", duty, error)
                self._problems[duty] = str(error)
                passing = isinstance(error, OSError | StateUnwritable | BadRouterArtifact) or is_transient(error)
                await asyncio.sleep(jittered(backoff) if passing else REFUSED_RETRY_S)

    def _succeeded(self, duty: str, backoff: Backoff) -> None:
        self._problems.pop(duty, None)
        backoff.succeeded()

    async def _follow_routers(self, backoff: Backoff) -> None:
        agent = self._agent
        manifest, embedder = agent.manifest(), await agent.embedder()
        self._following = True
        agent.doubt()
        try:
            async for artifact in watch(agent.connect(), agent.routers.place):
                await agent.routers.replace(artifact, embedder, manifest)
                self._succeeded("feed", backoff)
                self._tell_of_router()
                _log.info("router %d is here", agent.routers.version)
        finally:
            self._following = False

    async def _take_part(self, _: Backoff) -> None:
        rounds = self._agent.rounds
        rounds.kept_by_daemon = True
        rounds.on_committed = self._agent.unsettled.set
        await rounds.run(self._agent.connect(), self._agent.standing())

    def _tell_of_router(self) -> None:
        routers = self._agent.routers
        if routers.router is not None:
            weights = routers.router.router
            self._observer.router_came(weights.version, weights.sum_digest, routers.received_unix_ms)

    async def _try_routers(self, _: Backoff) -> None:
        """Try each new version on our hold-outs; another edition of it has the same weights."""
        agent = self._agent
        await agent.routers.arrived.wait()
        agent.routers.arrived.clear()
        router = agent.routers.router
        if router is None or router.router.version == self._tried_version:
            return
        payloads = {domain: held.payload for domain, held in agent.state.last_committed().items()}
        try:
            counts = await try_on_hold_outs(router, agent.manifest(), agent.hold_outs, payloads)
            if counts and agent.masked:
                ways = len(ways_to_decide(agent.manifest()))
                agent.rounds.trial = Trial(router.router.version, router.router.domains, ways, counts)
                agent.rounds.stir()
            elif counts:
                await report_trial(agent.connect(), router, counts)
        except BaseException:
            agent.routers.arrived.set()
            raise
        self._tried_version = router.router.version
        tried = sum(int(ways[0].chosen.sum()) for ways in counts.values())
        _log.info("tried router %d on %d prompts held out", self._tried_version, tried)

    async def _probe_experts(self, _: Backoff) -> None:
        """Time our experts' answers, and tell the coordinator when they have changed much."""
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
        await asyncio.sleep(self._settings.probe_s * (0.5 + random.random()))  # noqa: S311  # nosec B311

    async def _keep_current(self, _: Backoff) -> None:
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
        if self._agent.doubtful:
            unsettled.set()

    async def _keep_certified(self, _: Backoff) -> None:
        agent = self._agent
        link = agent.connect()
        left_s = seconds_left(link, self._settings.now(), self._jitter)
        await asyncio.sleep(min(left_s, CLOCK_LOOK_S))
        if left_s <= CLOCK_LOOK_S:
            await renew(agent.directory, link, agent.state.require_membership().owner)

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

    def status(self) -> m.NodeStatus:
        """The node as it sees itself."""
        link = self._agent.link
        connected = self._following and link is not None and link.ready
        # The feed tells of nothing but routers, so a live connection is all that says it has recovered.
        problems = [text for duty, text in self._problems.items() if not (connected and duty == "feed")]
        return self._agent.status(connected, "; ".join(dict.fromkeys(problems)))

    def require_own(self, context: grpc.aio.ServicerContext) -> None:
        """Let only the node's own owner ask over the network.

        Raises:
            NotYourNode, NotJoined: somebody else does.
        """
        require_own(context, self._agent.state.require_membership(), self._settings.now())


async def serve(
    settings: NodeSettings, stop: asyncio.Event, on_ready: Callable[[Addresses], None] = lambda _: None
) -> None:
    """Run a node until `stop` is set, then let running calls end.

    Args:
        settings: see there.
        stop: ends the daemon.
        on_ready: told what is served over the network.

    Raises:
        DataDirectoryError: the directory cannot be used, or another node runs on it.
        BadHttpSettings: the page cannot be served as asked.
        CannotListen: the address is taken, or the node has not joined and so has no certificate to serve with.
        EmbedderError: the node has joined, and its embedder is gone.
    """
    directory = DataDirectory(settings.data_dir, "node", create=True)
    with directory.locked():
        forget_snapshots(directory)
        agent = Agent(directory, settings.now)
        page = _page(settings.http)
        observer: Observer = page.metrics if page else Unobserved()
        daemon = Daemon(agent, settings, observer)
        try:
            async with (
                _listening(settings, agent, daemon, observer) as address,
                page.served(agent, daemon.status) if page else nullcontext("") as http,
            ):
                await daemon.load_router()
                on_ready(Addresses(address, http))
                await _run_until(stop, daemon)
                _log.info("shutting down")
        finally:
            await agent.close()


async def _run_until(stop: asyncio.Event, daemon: Daemon) -> None:
    running, stopping = asyncio.create_task(daemon.run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.wait({running, stopping})


@asynccontextmanager
async def _listening(settings: NodeSettings, agent: Agent, daemon: Daemon, observer: Observer) -> AsyncIterator[str]:
    interceptors = [CallInterceptor(observer), RefusalInterceptor(REFUSALS, observer.refused)]
    control = ControlService(agent, daemon.status)
    beside = RoutingService(agent.routers, lambda _: None, observer)
    servers = [Server({rpc.ROUTING: beside.handlers(), rpc.NODE_CONTROL: control.handlers()}, interceptors)]
    socket = bind(servers[0].grpc, agent.directory.path, SOCKET)
    address = ""
    if settings.listen:
        service = RoutingService(agent.routers, daemon.require_own, observer)
        remote = Server({rpc.ROUTING: service.handlers()}, interceptors)
        address = _bind(remote, settings.listen, agent)
        servers.append(remote)
    for server in servers:
        await server.start()
    try:
        yield address
    finally:
        await asyncio.gather(*(server.stop() for server in servers))
        socket.close()
        (agent.directory.path / SOCKET).unlink(missing_ok=True)


def _page(http: HttpSettings | None) -> "NodePage | None":
    if http is None:
        return None
    from ridgeway.node.page import NodePage  # noqa: PLC0415 - an extra

    return NodePage(http)


def _bind(server: Server, listen: str, agent: Agent) -> str:
    if not is_member(agent.state):
        raise CannotListen("--listen serves with the node's certificate, which it gets by joining; join first")
    credentials = mutual_server_credentials(lambda: read_tls(agent.directory))
    try:
        port = server.grpc.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {listen}; is another process there? choose another --listen") from error
    return f"{listen.rpartition(':')[0]}:{port}"
