"""The gateway as a process: what it listens on, and how it ends."""

import asyncio
import gc
import logging
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web

from ridgeway.errors import RidgewayError
from ridgeway.gateway.access import Access
from ridgeway.gateway.attempts import Patience
from ridgeway.gateway.choice import Policy
from ridgeway.gateway.conversation import Conversations
from ridgeway.gateway.dispatch import Dispatcher
from ridgeway.gateway.expert_keys import ExpertKeys
from ridgeway.gateway.http_service import HttpService
from ridgeway.gateway.router_follower import RouterFollower
from ridgeway.gateway.upstream import Upstream, client_session
from ridgeway.runtime.open_files import allow_open_files
from ridgeway.runtime.private_file import read_private

_log = logging.getLogger("ridgeway.gateway")

# Beyond this many open connections new ones are closed at once; an idle one costs some 20 kB.
CONNECTIONS_MAX = 4096
# Longer than clients keep a connection, and how long one may be open without a request.
KEEP_ALIVE_S = 75.0
# Running answers get this long to end once shutdown began.
GRACE_S = 10.0


class CannotListen(RidgewayError):
    """An address that cannot be listened on."""


class InsecureListen(RidgewayError):
    """An address that others reach, without what protects it."""


class BadCertificate(RidgewayError):
    """A certificate or key that cannot be served with."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How one gateway runs.

    Attributes:
        data_dir: of the node whose router is used.
        host, port: where to listen; port 0 is any.
        policy: how decisions are followed.
        patience: how long experts may take.
        token_file: holds the API key that clients send.
        certificate, key: PEM files of the listener.
        keys_file: holds the API keys that experts ask for.
        origins: of the web pages that may ask.
        environment: where the experts' keys are looked up besides.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    policy: Policy = field(default_factory=Policy)
    patience: Patience = field(default_factory=Patience)
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    keys_file: Path | None = None
    origins: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class _Protected(logging.Filter):
    """Keeps what a request holds out of aiohttp's messages: of an error only its kind is told."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every message through, without its traceback."""
        kind = record.exc_info[0] if record.exc_info else None
        record.msg, record.args = f"a request failed: {kind.__name__ if kind else record.levelname}", ()
        record.exc_info = record.exc_text = None
        return True


async def serve(
    settings: GatewaySettings, stop: asyncio.Event, on_ready: Callable[[str], None] = lambda _: None
) -> None:
    """Run a gateway until `stop` is set, then let running answers end.

    Args:
        settings: see there.
        stop: ends the gateway.
        on_ready: told the base URL for clients.

    Raises:
        InsecureListen, BadCertificate, NotPrivate, WeakToken, BadKeys: it would not be safe.
        DataDirectoryError, NotJoined, BadRouterArtifact, ForeignRouter, EmbedderError: there is no router to follow.
        BadFallback: nobody serves what is named as the fallback.
        CannotListen: the address is taken.
    """
    access, tls = _access(settings), _tls(settings)
    keys = ExpertKeys.read(settings.environment, settings.keys_file)
    follower = RouterFollower(settings.data_dir, settings.policy)
    await asyncio.to_thread(follower.load)
    # What is there by now stays; a full collection that looked through it would hold every answer up for 50 ms.
    gc.freeze()
    allow_open_files(4 * CONNECTIONS_MAX)
    async with client_session() as session:
        conversations = Conversations(secrets.token_bytes(32))
        dispatcher = Dispatcher(follower, conversations, Upstream(session, keys), settings.patience)
        async with _listening(settings, HttpService(dispatcher, access), tls) as url:
            on_ready(url)
            await _until(stop, follower)
            _log.info("shutting down")


async def _until(stop: asyncio.Event, follower: RouterFollower) -> None:
    following, stopping = asyncio.create_task(follower.follow()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            await following
    finally:
        for task in (following, stopping):
            task.cancel()
        await asyncio.wait({following, stopping})


@asynccontextmanager
async def _listening(settings: GatewaySettings, service: HttpService, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    logger = logging.getLogger("ridgeway.gateway.http")
    logger.addFilter(_Protected())
    runner = web.AppRunner(
        service.application(),
        logger=logger,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=GRACE_S,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: _connection(runner), settings.host, settings.port, ssl=tls, backlog=1024
        )
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --listen"
        ) from error
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        yield f"{'https' if tls else 'http'}://{host}:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await runner.cleanup()


class _Closed(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


def _connection(runner: web.AppRunner) -> asyncio.Protocol:
    server = runner.server
    return server() if server is not None and len(server.connections) < CONNECTIONS_MAX else _Closed()


def _access(settings: GatewaySettings) -> Access:
    token = read_private(settings.token_file).strip() if settings.token_file else None
    if not _is_loopback(settings.host) and (token is None or settings.certificate is None):
        raise InsecureListen(
            f"others can reach {settings.host}: give --token-file, --tls-certificate and --tls-key,"
            " or listen on 127.0.0.1"
        )
    return Access.by(token, settings.origins)


def _tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    if (settings.certificate is None) != (settings.key is None):
        raise BadCertificate("--tls-certificate and --tls-key go together")
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    read_private(settings.key)
    try:
        context.load_cert_chain(settings.certificate, settings.key, password="")  # nosec B106
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(
            f"{settings.certificate} and {settings.key} are no certificate and its key, in PEM"
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
