"""The coordinator process: three listeners around one federation."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from ridgeway.backup.staging import forget_snapshots
from ridgeway.coordinator.administration import SOCKET
from ridgeway.coordinator.founding import Founded, Wishes, check_replica, open_federation
from ridgeway.coordinator.leading import keep_leading, lead
from ridgeway.coordinator.observer import Observer, Unobserved
from ridgeway.coordinator.services import Addresses, services_of
from ridgeway.coordinator.snapshot import ENDPOINTS_FILE
from ridgeway.crypto.authority import MEMBER_LIFETIME, CertificateAuthority
from ridgeway.crypto.certificates import new_tls_key, renewal_due, signing_request, validity
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.proto import rpc
from ridgeway.runtime.channel_options import CONNECTIONS_MAX, ENROLMENT_IDLE_MS
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import bind
from ridgeway.runtime.open_files import allow_open_files
from ridgeway.runtime.serving import Server
from ridgeway.runtime.supervision import UNSUPERVISED, Supervised
from ridgeway.runtime.tls import MemberTls, enrolment_server_credentials, mutual_server_credentials
from ridgeway.web.settings import HttpSettings

if TYPE_CHECKING:
    from ridgeway.coordinator.page import CoordinatorPage

_log = logging.getLogger("ridgeway.coordinator")

# The coordinator issues its own certificate, so a short life costs nothing and a stolen key is worth little.
SERVER_CERTIFICATE_LIFETIME = timedelta(days=7)
# Below this the solver is quicker on one core, and the threads of the BLAS, which spin while they wait for more, take
# the cores from everybody else: measured at D = 385, the router is at every watcher in half the time.
PARALLEL_DIMENSION = 1000
_ANY_ADDRESS = {"0.0.0.0", "::", "[::]", ""}  # noqa: S104 - recognised, not bound  # nosec B104


class CannotListen(RidgewayError):
    """An address that cannot be listened on, or not be told to others."""


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """How one coordinator runs.

    Attributes:
        data_dir: its directory.
        default_embedder: gives the fingerprint for a new federation; asked only then.
        wishes: what the operator asks of the manifest.
        host: where to listen.
        port: for members; enrolment is one above. 0 chooses both.
        advertise: the host that invitations name; None says `host`.
        certificate_lifetime: of members' certificates.
        now: the clock.
        http: where the status page and the metrics are served; None: nowhere.
        ledger: URL of a PostgreSQL database that replicas share; None: a file in `data_dir`.
    """

    data_dir: Path
    default_embedder: Callable[[], EmbedderFingerprint]
    wishes: Wishes = field(default_factory=Wishes)
    host: str = "127.0.0.1"
    port: int = 7443
    advertise: str | None = None
    certificate_lifetime: timedelta = MEMBER_LIFETIME
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    http: HttpSettings | None = None
    ledger: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running coordinator can be reached, HOST:PORT; the status page by its URL, or an empty string."""

    members: str
    enrolment: str
    federation_id: str
    http: str = ""


class ServerCertificate:
    """The coordinator's own certificate, issued by its own authority and renewed as it is used."""

    def __init__(self, authority: CertificateAuthority, now: Callable[[], datetime]) -> None:
        self._authority = authority
        self._now = now
        self._jitter = random.random()  # noqa: S311 - spreads renewals, protects nothing  # nosec B311
        self._tls = self._issue()

    def current(self) -> MemberTls:
        """What to show at a handshake now."""
        if self._now() >= renewal_due(*validity(self._tls.certificate_pem), self._jitter):
            self._tls = self._issue()
        return self._tls

    def _issue(self) -> MemberTls:
        key = new_tls_key()
        request = signing_request(key, "coordinator")
        pem = self._authority.issue_coordinator(request, self._now(), SERVER_CERTIFICATE_LIFETIME)
        return MemberTls(self._authority.certificate_pem, pem, key)


