"""Peers in this process, on loopback, with the toy embedder."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import toy
from free_port import free_port
from node_running import News, expected_digest

from ridgeway.manifest import Coordination, FeatureMap, Manifest, Masking, PooledSettings
from ridgeway.node.control_service import SOCKET
from ridgeway.node.handover import node_status
from ridgeway.peers.daemon import PeerSettings, Serving, serve
from ridgeway.peers.founding import found
from ridgeway.peers.handover import administer_peers, join_peers, leave_peers
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.local_socket import connect
from ridgeway.web.settings import HttpSettings

WAIT_S = 60.0


def toy_manifest(
    federation_id: str = "a" * 32,
    masking: Masking = Masking.OFF,
    coordination: Coordination = Coordination.PEERS,
) -> Manifest:
    """A federation of peers that compute with the toy embedder."""
    return Manifest(
        federation_id=federation_id,
        embedder=toy.toy_embedder().fingerprint,
        feature_map=FeatureMap.TOKENS,
        pooled=PooledSettings(0),
        masking=masking,
        coordination=coordination,
    )


@dataclass
class PeerHome:
    """One peer's data directory, whether its daemon runs or not.

    Attributes:
        data_dir: its directory.
        embedder: where the toy embedder lies.
        port: where its daemon listens; 0: nowhere.
    """

    data_dir: Path
    embedder: Path
    port: int = field(default_factory=free_port)

    def found(
        self,
        owner: str = "founder",
        masking: Masking = Masking.OFF,
        coordination: Coordination = Coordination.PEERS,
    ) -> None:
        """Found a federation here."""
        manifest = toy_manifest(masking=masking, coordination=coordination)
        found(self.data_dir, owner, manifest, str(self.embedder), datetime.now(UTC))

    async def administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One call by the node's owner."""
        return await administer_peers(self.data_dir, method, request)

    async def invite(self, owner: str) -> str:
        """An invitation."""
        return (await self.administer(rpc.INVITE, m.InviteRequest(owner, 3600))).token

    async def join(self, token: str = "", domains: Mapping[str, Path] | None = None) -> News:
        """Join or add domains; by the daemon if one runs."""
        news = News()
        sources = tuple(m.PromptSource(domain, str(path)) for domain, path in (domains or {}).items())
        await join_peers(self.data_dir, m.JoinRequest(token, sources, (), str(self.embedder), 0.0), news)
        return news

    async def leave(self, domain: str = "") -> News:
        """Leave or withdraw a domain; by the daemon if one runs."""
        news = News()
        await leave_peers(self.data_dir, domain, news)
        return news

    async def status(self) -> m.NodeStatus:
        """The node as it sees itself."""
        return (await node_status(self.data_dir))[0]

    async def federation(self) -> m.FederationStatus:
        """The federation as the node sees it."""
        return await self.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())

    async def route(self, prompt: str) -> m.Decision:
        """Where the daemon sends a prompt."""
        async with connect(self.data_dir, SOCKET) as channel:
            decision = (await rpc.call(channel, rpc.ROUTE, m.RouteRequest(prompt), timeout_s=10)).decision
        assert decision is not None
        return decision

    async def until(self, condition: Callable[[m.NodeStatus], object], timeout_s: float = WAIT_S) -> m.NodeStatus:
        """Wait until the daemon's status is so."""
        status = m.NodeStatus()
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(status := await self.status()):  # noqa: ASYNC110 - another task's work
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s: {status}") from None
        return status

    async def holds(self, contributions: Mapping[tuple[str, str], list[str]], manifest: Manifest) -> None:
        """Wait until the sum here is exactly that of these prompts, by owner and domain."""
        digest = expected_digest(manifest, contributions)
        await self.until(lambda s: s.gossip and s.gossip.sum_digest == digest)


@asynccontextmanager
async def peer(
    home: PeerHome,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    refresh_s: float = 0.0,
    http: HttpSettings | None = None,
) -> AsyncIterator[Serving]:
    """Run a peer's daemon while the block runs."""
    stop = asyncio.Event()
    ready: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
    host = "127.0.0.1" if home.port else None
    settings = PeerSettings(home.data_dir, host, home.port, refresh_s=refresh_s, probe_s=0.0, now=now, http=http)
    task = asyncio.create_task(serve(settings, stop, ready.set_result))
    waiting: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield ready.result()
    finally:
        stop.set()
        await task
