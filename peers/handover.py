"""One command's work at a peer: through the running daemon if there is one, by itself otherwise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from ridgeway.node.delivery import OnProgress
from ridgeway.node.handover import daemon_channel, through_daemon
from ridgeway.node.link import CALL_TIMEOUT_S
from ridgeway.node.observer import Unobserved
from ridgeway.node.prompts.source import STANDARD_INPUT
from ridgeway.node.request import BadJoinRequest, with_absolute_paths
from ridgeway.node.router_reader import membership_of
from ridgeway.peers import keyring
from ridgeway.peers.administering import Administration
from ridgeway.peers.administration_service import doors
from ridgeway.peers.agent import PeerAgent
from ridgeway.peers.daemon import PeerDaemon, PeerSettings
from ridgeway.peers.record_store import STORE_FILE, RecordStore, entry_of
from ridgeway.peers.status import federation_status
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.standing import Roster
from ridgeway.runtime.call_metadata import call_metadata
from ridgeway.runtime.data_dir import DataDirectory, DataDirectoryInUse
from ridgeway.runtime.remote_errors import Unreachable

States = Callable[[Administration], list[m.GossipRecord]]


def is_peer_directory(data_dir: Path) -> bool:
    """Whether a data directory is of a node in a federation without a coordinator."""
    return (data_dir / keyring.CHARTER_FILE).exists()


async def join_peers(data_dir: Path, request: m.JoinRequest, on_progress: OnProgress) -> None:
    """Enrol if there is a token, and contribute; returns when another peer has it too, if there is one.

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
            await _passed_on(agent, on_progress)
    except DataDirectoryInUse:
        if STANDARD_INPUT in {source.location for source in request.sources}:
            raise BadJoinRequest("the running node cannot read this command's standard input; name a file") from None
        await through_daemon(directory, rpc.NODE_JOIN, request, on_progress)


async def leave_peers(data_dir: Path, domain: str, on_progress: OnProgress) -> None:
    """Withdraw one domain, or with an empty name leave; returns when another peer has heard it, if there is one.

    Raises:
        RidgewayError: many kinds, each with a sentence; the same command may be run again.
    """
    directory = DataDirectory(data_dir, "node")
    try:
        async with _own_agent(directory) as agent:
            await agent.leave(domain, on_progress)
            if domain:
                await _passed_on(agent, on_progress)
    except DataDirectoryInUse:
        await through_daemon(directory, rpc.NODE_LEAVE, m.LeaveRequest(domain), on_progress)


async def _passed_on(agent: PeerAgent, on_progress: OnProgress) -> None:
    """What is durable here counts; that nobody has it yet is worth a warning, not a failure."""
    try:
        await agent.passed_on()
    except Unreachable as error:
        on_progress(m.Progress("warning", detail=str(error)))


@asynccontextmanager
async def _own_agent(directory: DataDirectory) -> AsyncIterator[PeerAgent]:
    """An agent whose gossip runs in this process, through connections that it opens."""
    with directory.locked():
        agent = PeerAgent(directory)
        profile = _published_addresses(directory)
        daemon = PeerDaemon(agent, PeerSettings(directory.path), Unobserved(), attending=False)
        agent.addresses = profile
        running = asyncio.create_task(daemon.run())
        try:
            yield agent
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await agent.close()


def _published_addresses(directory: DataDirectory) -> tuple[str, str]:
    """Where the others dial this node while its daemon runs; a command beside it changes nothing of that."""
    if not keyring.is_peer(directory):
        return "", ""
    owner = membership_of(directory).owner
    member = read_roster(directory).member(owner)
    return (member.profile.address, member.profile.enrolment_address) if member and member.profile else ("", "")


def read_roster(directory: DataDirectory) -> Roster:
    """What the records on disk mean, beside a daemon or without."""
    store = RecordStore(directory.path / STORE_FILE, read_only=True)
    try:
        return Roster(store.held())
    finally:
        store.close()


async def administer_peers(
    data_dir: Path, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request
) -> rpc.Response:
    """The answer of one call of the Administration service.

    Raises:
        RidgewayError: many kinds, each with a sentence.
    """
    directory = DataDirectory(data_dir, "node")
    try:
        with directory.locked():
            return cast(rpc.Response, _OFFLINE[method](directory, request))
    except DataDirectoryInUse:
        async with daemon_channel(directory) as channel:
            return await rpc.call(channel, method, request, timeout_s=CALL_TIMEOUT_S, metadata=call_metadata())


def _opened(directory: DataDirectory) -> tuple[RecordStore, Roster, Administration]:
    charter, owner = keyring.read_charter(directory), membership_of(directory).owner
    store = RecordStore(directory.path / STORE_FILE)
    roster = Roster(store.held())
    return store, roster, Administration(directory, charter, owner, roster, store)


def _invite(directory: DataDirectory, request: m.InviteRequest) -> m.InviteResponse:
    store, roster, administration = _opened(directory)
    try:
        owner = membership_of(directory).owner
        lifetime, everybody = timedelta(seconds=request.lifetime_seconds), set(roster.members)
        first = keyring.read_charter(directory).manifest.dialled_first
        ways = doors(roster, owner, everybody, _published_addresses(directory)[1], first)
        invitation = administration.invite(request.owner, lifetime, ways, datetime.now(UTC))
    finally:
        store.close()
    return m.InviteResponse(invitation.to_token(), invitation.body.expires_unix_ms)


def _stated(directory: DataDirectory, states: States) -> m.OwnerResponse:
    """Write a statement; it is passed on when the node runs. What the sum is then, its daemon will say."""
    store, _, administration = _opened(directory)
    try:
        store.persist(entry_of(record, has_payload=False) for record in states(administration))
    finally:
        store.close()
    return m.OwnerResponse()


def _status(directory: DataDirectory, _: m.GetStatusRequest) -> m.FederationStatus:
    store = RecordStore(directory.path / STORE_FILE, read_only=True)
    try:
        charter, roster = keyring.read_charter(directory), Roster(store.held())
        return federation_status(charter, roster, None, set(), store.invitations())
    finally:
        store.close()


_OFFLINE: dict[rpc.Method[Any, Any], Callable[[DataDirectory, Any], Any]] = {
    rpc.INVITE: _invite,
    rpc.ADMIN_STATUS: _status,
    rpc.EVICT: lambda at, asked: _stated(at, lambda a: a.evict(asked.owner, datetime.now(UTC))),
    rpc.REVOKE: lambda at, asked: _stated(at, lambda a: a.revoke(asked.owner, datetime.now(UTC))),
    rpc.APPOINT: lambda at, asked: _stated(at, lambda a: a.appoint(asked.owner, datetime.now(UTC))),
    rpc.DISMISS: lambda at, asked: _stated(at, lambda a: a.dismiss(asked.owner, datetime.now(UTC))),
}
