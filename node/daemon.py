"""The node daemon: follows the router feed, keeps contributions current, renews its certificate, serves routing."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from ridgeway.crypto.certificates import BadCertificate, read_peer_certificate
from ridgeway.errors import RidgewayError
from ridgeway.node.agent import Agent, is_member
from ridgeway.node.control_service import SOCKET, ControlService
from ridgeway.node.link import is_transient, read_tls
from ridgeway.node.refusals import REFUSALS, NotYourNode
from ridgeway.node.renewal import Renewal
from ridgeway.node.router_feed import watch
from ridgeway.node.routing_service import RoutingService
from ridgeway.proto import rpc
from ridgeway.protocol.backoff import Backoff
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import bind
from ridgeway.runtime.remote_errors import RefusalInterceptor
from ridgeway.runtime.serving import Server
from ridgeway.runtime.tls import mutual_server_credentials

_log = logging.getLogger("ridgeway.node")

# One that was sent away looks again now and then, in case a new invitation was used, without hammering the coordinator.
REFUSED_RETRY_S = 300.0


class CannotListen(RidgewayError):
    """An address that cannot be listened on."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How one node runs.

    Attributes:
        data_dir: its directory.
        listen: HOST:PORT for routing over mutual TLS; None serves only the socket in the data directory.
        refresh_s: how often to look whether the files changed; 0 never.
        now: the clock.
    """

    data_dir: Path
    listen: str | None = None
    refresh_s: float = 600.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Daemon:
    """One node's tasks around its agent. They start once the node has joined, and start over when it joins anew."""

    def __init__(self, agent: Agent, settings: NodeSettings) -> None:
        self._agent = agent
        self._settings = settings
        self._joined = asyncio.Event()
        self.connected = False

    def membership_changed(self) -> None:
        """The node joined or left: start the tasks over."""
        self._joined.set()

    async def run(self) -> None:
        """Run the tasks of the present membership, for ever."""
        while True:
            self._joined.clear()
            tasks = [asyncio.create_task(task) for task in self._tasks()] if is_member(self._agent.state) else []
            try:
                await self._joined.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.connected = False

    def _tasks(self) -> list[Coroutine[None, None, None]]:
        return [self._follow_routers(), self._keep_current(), self._renew()]

    async def _follow_routers(self) -> None:
        agent = self._agent
        manifest, embedder = agent.manifest(), await agent.embedder()
        with suppress(RidgewayError):
            await asyncio.to_thread(agent.routers.load, embedder, manifest)
        backoff = Backoff()
        while True:
            try:
                self.connected = True
                async for artifact in watch(agent.connect(), agent.routers.version):
                    await agent.routers.replace(artifact, embedder, manifest)
                    agent.last_error = ""
                    backoff.succeeded()
                    _log.info("router %d is here", agent.routers.version)
            except RidgewayError as error:
                await self._pause(error, backoff)

    async def _pause(self, error: RidgewayError, backoff: Backoff) -> None:
        self.connected = False
        self._agent.last_error = str(error)
        _log.warning("%s", error)
        delay = backoff.failed(random.random())  # noqa: S311 - spreads retries, protects nothing
        await asyncio.sleep(delay if is_transient(error) else REFUSED_RETRY_S)

    async def _keep_current(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._agent.contribute_changes(lambda _: None)
                if not self._settings.refresh_s:
                    return
                backoff.succeeded()
                await asyncio.sleep(self._settings.refresh_s)
            except RidgewayError as error:
                await self._pause(error, backoff)

    async def _renew(self) -> None:
        agent = self._agent
        owner = agent.state.require_membership().owner
        jitter = random.random()  # noqa: S311 - spreads renewals, protects nothing
        renewal, backoff = Renewal(agent.directory, owner, self._settings.now, jitter), Backoff()
        while True:
            link = agent.connect()
            await asyncio.sleep(renewal.seconds_left(link))
            try:
                await renewal.renew(link)
                backoff.succeeded()
            except RidgewayError as error:
                agent.last_error = str(error)
                _log.warning("%s", error)
                await asyncio.sleep(backoff.failed(random.random()))  # noqa: S311 - spreads retries

    def authorise_owner(self, context: grpc.aio.ServicerContext) -> None:
        """Over the network only programs with this very owner's certificate may ask.

        Raises:
            NotYourNode: it is another owner's.
        """
        shown = context.auth_context().get("x509_pem_cert") or [b""]
        membership = self._agent.state.require_membership()
        try:
            certificate = read_peer_certificate(bytes(shown[0]))
        except BadCertificate as error:
            raise NotYourNode(str(error)) from error
        if (certificate.owner, certificate.federation_id) != (membership.owner, membership.federation_id):
            raise NotYourNode(f"this is {membership.owner}'s node; route at your own")


async def serve(settings: NodeSettings, stop: asyncio.Event, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Run a node until `stop` is set, then let running calls end.

    Args:
        settings: see there.
        stop: ends the daemon.
        on_ready: told where routing is served over the network, or an empty string.

    Raises:
        DataDirectoryError: the directory cannot be used, or another node runs on it.
        CannotListen: the address is taken, or the node has not joined and so has no certificate to serve with.
    """
    directory = DataDirectory(settings.data_dir, "node", create=True)
    with directory.locked():
        agent = Agent(directory)
        daemon = Daemon(agent, settings)
        try:
            async with _listening(settings, agent, daemon) as address:
                running = asyncio.create_task(daemon.run())
                on_ready(address)
                await stop.wait()
                _log.info("shutting down")
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
        finally:
            await agent.close()


@asynccontextmanager
async def _listening(settings: NodeSettings, agent: Agent, daemon: Daemon) -> AsyncIterator[str]:
    refused = RefusalInterceptor(REFUSALS, lambda reason, method: _log.debug("refused %s: %s", method, reason))
    control = ControlService(agent, lambda: daemon.connected, daemon.membership_changed)
    beside = RoutingService(agent.routers, lambda _: None)
    servers = [Server({rpc.ROUTING: beside.handlers(), rpc.NODE_CONTROL: control.handlers()}, [refused])]
    socket = bind(servers[0].grpc, agent.directory.path, SOCKET)
    address = ""
    if settings.listen:
        remote = Server({rpc.ROUTING: RoutingService(agent.routers, daemon.authorise_owner).handlers()}, [refused])
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


def _bind(server: Server, listen: str, agent: Agent) -> str:
    if not is_member(agent.state):
        raise CannotListen("--listen serves with the node's certificate, which it gets by joining; join first")
    credentials = mutual_server_credentials(lambda: read_tls(agent.directory))
    try:
        port = server.grpc.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {listen}; is another process there? choose another --listen") from error
    return f"{listen.rpartition(':')[0]}:{port}"
