"""Who may call now: the ledger's members and certificates in memory, so that every call can be checked against them."""

from dataclasses import dataclass, field

from ridgeway.coordinator.ledger import Ledger, Member
from ridgeway.crypto.authority import CLOCK_SKEW
from ridgeway.crypto.certificates import PeerCertificate
from ridgeway.errors import RidgewayError
from ridgeway.proto.messages import MemberState

# Certificates tell time in whole seconds.
_ROUNDING_MS = 1000


class NotAMember(RidgewayError):
    """A caller whose certificate does not count, or no longer."""


_SENTENCES = {
    MemberState.LEFT: "{} has left the federation; ask its operator for a new invitation to come back",
    MemberState.REVOKED: "{}'s membership was revoked; ask the federation's operator for a new invitation",
    MemberState.EVICTED: "{} was evicted; ask the federation's operator for a new invitation",
}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The time between a backup and its restoration, in milliseconds since the epoch."""

    from_unix_ms: int
    until_unix_ms: int

    def covers(self, certificate: PeerCertificate, member: Member) -> bool:
        """Whether a certificate was issued to a member in it, so that the ledger cannot know it.

        A member that enrolled anew afterwards has replaced what it had.
        """
        issued_ms = (certificate.not_before + CLOCK_SKEW).timestamp() * 1000
        begin_ms = max(self.from_unix_ms, member.since_unix_ms)
        return begin_ms - _ROUNDING_MS <= issued_ms <= self.until_unix_ms


@dataclass(slots=True)
class Membership:
    """Members and the serials of their certificates that count.

    Attributes:
        members: by owner.
        serials: end of life (milliseconds since the epoch) by serial and owner.
        forgotten: the time that a restored ledger does not know; certificates issued in it count too.
    """

    federation_id: str
    members: dict[str, Member] = field(default_factory=dict)
    serials: dict[tuple[str, int], int] = field(default_factory=dict)
    forgotten: Forgotten | None = None

    def reload(self, ledger: Ledger) -> None:
        """Take over what the ledger says now."""
        serials = {(owner, serial): not_after for serial, owner, not_after in ledger.certificates()}
        self.members = {member.owner: member for member in ledger.members()}
        self.serials = serials

    def require(self, certificate: PeerCertificate, now_ms: int) -> Member:
        """The member that a certificate names, if it may call.

        Raises:
            NotAMember: it is of another federation, expired, replaced, or the owner is gone.
        """
        member = self.members.get(certificate.owner)
        if member is None or certificate.federation_id != self.federation_id:
            raise NotAMember("this certificate is of another federation; join with an invitation to this one")
        if member.state is not MemberState.ACTIVE:
            raise NotAMember(_SENTENCES[member.state].format(member.owner))
        not_after = self.serials.get((certificate.owner, certificate.serial))
        if not_after is None and self.forgotten is not None and self.forgotten.covers(certificate, member):
            not_after = int(certificate.not_after.timestamp() * 1000)
        if not_after is None or not_after <= now_ms:
            raise NotAMember("this certificate was replaced or has expired; ask for a new invitation and join again")
        return member

    def certificate_end_ms(self, owner: str) -> int:
        """When the last of an owner's certificates ends; 0 without one."""
        return max((end for (name, _), end in self.serials.items() if name == owner), default=0)