async def serve(
    settings: CoordinatorSettings,
    stop: asyncio.Event,
    on_ready: Callable[[Endpoints], None] = lambda _: None,
    supervisor: Supervised = UNSUPERVISED,
) -> None:
    """Run a coordinator until `stop` is set, then let running calls end.

    Raises:
        DataDirectoryError: the directory cannot be used, or another coordinator runs on it.
        ManifestIsFixed: the settings contradict the federation's manifest.
        CannotListen: the address is taken, or cannot be told to others.
        BadLedgerUrl, LedgerUnreachable: the ledger's database cannot be used, or is lost.
    """
    advertised = _advertised_host(settings)
    # Two listeners, and each connection may have a payload open.
    allow_open_files(4 * CONNECTIONS_MAX)
    directory = DataDirectory(settings.data_dir, "coordinator", create=True)
    with directory.locked():
        standing_by = partial(supervisor.ready, "standing by; another replica leads")
        database = await lead(directory, settings.ledger, stop, partial(check_replica, directory), standing_by)
        if database is None:
            return
        try:
            founded = open_federation(
                directory,
                database,
                settings.wishes,
                settings.default_embedder,
                settings.now(),
                settings.certificate_lifetime,
            )
        except BaseException:
            database.close()
            raise
        if founded.federation.manifest.dimension < PARALLEL_DIMENSION:
            threadpool_limits(limits=1, user_api="blas")
        try:
            forget_snapshots(directory)
            # Without the ledger's thread the coordinator may look alive and be of no use.
            supervisor.depends_on(partial(founded.exclusive, founded.federation.ledger.check))
            async with _listening(settings, founded, directory, advertised, stop) as endpoints:
                directory.write(ENDPOINTS_FILE, json.dumps(asdict(endpoints)).encode())
                on_ready(endpoints)
                supervisor.ready(f"serving members on {endpoints.members}, newcomers on {endpoints.enrolment}")
                await stop.wait()
                _log.info("shutting down")
        finally:
            founded.federation.close()


@asynccontextmanager
async def _listening(
    settings: CoordinatorSettings, founded: Founded, directory: DataDirectory, advertised: str, stop: asyncio.Event
) -> AsyncIterator[Endpoints]:
    page = _page(settings.http)
    observer: Observer = page.metrics if page else Unobserved()
    ports: dict[str, str] = {}
    addresses = Addresses(lambda: ports["members"], lambda: ports["enrolment"])
    services = services_of(founded, directory, addresses, settings.now, observer)
    servers = [
        Server({rpc.FEDERATION: services.federation.handlers()}, services.interceptors),
        Server({rpc.ENROLMENT: services.enrolment.handlers()}, services.interceptors, ENROLMENT_IDLE_MS),
        Server({rpc.ADMINISTRATION: services.administration.handlers()}, services.interceptors),
    ]
    certificate = ServerCertificate(founded.authority, settings.now)
    members = _bind(servers[0], settings.host, settings.port, mutual_server_credentials(certificate.current))
    enrolment_port = _bind(
        servers[1],
        settings.host,
        settings.port + 1 if settings.port else 0,
        enrolment_server_credentials(certificate.current),
    )
    ports |= {"members": f"{advertised}:{members}", "enrolment": f"{advertised}:{enrolment_port}"}
    socket = bind(servers[2].grpc, directory.path, SOCKET)
    endless = *services.endless(), keep_leading(founded.federation.ledger, services.exclusive)
    tasks = [asyncio.create_task(work) for work in endless]
    for task in tasks:
        # It runs for ever; should it fail, the coordinator ends with its error rather than serve on unnoticed.
        task.add_done_callback(lambda _: stop.set())
    for server in servers:
        await server.start()
    try:
        async with page.served(services.federation.status) if page else nullcontext("") as http:
            yield Endpoints(ports["members"], ports["enrolment"], founded.federation.manifest.federation_id, http)
    finally:
        services.close()
        await asyncio.gather(*(server.stop() for server in servers))
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        services.exclusive.close()
        socket.close()
        (directory.path / SOCKET).unlink(missing_ok=True)


def _page(http: HttpSettings | None) -> "CoordinatorPage | None":
    if http is None:
        return None
    from ridgeway.coordinator.page import CoordinatorPage  # noqa: PLC0415 - an extra

    return CoordinatorPage(http)


def _advertised_host(settings: CoordinatorSettings) -> str:
    if settings.advertise is None and settings.host in _ANY_ADDRESS:
        raise CannotListen(f"{settings.host} is no address that owners could dial; say theirs with --advertise HOST")
    host = settings.advertise or settings.host
    return f"[{host.strip('[]')}]" if ":" in host else host


def _bind(server: Server, host: str, port: int, credentials: object) -> int:
    address = f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound: int = server.grpc.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {address}; is another process there? choose another --listen") from error
    return bound
