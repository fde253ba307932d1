"""What administrators and the founder state: who may come in, who has to go, and who else may say so.

Everything here reads the records at hand and makes new ones, signed with keys from this node's directory; nothing
counts before it was published.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

from ridgeway.crypto.authority import BadSigningRequest, CertificateAuthority
from ridgeway.crypto.owner_name import check_owner_name
from ridgeway.errors import RidgewayError
from ridgeway.node.enrolment import identity
from ridgeway.node.link import AUTHORITY_FILE
from ridgeway.peers import keyring
from ridgeway.peers.record_store import RecordStore
from ridgeway.proto import messages as m
from ridgeway.roster.charter import Charter
from ridgeway.roster.invitation import LIFETIME_MAX, Door, PeerInvitation, expired, invite, one_time_public_key
from ridgeway.roster.keys import RecordKey, RecordKind, issuer_name
from ridgeway.roster.records import RECORD_VERSION, key_of, peek, record_of
from ridgeway.roster.standing import Member, Roster
from ridgeway.runtime.data_dir import DataDirectory

_log = logging.getLogger("ridgeway.peers")

State = m.MemberState
# Nobody can be counted on to be there to renew a certificate, and membership is looked up in the records anyway.
CERTIFICATE_LIFETIME = timedelta(days=90)
SEED_BYTES = 32


class NotAdministrator(RidgewayError):
    """Something that only an administrator, or the founder, can do."""


class CannotInvite(RidgewayError):
    """An owner or lifetime for which no invitation is made."""


class UnknownOwner(RidgewayError):
    """An owner that never joined."""


class NotAMemberAnyMore(RidgewayError):
    """An owner that is none."""


class Administration:
    """This node's power over the federation's members; most nodes have none.

    Args:
        directory: with this node's keys.
        charter: the federation's.
        owner: this node's.
        roster: the records at hand.
        store: remembers invitations; blocks.
    """

    def __init__(
        self, directory: DataDirectory, charter: Charter, owner: str, roster: Roster, store: RecordStore
    ) -> None:
        self._directory = directory
        self._charter = charter
        self._owner = owner
        self._roster = roster
        self._store = store

    @property
    def is_administrator(self) -> bool:
        """Whether this node may invite, revoke and evict."""
        member = self._roster.member(self._owner)
        return member is not None and member.administrator

    @property
    def is_founder(self) -> bool:
        """Whether this node may appoint and dismiss administrators."""
        return keyring.is_founder(self._directory)

    @property
    def issuer(self) -> str:
        """How this administrator is named in what it states.

        Raises:
            NotAdministrator: it is none.
        """
        member = self._roster.member(self._owner)
        if member is None or not member.administrator:
            others = ", ".join(each.owner for each in self._roster.members.values() if each.administrator)
            raise NotAdministrator(f"{self._owner} is no administrator; ask one that is: {others or 'the founder'}")
        return issuer_name(member.owner, member.generation)

    # Letting in

    def invite(self, owner: str, lifetime: timedelta, doors: tuple[Door, ...], now: datetime) -> PeerInvitation:
        """Make an invitation; an earlier one from here that the owner has not used yet stops working.

        Raises:
            NotAdministrator, BadName, CannotInvite: see their sentences.
        """
        issuer = self.issuer
        check_owner_name(owner)
        if not timedelta(0) < lifetime <= LIFETIME_MAX:
            raise CannotInvite(f"an invitation may live up to {LIFETIME_MAX.days} days; choose another --expires")
        if not doors:
            raise CannotInvite(
                "no member's node can be dialled; start this one with --listen, and --advertise if needed"
            )
        member = self._roster.member(owner)
        if member is not None and member.active:
            raise CannotInvite(f"{owner} is a member already; evict or revoke it first if it lost its data directory")
        seed, generation = secrets.token_bytes(SEED_BYTES), self._roster.highest_generation(owner) + 1
        self._store.invited(owner, generation, one_time_public_key(seed))
        body = m.InvitationBody(
            format_version=RECORD_VERSION,
            federation_id=self._charter.federation_id,
            owner=owner,
            generation=generation,
            issuer=issuer,
            one_time_public_key=one_time_public_key(seed),
            expires_unix_ms=int((now + lifetime).timestamp() * 1000),
        )
        authority = CertificateAuthority.fingerprint_of(self._directory.read(AUTHORITY_FILE) or b"")
        return invite(identity(self._directory), body, seed, doors, authority)

    def answers(self, now: datetime, *, to_others: bool) -> list[m.GossipRecord]:
        """Memberships and certificates for those who asked and whom this administrator lets in.

        Args:
            now: the time.
            to_others: also certificates for members that other administrators let in, who have not answered.
        """
        if not self.is_administrator:
            return []
        return [record for request in self._roster.requests() for record in self._answer(request, now, to_others)]

    def _answer(self, request: m.CertificateRequestBody, now: datetime, to_others: bool) -> Iterator[m.GossipRecord]:
        key = key_of(request).membership
        membership = self._roster.body(key)
        if membership is None:
            if request.issuer == self.issuer and self._is_invited(request, now):
                yield record_of(identity(self._directory), self._membership(request, now))
                yield from self._certificate(request, now)
            return
        member = self._roster.member(request.owner)
        if member is None or not member.active or member.key != key:
            return
        answered = member.certificate is not None and member.certificate.sequence >> 16 >= request.sequence
        own = to_others or request.issuer in {self.issuer, ""}
        if own and not answered and member.identity_public_key == request.identity_public_key:
            yield from self._certificate(request, now)

    def _is_invited(self, request: m.CertificateRequestBody, now: datetime) -> bool:
        """Each invitation lets one identity key in: whoever's request is here first; the membership remembers it."""
        if request.invitation is None:
            return False
        invitation = peek(m.InvitationBody, request.invitation)
        newest = self._store.invitation(request.owner)
        member = self._roster.member(request.owner)
        return (
            newest == (request.generation, invitation.one_time_public_key)
            and not expired(invitation, now)
            and not (member is not None and member.active)
        )

    def _membership(self, request: m.CertificateRequestBody, now: datetime) -> m.MembershipBody:
        return m.MembershipBody(
            format_version=RECORD_VERSION,
            federation_id=self._charter.federation_id,
            owner=request.owner,
            generation=request.generation,
            issuer=request.issuer,
            identity_public_key=request.identity_public_key,
            stated_unix_ms=_ms(now),
        )

    def _certificate(self, request: m.CertificateRequestBody, now: datetime) -> Iterator[m.GossipRecord]:
        try:
            chain = self._issue(request, now)
        except BadSigningRequest as error:
            _log.warning("%s asks for a certificate that cannot be made: %s", request.owner, error)
            return
        # Two administrators that answer the same request must not use the same number.
        place = int.from_bytes(hashlib.sha256(self.issuer.encode()).digest()[:2], "big")
        body = m.CertificateBody(
            format_version=RECORD_VERSION,
            federation_id=self._charter.federation_id,
            owner=request.owner,
            generation=request.generation,
            issuer=request.issuer,
            sequence=request.sequence << 16 | place,
            certifier=self.issuer,
            certificate_chain_pem=chain,
        )
        yield record_of(identity(self._directory), body)

    def _issue(self, request: m.CertificateRequestBody, now: datetime) -> bytes:
        grant = self._roster.grant(self.issuer)
        assert grant is not None  # noqa: S101 - an administrator has one
        intermediate = CertificateAuthority.from_pem(
            grant.issuer_certificate_pem, keyring.issuer_key(self._directory), self._charter.federation_id
        )
        leaf = intermediate.issue_member(request.signing_request_pem, request.owner, now, CERTIFICATE_LIFETIME)
        return leaf + grant.issuer_certificate_pem

    # Sending away

    def evict(self, owner: str, now: datetime) -> list[m.GossipRecord]:
        """Take everything of an owner out of the sum, and refuse its node.

        Raises:
            NotAdministrator, UnknownOwner: see their sentences.
        """
        member = self._require_known(owner)
        if member.state is State.EVICTED:
            return []
        return [*self._ended_grant(member, now), self._verdict(member, State.EVICTED, now)]

    def revoke(self, owner: str, now: datetime) -> list[m.GossipRecord]:
        """Refuse an owner's node from now on; its contributions still count.

        Raises:
            NotAdministrator, UnknownOwner, NotAMemberAnyMore: see their sentences.
        """
        member = self._require_known(owner)
        if not member.active:
            raise NotAMemberAnyMore(f"{owner} is no member any more ({member.state.name.lower()})")
        return [*self._ended_grant(member, now), self._verdict(member, State.REVOKED, now)]

    def _ended_grant(self, member: Member, now: datetime) -> list[m.GossipRecord]:
        if not member.administrator:
            return []
        if not self.is_founder:
            raise NotAdministrator(f"{member.owner} is an administrator; only the founder can send it away")
        return self.dismiss(member.owner, now)

    def _verdict(self, member: Member, state: State, now: datetime, confirmed_issuer: str = "") -> m.GossipRecord:
        """The founder speaks for the authority, which has the last word."""
        issuer = "" if self.is_founder else self.issuer
        key = RecordKey(RecordKind.VERDICT, member.owner, member.generation, issuer)
        before = self._roster.body(key)
        said = before if isinstance(before, m.VerdictBody) else m.VerdictBody()
        body = m.VerdictBody(
            format_version=RECORD_VERSION,
            federation_id=self._charter.federation_id,
            owner=member.owner,
            generation=member.generation,
            sequence=said.sequence + 1,
            issuer=issuer,
            state=state,
            confirmed_issuer=confirmed_issuer or said.confirmed_issuer,
            stated_unix_ms=_ms(now),
        )
        key_pair = keyring.signing_key(self._directory) if self.is_founder else identity(self._directory)
        return record_of(key_pair, body)

    def _require_known(self, owner: str) -> Member:
        if not self.is_founder:
            self.issuer  # noqa: B018 - says who may
        member = self._roster.member(owner)
        if member is None:
            raise UnknownOwner(f"nobody called {owner[:80]!r} ever joined; `ridgeway members` lists who did")
        return member

    # Administrators

    def appoint(self, owner: str, now: datetime) -> list[m.GossipRecord]:
        """Make a member an administrator; its node need not be online.

        Raises:
            NotFounder, UnknownOwner, NotAMemberAnyMore: see their sentences.
        """
        signing = keyring.signing_key(self._directory)
        member = self._require_known(owner)
        if not member.active:
            raise NotAMemberAnyMore(f"{owner} is no member any more ({member.state.name.lower()}); invite it first")
        if member.administrator:
            return []
        request = self._roster.body(RecordKey(RecordKind.REQUEST, owner, member.generation, member.issuer))
        if not isinstance(request, m.CertificateRequestBody):
            raise UnknownOwner(f"{owner}'s request for a certificate has not come here yet; try again in a moment")
        authority = keyring.authority(self._directory, self._charter.federation_id)
        certificate = authority.issue_administrator(request.issuer_request_pem, owner, now)
        return [record_of(signing, self._grant(member, certificate, active=True))]

    def dismiss(self, owner: str, now: datetime) -> list[m.GossipRecord]:
        """End an administrator's power. What it stated until now the authority states in its place.

        Raises:
            NotFounder, UnknownOwner, NotAdministrator: see their sentences.
        """
        signing = keyring.signing_key(self._directory)
        member = self._require_known(owner)
        if owner == self._owner:
            raise NotAdministrator("the founder stays an administrator; found another federation to be rid of it")
        grant = self._roster.grant(issuer_name(owner, member.generation))
        if grant is None or not grant.active:
            raise NotAdministrator(f"{owner} is no administrator")
        confirmed = [record for each in self._spoken_of(issuer_name(owner, member.generation), now) for record in each]
        ended = self._grant(member, grant.issuer_certificate_pem, active=False)
        return [*confirmed, record_of(signing, ended)]

    def _spoken_of(self, issuer: str, now: datetime) -> Iterator[list[m.GossipRecord]]:
        for member in self._roster.members.values():
            key = RecordKey(RecordKind.VERDICT, member.owner, member.generation, issuer)
            if member.issuer == issuer or self._roster.body(key) is not None:
                state = State.ACTIVE if member.state is State.LEFT else member.state
                yield [self._verdict(member, state, now, member.issuer if member.issuer == issuer else "")]

    def _grant(self, member: Member, certificate_pem: bytes, *, active: bool) -> m.GrantBody:
        before = self._roster.grant(issuer_name(member.owner, member.generation))
        return m.GrantBody(
            format_version=RECORD_VERSION,
            federation_id=self._charter.federation_id,
            owner=member.owner,
            generation=member.generation,
            sequence=(before.sequence if before else 0) + 1,
            identity_public_key=member.identity_public_key,
            issuer_certificate_pem=certificate_pem,
            active=active,
        )


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
