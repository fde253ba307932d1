"""The Enrolment service: what owners call before they have a certificate."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import grpc

from ridgeway.coordinator.caller import peer_network
from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.invitations import Door, InvitationForged
from ridgeway.coordinator.publication import Publisher
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.token_bucket import TokenBucket, TokenBuckets

_log = logging.getLogger("ridgeway.coordinator")

# Anyone may call here. A secret has 256 bits, so this is not about guessing but about leaving the disk to the members.
CALLS_PER_SECOND = 100.0
CALLS_AT_ONCE = 1000.0
# Secrets that open nothing, from one address. Who has an invitation needs none of these.
FAILURES_PER_SECOND = 0.2
FAILURES_AT_ONCE = 20.0
# Addresses remembered, some hundred bytes each.
ADDRESSES_KEPT = 4096


class TooManyAttempts(RidgewayError):
    """More enrolments at once than any federation needs."""


class EnrolmentService:
    """Lets owners with an invitation in."""

    def __init__(
        self,
        door: Door,
        exclusive: Exclusive,
        publisher: Publisher,
        member_address: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._door = door
        self._exclusive = exclusive
        self._publisher = publisher
        self._member_address = member_address
        self._now = now
        self._bucket = TokenBucket(CALLS_PER_SECOND, CALLS_AT_ONCE)
        self._failures = TokenBuckets(FAILURES_PER_SECOND, FAILURES_AT_ONCE, ADDRESSES_KEPT)

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(rpc.ENROLMENT, {rpc.DESCRIBE: self.describe, rpc.ENROL: self.enrol})

    @contextmanager
    def _admitted(self, context: grpc.aio.ServicerContext) -> Iterator[datetime]:
        """Around a call: refuse it if there are too many; note the address of one whose secret opens nothing.

        The address is looked at first, so that one that guesses does not use up what is there for all.
        """
        now = self._now()
        failures = self._failures.of(peer_network(context))
        if failures.is_empty(now.timestamp()):
            raise TooManyAttempts("too many secrets from this address opened nothing; try again in a minute")
        if not self._bucket.take(now.timestamp()):
            raise TooManyAttempts("the coordinator is busy with enrolments; try again in a few seconds")
        try:
            yield now
        except InvitationForged:
            failures.take(now.timestamp())
            raise

    async def describe(self, request: m.DescribeRequest, context: grpc.aio.ServicerContext) -> m.DescribeResponse:
        """The manifest, for the holder of an invitation, used or not."""
        with self._admitted(context) as now:
            await self._exclusive(self._door.check_secret, request.credential, now)
            return m.DescribeResponse(self._door.federation.manifest.to_json())

    async def enrol(self, request: m.EnrolRequest, context: grpc.aio.ServicerContext) -> m.EnrolResponse:
        """Make the owner a member."""
        with self._admitted(context) as now:
            certificate, next_sequence = await self._publisher.changing(self._door.enrol, request, now)
        _log.info("enrolled %s", request.credential.owner if request.credential else "")
        manifest = self._door.federation.manifest.to_json()
        return m.EnrolResponse(certificate, self._member_address(), manifest, next_sequence)
