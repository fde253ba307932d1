"""One command's work: through the running daemon if there is one, by itself otherwise."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from ridgeway.embedders import load_embedder
from ridgeway.manifest import Manifest
from ridgeway.node.agent import Agent, OnProgress
from ridgeway.node.control_service import SOCKET
from ridgeway.node.link import CALL_TIMEOUT_S
from ridgeway.node.router_store import RouterStore
from ridgeway.node.state import STATE_FILE, NodeState
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.routing import TokenRouter
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.remote_errors import translated


async def join_federation(data_dir: Path, request: m.JoinRequest, on_progress: OnProgress) -> None:
    """Enrol and contribute; returns when everything is committed.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same join may be run again.
    """
    directory = DataDirectory(data_dir, "node", create=True)
    if directory.in_use():
        await _through_daemon(directory, rpc.NODE_JOIN, request, on_progress)
        return
    async with _own_agent(directory) as agent:
        await agent.join(request, on_progress)


async def leave_federation(data_dir: Path, domain: str, on_progress: OnProgress) -> None:
    """Withdraw one domain, or with an empty name leave; returns when it is acknowledged.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same command may be run again.
    """
    directory = DataDirectory(data_dir, "node")
    if directory.in_use():
        await _through_daemon(directory, rpc.NODE_LEAVE, m.LeaveRequest(domain), on_progress)
        return
    async with _own_agent(directory) as agent:
        await agent.leave(domain, on_progress)


async def node_status(data_dir: Path) -> tuple[m.NodeStatus, bool]:
    """The node as it sees itself, and whether its daemon runs."""
    directory = DataDirectory(data_dir, "node")
    if directory.in_use():
        async with connect(directory.path, SOCKET) as channel:
            try:
                request = m.GetNodeStatusRequest()
                return await rpc.call(channel, rpc.NODE_STATUS, request, timeout_s=CALL_TIMEOUT_S), True
            except grpc.aio.AioRpcError as error:
                raise translated(error, str(directory.path)) from error
    async with _own_agent(directory) as agent:
        return agent.status(connected=False), False


async def federation_status(data_dir: Path) -> m.FederationStatus:
    """The federation as its coordinator sees it, asked with the node's own certificate.

    Raises:
        NotJoined, Unreachable, Refused: it cannot be asked.
    """
    agent = Agent(DataDirectory(data_dir, "node"))
    try:
        return await agent.connect().call(rpc.GET_STATUS, m.GetStatusRequest())
    finally:
        await agent.close()


def load_router(data_dir: Path) -> TokenRouter:
    """The newest router on disk, ready to decide in this process. Blocks.

    Raises:
        NotJoined, NoRouter, EmbedderError: there is none to load.
    """
    directory = DataDirectory(data_dir, "node")
    state = NodeState(directory.path / STATE_FILE)
    try:
        membership = state.require_membership()
    finally:
        state.close()
    store = RouterStore(directory)
    store.load(load_embedder(membership.embedder), Manifest.from_json(membership.manifest_json.encode()))
    return store.require()


@asynccontextmanager
async def _own_agent(directory: DataDirectory) -> AsyncIterator[Agent]:
    with directory.locked():
        agent = Agent(directory)
        try:
            yield agent
        finally:
            await agent.close()


async def _through_daemon(
    directory: DataDirectory,
    method: rpc.Method[rpc.Request, m.Progress],
    request: rpc.Request,
    on_progress: OnProgress,
) -> None:
    async with connect(directory.path, SOCKET) as channel:
        try:
            async for news in rpc.watch(channel, method, request):
                on_progress(news)
        except grpc.aio.AioRpcError as error:
            raise translated(error, f"the node on {directory.path}") from error
