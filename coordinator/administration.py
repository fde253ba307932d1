"""The Administration service: what the operator calls over the socket in the data directory."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import grpc

from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.invitations import Door
from ridgeway.coordinator.publication import Publisher
from ridgeway.coordinator.snapshot import take
from ridgeway.crypto.invitation import SECRET_BYTES
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.runtime.data_dir import DataDirectory

SOCKET = "coordinator.sock"


class Administration:
    """Serves the operator of one federation."""

    def __init__(
        self,
        door: Door,
        exclusive: Exclusive,
        publisher: Publisher,
        enrolment_address: Callable[[], str],
        status: Callable[[], Awaitable[m.FederationStatus]],
        now: Callable[[], datetime],
        directory: DataDirectory,
    ) -> None:
        self._door = door
        self._exclusive = exclusive
        self._publisher = publisher
        self._enrolment_address = enrolment_address
        self._status = status
        self._now = now
        self._directory = directory

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(
            rpc.ADMINISTRATION,
            {
                rpc.INVITE: self.invite,
                rpc.REVOKE: self.revoke,
                rpc.EVICT: self.evict,
                rpc.ADMIN_STATUS: self.get_status,
                rpc.ADMIN_SNAPSHOT: self.snapshot,
            },
        )

    async def invite(self, request: m.InviteRequest, _: grpc.aio.ServicerContext) -> m.InviteResponse:
        """Make an invitation; its secret is in the answer and nowhere else."""
        invitation = await self._exclusive(
            self._door.invite,
            request.owner,
            timedelta(seconds=request.lifetime_seconds),
            self._enrolment_address(),
            secrets.token_bytes(SECRET_BYTES),
            self._now(),
        )
        return m.InviteResponse(invitation.to_token(), int(invitation.expires.timestamp() * 1000))

    async def revoke(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """Refuse an owner's certificates, on open streams too."""
        return m.OwnerResponse(await self._publisher.changing(self._door.federation.revoke, request.owner))

    async def evict(self, request: m.OwnerRequest, _: grpc.aio.ServicerContext) -> m.OwnerResponse:
        """Take an owner out of the sum and refuse its certificates."""
        return m.OwnerResponse(await self._publisher.changing(self._door.federation.evict, request.owner))

    async def get_status(self, _: m.GetStatusRequest, __: grpc.aio.ServicerContext) -> m.FederationStatus:
        """The federation as the coordinator sees it."""
        return await self._status()

    async def snapshot(self, _: m.SnapshotRequest, __: grpc.aio.ServicerContext) -> m.SnapshotResponse:
        """Copy what a backup needs, as it is between two changes."""
        return m.SnapshotResponse(await self._exclusive(take, self._directory, self._door.federation.ledger))
