"""The Administration service of a peer: what its owner calls over the socket in the data directory."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import grpc

from ridgeway.node.state import NotJoined
from ridgeway.peers.membership import MembershipRun
from ridgeway.peers.status import federation_status
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.roster.invitation import Door
from ridgeway.roster.standing import Roster

# The sum follows the records within a solve.
SUM_WAIT_S = 20.0


class AdministrationService:
    """Serves this node's owner.

    Args:
        run: the present membership's; None while there is none.
        enrolment_address: where newcomers ask this node; empty: nowhere.
        now: the clock.
    """

    def __init__(
        self, run: Callable[[], MembershipRun | None], enrolment_address: str, now: Callable[[], datetime]
    ) -> None:
        self._run = run
        self._enrolment_address = enrolment_address
        self._now = now

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        behaviours: dict[rpc.Method[Any, Any], Any] = {
            rpc.INVITE: self.invite,
            rpc.REVOKE: self.revoke,
            rpc.EVICT: self.evict,
            rpc.APPOINT: self.appoint,
            rpc.DISMISS: self.dismiss,
            rpc.ADMIN_STATUS: self.get_status,
        }
        return rpc.handlers(rpc.ADMINISTRATION, behaviours)

    def _require_run(self) -> MembershipRun:
        run = self._run()
        if run is None:
            raise NotJoined("this node is no member of a federation; run `ridgeway join TOKEN` with its --data-dir")
        return run

    async def invite(self, request: m.InviteRequest, _: grpc.aio.ServicerContext) -> m.InviteResponse:
        """Make an invitation; its one-time key is in the answer and nowhere else."""
        run = self._require_run()
        lifetime = timedelta(seconds=request.lifetime_seconds)
        first = run.engine.charter.manifest.dialled_first
        open_doors = doors(run.engine.roster, run.engine.owner, alive(run), self._enrolment_address, first)
        invitation = run.administration.invite(request.owner, lifetime, open_doors, self._now())
        return m.InviteResponse(invitation.to_token(), invitation.body.expires_unix_ms)

    async def revoke(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """Refuse an owner's node from now on."""
        return await self._publish(lambda run: run.administration.revoke(request.owner, self._now()))

    async def evict(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """Take an owner out of the sum."""
        return await self._publish(lambda run: run.administration.evict(request.owner, self._now()))

    async def appoint(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """Make a member an administrator."""
        return await self._publish(lambda run: run.administration.appoint(request.owner, self._now()))

    async def dismiss(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """End an administrator's power."""
        return await self._publish(lambda run: run.administration.dismiss(request.owner, self._now()))

    async def _publish(self, states: Callable[[MembershipRun], list[m.GossipRecord]]) -> m.OwnerResponse:
        run = self._require_run()
        records = states(run)
        if records:
            await run.engine.publish(records)
        return m.OwnerResponse(await _sum_digest(run))

    async def get_status(self, _: m.GetStatusRequest, __: grpc.aio.ServicerContext) -> m.FederationStatus:
        """The federation as this node's records say."""
        return status_of(self._require_run())


async def _sum_digest(run: MembershipRun) -> bytes:
    """The digest of the sum over the records as they are now; empty if that takes too long."""
    try:
        async with asyncio.timeout(SUM_WAIT_S):
            while run.solved is None or run.solved.root != run.engine.machine.root:  # noqa: ASYNC110 - another task's work
                await asyncio.sleep(0.02)
    except TimeoutError:
        return b""
    return run.solved.sum_digest


def status_of(run: MembershipRun) -> m.FederationStatus:
    """The federation as this node's records say."""
    engine = run.engine
    present = alive(run) | {engine.owner}
    invitations = engine.store.invitations()
    return federation_status(engine.charter, engine.roster, run.solved, present, invitations, run.round_status())


def alive(run: MembershipRun) -> set[str]:
    """Whom this node believes to be alive."""
    return {view.peer for view in run.engine.machine.peers() if view.state is m.PeerState.ALIVE}


def doors(roster: Roster, owner: str, living: set[str], own_address: str, first: str) -> tuple[Door, ...]:
    """Where a newcomer can ask: at this node, at the one that everybody dials first, then at others believed alive."""
    others = [roster.member(name) for name in sorted(living - {owner}, key=lambda name: (name != first, name))]
    ways = [
        Door(member.owner, member.profile.enrolment_address)
        for member in others
        if member is not None and member.active and member.profile and member.profile.enrolment_address
    ]
    return (*([Door(owner, own_address)] if own_address else []), *ways)
