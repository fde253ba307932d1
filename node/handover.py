"""One command's work: through the running daemon if there is one, by itself otherwise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc

from ridgeway.feature_map import Router
from ridgeway.node.agent import Agent
from ridgeway.node.control_service import SOCKET
from ridgeway.node.delivery import OnProgress
from ridgeway.node.link import CALL_TIMEOUT_S, Link, read_tls
from ridgeway.node.prompts.source import STANDARD_INPUT
from ridgeway.node.request import BadJoinRequest, with_absolute_paths
from ridgeway.node.router_reader import RouterReader, membership_of
from ridgeway.node.snapshot import take
from ridgeway.node.state import NotJoined
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.data_dir import DataDirectory, DataDirectoryInUse
from ridgeway.runtime.local_socket import connect
from ridgeway.runtime.remote_errors import Unreachable, translated

# A daemon listens on its socket moments after it took the lock.
DAEMON_WAIT_S = 15.0


async def join_federation(data_dir: Path, request: m.JoinRequest, on_progress: OnProgress) -> None:
    """Enrol if there is a token, and contribute; returns when everything is committed.

    Args:
        data_dir: made if it is missing.
        request: paths may be relative to the working directory.
        on_progress: told from any thread.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same join may be run again.
    """
    directory = DataDirectory(data_dir, "node", create=True)
    request = with_absolute_paths(request)
    try:
        async with _own_agent(directory) as agent:
            await agent.join(request, on_progress)
    except DataDirectoryInUse:
        if STANDARD_INPUT in {source.location for source in request.sources}:
            raise BadJoinRequest("the running node cannot read this command's standard input; name a file") from None
        await through_daemon(directory, rpc.NODE_JOIN, request, on_progress)


async def leave_federation(data_dir: Path, domain: str, on_progress: OnProgress) -> None:
    """Withdraw one domain, or with an empty name leave; returns when it is acknowledged.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same command may be run again.
    """
    directory = DataDirectory(data_dir, "node")
    try:
        async with _own_agent(directory) as agent:
            await agent.leave(domain, on_progress)
    except DataDirectoryInUse:
        await through_daemon(directory, rpc.NODE_LEAVE, m.LeaveRequest(domain), on_progress)


async def node_status(data_dir: Path) -> tuple[m.NodeStatus, bool]:
    """The node as it sees itself, and whether its daemon runs."""
    directory = DataDirectory(data_dir, "node")
    try:
        async with _own_agent(directory) as agent:
            status = agent.status(connected=False, last_error="")
            return replace(status, router_version=agent.routers.version_on_disk()), False
    except DataDirectoryInUse:
        async with daemon_channel(directory) as channel:
            request = m.GetNodeStatusRequest()
            return await rpc.call(channel, rpc.NODE_STATUS, request, timeout_s=CALL_TIMEOUT_S), True


async def take_snapshot(data_dir: Path) -> str:
    """Copy what a backup needs into the data directory; the copy's name."""
    directory = DataDirectory(data_dir, "node")
    try:
        async with _own_agent(directory) as agent:
            return take(directory, agent.state)
    except DataDirectoryInUse:
        async with daemon_channel(directory) as channel:
            request = m.SnapshotRequest()
            return (await rpc.call(channel, rpc.NODE_SNAPSHOT, request, timeout_s=CALL_TIMEOUT_S)).name


async def federation_status(data_dir: Path) -> m.FederationStatus:
    """The federation as its coordinator sees it, asked with the node's own certificate, beside a daemon or without.

    Raises:
        NotJoined, Unreachable, Refused: it cannot be asked.
    """
    directory = DataDirectory(data_dir, "node")
    membership = membership_of(directory)
    if membership.left:
        raise NotJoined(f"{membership.owner} has left the federation; join again with a new invitation")
    link = Link(membership.member_address, read_tls(directory))
    try:
        return await link.call(rpc.GET_STATUS, m.GetStatusRequest())
    finally:
        await link.close()


def load_router(data_dir: Path) -> Router:
    """The newest router on disk, ready to decide in this process, beside a daemon or without. Blocks.

    Raises:
        NotJoined, NoRouter, BadRouterArtifact, ForeignRouter, EmbedderError: there is none to load.
    """
    return RouterReader(data_dir).read()


@asynccontextmanager
async def _own_agent(directory: DataDirectory) -> AsyncIterator[Agent]:
    with directory.locked():
        agent = Agent(directory)
        try:
            yield agent
        finally:
            await agent.close()


@asynccontextmanager
async def daemon_channel(directory: DataDirectory) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the process that holds the directory; its refusals as exceptions."""
    name = f"the node on {directory.path}"
    async with connect(directory.path, SOCKET) as channel:
        try:
            async with asyncio.timeout(DAEMON_WAIT_S):
                await channel.channel_ready()
        except TimeoutError as error:
            raise Unreachable(f"{name} is in use by a process that does not answer; wait for it or end it") from error
        try:
            yield channel
        except grpc.aio.AioRpcError as error:
            raise translated(error, name) from error


async def through_daemon(
    directory: DataDirectory,
    method: rpc.Method[rpc.Request, m.Progress],
    request: rpc.Request,
    on_progress: OnProgress,
) -> None:
    """Let the daemon on the directory do it."""
    async with daemon_channel(directory) as channel:
        async for news in rpc.watch(channel, method, request, metadata=call_metadata()):
            on_progress(news)
