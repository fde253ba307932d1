"""The PeerEnrolment service: what newcomers call at any member's node before they have a certificate."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import grpc

from ridgeway.errors import RidgewayError
from ridgeway.gossip.judging import InvalidRecord, NotYet
from ridgeway.peers.engine import Engine
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.codec import MalformedMessage
from ridgeway.roster.invitation import expired
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import RecordKey, RecordKind, grant_key
from ridgeway.roster.records import open_signed, peek
from ridgeway.roster.standing import Member
from ridgeway.token_bucket import TokenBucket

_log = logging.getLogger("ridgeway.peers")

# Anyone may call here.
CALLS_PER_S = 20.0
CALLS_AT_ONCE = 200
# The administrator is two or three exchanges away; one that does not answer by then is not online.
ANSWER_WAIT_S = 30.0
# Members that a newcomer is told to dial first; the others come by gossip.
INTRODUCTIONS_MAX = 8


class InvitationRefused(RidgewayError):
    """An invitation that does not open the door."""


class InvitationUsed(InvitationRefused):
    """Somebody joined with it already."""


class TooManyAttempts(RidgewayError):
    """More enrolments at once than any federation needs."""


class AdministratorAway(RidgewayError):
    """The administrator that invited does not answer."""


class EnrolmentService:
    """Passes newcomers' requests on.

    Args:
        engine: of this node's gossip.
        now: the clock.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._judge = TrustJudge(engine.charter)
        self._bucket = TokenBucket(CALLS_PER_S, CALLS_AT_ONCE)

    def handlers(self) -> grpc.GenericRpcHandler:
        """What the server registers."""
        return rpc.handlers(rpc.PEER_ENROLMENT, {rpc.DESCRIBE_PEERS: self.describe, rpc.ENROL_PEER: self.enrol})

    def _admit(self) -> None:
        if not self._bucket.take(asyncio.get_running_loop().time()):
            raise TooManyAttempts("this node is busy with newcomers; try again in a few seconds")

    async def describe(self, request: m.DescribePeersRequest, _: grpc.aio.ServicerContext) -> m.DescribePeersResponse:
        """The charter, for the holder of an invitation, used or not."""
        self._admit()
        self._check(request.invitation)
        return m.DescribePeersResponse(self._engine.charter.record)

    async def enrol(self, record: m.GossipRecord, _: grpc.aio.ServicerContext) -> AsyncIterator[m.Admission]:
        """Pass a request on and wait until it is answered."""
        self._admit()
        body, key = self._request(record)
        invited = self._check(body.invitation)
        if not self._admitted(key, body):
            if expired(invited, self._now()):
                raise InvitationRefused("this invitation has expired; ask an administrator for a new one")
            if self._engine.held(key) is None:
                await self._engine.publish([record])
            yield m.Admission(waiting=f"{invited.issuer.rpartition('.')[0]}, who invited, to answer")
            await self._until_admitted(key, body)
        _log.info("%s was let in", body.owner)
        yield m.Admission(records=self._introduction(key))

    def _check(self, invitation: m.SignedRecord | None) -> m.InvitationBody:
        """An administrator's invitation, expired or not."""
        shown = invitation or m.SignedRecord()
        try:
            issuer = peek(m.InvitationBody, shown).issuer
            grant = self._engine.roster.grant(issuer)
            grant_key(issuer)
        except RidgewayError as error:
            raise InvitationRefused("no administrator gave out this invitation; ask for a new one") from error
        if grant is None or not grant.active:
            raise InvitationRefused(
                f"{issuer[:80]} is no administrator that this node knows of; ask for a new invitation"
            )
        return open_signed(m.InvitationBody, shown, grant.identity_public_key, self._engine.charter.federation_id)

    def _request(self, record: m.GossipRecord) -> tuple[m.CertificateRequestBody, RecordKey]:
        try:
            key = RecordKey.parse(record.key)
            verdict = self._judge(record, self._engine.machine.held)
        except (InvalidRecord, RidgewayError) as error:
            raise InvitationRefused(f"this request is not by the holder of an invitation: {error}") from error
        if isinstance(verdict, NotYet) or key.kind is not RecordKind.REQUEST:
            raise InvitationRefused("this node knows no administrator who could have given out this invitation")
        body = peek(m.CertificateRequestBody, m.SignedRecord(record.body, record.signature))
        if body.invitation is None:
            raise MalformedMessage("a newcomer's request holds its invitation")
        return body, key

    def _admitted(self, key: RecordKey, body: m.CertificateRequestBody) -> Member | None:
        """The membership that answers a request.

        Raises:
            InvitationUsed: somebody else has it.
        """
        membership = self._engine.roster.body(key.membership)
        if isinstance(membership, m.MembershipBody) and membership.identity_public_key != body.identity_public_key:
            raise InvitationUsed("this invitation was used already; ask an administrator for a new one")
        member = self._engine.roster.member(key.owner)
        here = member is not None and member.key == key.membership and member.certificate is not None
        return member if here else None

    async def _until_admitted(self, key: RecordKey, body: m.CertificateRequestBody) -> None:
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                while not self._admitted(key, body):
                    await self._engine.changed.wait()
        except TimeoutError as error:
            raise AdministratorAway(
                f"{key.issuer.rpartition('.')[0]}, who invited {key.owner}, does not answer: its node must be online,"
                " and only its newest invitation works; try again, the request waits there"
            ) from error

    def _introduction(self, key: RecordKey) -> tuple[m.GossipRecord, ...]:
        """The newcomer's membership and certificate, and some members to dial, with all that vouches for them."""
        roster = self._engine.roster
        dialable = [x for x in roster.members.values() if x.active and x.profile and x.profile.address]
        keys: dict[RecordKey, None] = {}
        for member in (*dialable[:INTRODUCTIONS_MAX], roster.member(key.owner)):
            if member is not None:
                at = (member.owner, member.generation, member.issuer)
                keys |= dict.fromkeys((member.key, RecordKey(RecordKind.PROFILE, *at)))
                if member.owner == key.owner:
                    keys[RecordKey(RecordKind.CERTIFICATE, *at)] = None
        issuers = {each.issuer for each in keys} | {
            body.certifier for each in keys if isinstance(body := roster.body(each), m.CertificateBody)
        }
        keys |= dict.fromkeys(grant_key(issuer) for issuer in issuers if issuer)
        return tuple(entry.record for each in keys if (entry := self._engine.held(each)) is not None)
