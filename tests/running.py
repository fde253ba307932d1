"""A coordinator in this process, on loopback, with real gRPC and real TLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import light_client
import pytest
from free_port import free_port

from ridgeway.coordinator.administration import SOCKET
from ridgeway.coordinator.daemon import CoordinatorSettings, Endpoints, serve
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.local_socket import connect
from ridgeway.web.settings import HttpSettings

DIMENSION = 9


@dataclass
class Clock:
    """A clock that tests move."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        """The time."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Running:
    """A running coordinator."""

    data_dir: Path
    endpoints: Endpoints
    embedder: EmbedderFingerprint
    clock: Clock = field(default_factory=Clock)

    async def administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One call by the operator."""
        async with connect(self.data_dir, SOCKET) as channel:
            return await rpc.call(channel, method, request, timeout_s=10)

    async def invite(self, owner: str, lifetime_s: int = 3600) -> str:
        """An invitation."""
        return (await self.administer(rpc.INVITE, m.InviteRequest(owner, lifetime_s))).token

    async def status(self) -> m.FederationStatus:
        """The federation's status."""
        return await self.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())

    async def owner(self, name: str) -> light_client.Owner:
        """An enrolled light owner."""
        owner = light_client.Owner(name)
        await owner.enrol(await self.invite(name), self.embedder)
        return owner

    async def traceless(self) -> tuple[bytes, int, int]:
        """What no refusal may change: the sum's digest, contributions, and active members."""
        status = await self.status()
        contributions = sum(len(member.contributions) for member in status.members)
        active = sum(member.state is m.MemberState.ACTIVE for member in status.members)
        return status.sum_digest, contributions, active


@asynccontextmanager
async def running(
    data_dir: Path,
    dimension: int = DIMENSION,
    embedder: EmbedderFingerprint | None = None,
    certificate_lifetime: timedelta = timedelta(hours=24),
    port: int = 0,
    wishes: Wishes | None = None,
    http: HttpSettings | None = None,
) -> AsyncIterator[Running]:
    """Run a coordinator while the block runs."""
    toy = embedder or light_client.fingerprint(dimension)
    clock, stop = Clock(), asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    settings = CoordinatorSettings(
        data_dir,
        lambda: toy,
        wishes or Wishes(features=FeatureMap.TOKENS, masking=Masking.OFF),
        # Restarted on the same port, which nobody must be given meanwhile.
        port=port or free_port(),
        certificate_lifetime=certificate_lifetime,
        now=clock,
        http=http,
    )
    task = asyncio.create_task(serve(settings, stop, ready.set_result))
    waiting: list[asyncio.Future[object]] = [task, ready]  # type: ignore[list-item]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield Running(data_dir, ready.result(), toy, clock)
    finally:
        stop.set()
        await task


@asynccontextmanager
async def refused(code: grpc.StatusCode, sentence: str) -> AsyncIterator[None]:
    """The block must end in this gRPC status with a detail that holds this."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert (caught.value.code(), sentence in (caught.value.details() or "")) == (code, True), caught.value.details()


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - whatever the condition, in a test
            await asyncio.sleep(0.01)
