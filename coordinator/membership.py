"""Who may call now: the ledger's members and certificates in memory, so that every call can be checked against them."""

from dataclasses import dataclass, field

from ridgeway.coordinator.ledger import Ledger, Member
from ridgeway.crypto.certificates import PeerCertificate
from ridgeway.errors import RidgewayError
from ridgeway.proto.messages import MemberState


class NotAMember(RidgewayError):
    """A caller whose certificate does not count, or no longer."""


_SENTENCES = {
    MemberState.LEFT: "{} has left the federation; ask its operator for a new invitation to come back",
    MemberState.REVOKED: "{}'s membership was revoked; ask the federation's operator for a new invitation",
    MemberState.EVICTED: "{} was evicted; ask the federation's operator for a new invitation",
}


@dataclass(slots=True)
class Membership:
    """Members and the serials of their certificates that count.

    Attributes:
        members: by owner.
        serials: end of life (milliseconds since the epoch) by serial and owner.
    """

    federation_id: str
    members: dict[str, Member] = field(default_factory=dict)
    serials: dict[tuple[str, int], int] = field(default_factory=dict)

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
        if not_after is None or not_after <= now_ms:
            raise NotAMember("this certificate was replaced or has expired; ask for a new invitation and join again")
        return member

    def certificate_end_ms(self, owner: str) -> int:
        """When the last of an owner's certificates ends; 0 without one."""
        return max((end for (name, _), end in self.serials.items() if name == owner), default=0)
