"""Letting owners in: making invitations, checking them, and using them up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.ledger import InvitationEntry
from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.certificates import read_peer_certificate
from ridgeway.crypto.identity import verify
from ridgeway.crypto.invitation import Invitation, hashes_match, secret_hash
from ridgeway.crypto.labels import ENROLMENT_SIGNATURE
from ridgeway.crypto.owner_name import check_owner_name
from ridgeway.embedder import EmbedderFingerprint
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m

LIFETIME_MAX = timedelta(days=30)


class InvitationRefused(RidgewayError):
    """An invitation that does not open the door."""


class InvitationForged(InvitationRefused):
    """Not a secret that this coordinator gave out to this owner."""


class InvitationExpired(InvitationRefused):
    """Too late."""


class InvitationUsed(InvitationRefused):
    """Somebody enrolled with it already."""


class CannotInvite(RidgewayError):
    """An owner or lifetime for which no invitation is made."""


class WrongEmbedder(RidgewayError):
    """An owner with another tokeniser or matrix than the federation's."""


@dataclass(frozen=True, slots=True)
class Door:
    """What is needed to let an owner in. Everything blocks and runs where the federation may be touched."""

    federation: Federation
    authority: CertificateAuthority
    certificate_lifetime: timedelta

    def invite(self, owner: str, lifetime: timedelta, address: str, secret: bytes, now: datetime) -> Invitation:
        """Make an invitation; one that the owner has not used yet stops working.

        Raises:
            BadName, CannotInvite: the name is outside the rule, the owner is a member, or the lifetime is out of range.
        """
        check_owner_name(owner)
        if not timedelta(0) < lifetime <= LIFETIME_MAX:
            raise CannotInvite(f"an invitation may live up to {LIFETIME_MAX.days} days; choose another --expires")
        member = self.federation.membership.members.get(owner)
        if member is not None and member.state is m.MemberState.ACTIVE:
            raise CannotInvite(f"{owner} is a member already; revoke or evict it first if it lost its data directory")
        expires = now + lifetime
        self.federation.ledger.invite(owner, secret_hash(secret), int(expires.timestamp() * 1000))
        fingerprint, federation_id = self.authority.fingerprint, self.federation.manifest.federation_id
        return Invitation(address, owner, federation_id, fingerprint, secret, expires)

    def check_secret(self, credential: m.Credential | None, now: datetime) -> InvitationEntry:
        """The invitation that a credential proves, used or not.

        Raises:
            InvitationForged, InvitationExpired: it proves none.
        """
        shown = credential or m.Credential()
        shown_hash, given_out = secret_hash(shown.secret), self.federation.ledger.invitations()
        entry = next((e for e in given_out if hashes_match(e.secret_hash, shown_hash)), None)
        if entry is None or shown.federation_id != self.federation.manifest.federation_id:
            raise InvitationForged("this coordinator gave out no such invitation; ask its operator for a new one")
        if entry.owner != shown.owner:
            raise InvitationForged(f"this invitation is not for {shown.owner[:80]!r}; join as the owner it names")
        if entry.expires_unix_ms <= now.timestamp() * 1000:
            raise InvitationExpired("this invitation has expired; ask the federation's operator for a new one")
        return entry

    def enrol(self, request: m.EnrolRequest, now: datetime) -> tuple[bytes, int]:
        """Make the owner a member; its certificate and first sequence number. Refusals use nothing up.

        Raises:
            InvitationRefused: the credential proves no invitation, or one that another key has used.
            WrongEmbedder: the owner's embedder is another one.
            BadSignature, BadSigningRequest: the request is not by the identity key, or cannot be signed.
        """
        entry = self.check_secret(request.credential, now)
        if entry.used_by is not None and entry.used_by != request.identity_public_key:
            raise InvitationUsed("this invitation was used already; ask the federation's operator for a new one")
        verify(request.identity_public_key, ENROLMENT_SIGNATURE, request.signing_request_pem, request.identity_proof)
        self._check_embedder(request.embedder or m.EmbedderFingerprint())
        pem = self.authority.issue_member(request.signing_request_pem, entry.owner, now, self.certificate_lifetime)
        issued = read_peer_certificate(pem)
        self.federation.ledger.enrol(
            entry.owner,
            request.identity_public_key,
            issued.serial,
            int(issued.not_after.timestamp() * 1000),
            int(now.timestamp() * 1000),
        )
        self.federation.membership.reload(self.federation.ledger)
        return pem, self.federation.next_sequence(entry.owner)

    def _check_embedder(self, shown: m.EmbedderFingerprint) -> None:
        ours = self.federation.manifest.embedder
        theirs = EmbedderFingerprint(
            shown.name[:80], shown.tokenizer_sha256, shown.matrix_sha256, shown.vocabulary_size, shown.dimension
        )
        if not ours.matches(theirs):
            raise WrongEmbedder(
                f"this federation computes with {ours.describe()}, you have {theirs.describe()}; "
                "pass the federation's with --embedder"
            )
