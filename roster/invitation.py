"""The one line that lets an owner in among peers: some of them to ask, the authority to trust, and a key to use once.

The invitation itself is signed by an administrator; what the line adds is the private half of its one-time key. That
half never travels: its holder signs its own identity key with it, which any member can check and pass on.
"""

import base64
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.invitation import PEER_PREFIX, BadInvitation, seal, unseal
from ridgeway.crypto.labels import REDEMPTION_SIGNATURE
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.roster.records import RECORD_VERSION, peek, redemption_body, sign

# Any of these lets the newcomer in, so a few suffice.
DOORS_MAX = 4
LIFETIME_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Door:
    """A member that can be asked: whose node, and HOST:PORT of its enrolment service."""

    owner: str
    address: str


@dataclass(frozen=True, slots=True)
class PeerInvitation:
    """What the line says.

    Attributes:
        doors: whom to ask, in this order.
        ca_sha256: SHA-256 of the authority's certificate, 32 bytes.
        signed: by an administrator.
        seed: of the one-time key, 32 bytes; not in `repr`.
    """

    doors: tuple[Door, ...]
    ca_sha256: bytes
    signed: m.SignedRecord
    seed: bytes = field(repr=False)

    @property
    def body(self) -> m.InvitationBody:
        """Who is invited, by whom, until when; checked by whoever lets in, not here."""
        return peek(m.InvitationBody, self.signed)

    def redeem(self, identity: IdentityKey, signing_request: bytes, issuer_request: bytes) -> m.CertificateRequestBody:
        """Take the invitation up for an identity key."""
        body = self.body
        request = m.CertificateRequestBody(
            format_version=RECORD_VERSION,
            federation_id=body.federation_id,
            owner=body.owner,
            generation=body.generation,
            issuer=body.issuer,
            sequence=1,
            identity_public_key=identity.public_bytes,
            signing_request_pem=signing_request,
            issuer_request_pem=issuer_request,
            invitation=self.signed,
        )
        once = IdentityKey(Ed25519PrivateKey.from_private_bytes(self.seed))
        return replace(request, redemption=once.sign(REDEMPTION_SIGNATURE, redemption_body(request)))

    def to_token(self) -> str:
        """The line to hand over."""
        document = {
            "d": [[door.owner, door.address] for door in self.doors],
            "c": _text(self.ca_sha256),
            "i": _text(self.signed.body),
            "g": _text(self.signed.signature),
            "s": _text(self.seed),
        }
        return seal(PEER_PREFIX, json.dumps(document, separators=(",", ":")).encode())

    @classmethod
    def from_token(cls, token: str) -> "PeerInvitation":
        """Read a line.

        Raises:
            BadInvitation: it is no invitation to peers, of another version, or damaged.
        """
        body = unseal(PEER_PREFIX, token.strip())
        try:
            fields = json.loads(body)
            invitation = cls(
                doors=tuple(Door(str(owner), str(address)) for owner, address in fields["d"][:DOORS_MAX]),
                ca_sha256=_bytes(fields["c"]),
                signed=m.SignedRecord(_bytes(fields["i"]), _bytes(fields["g"])),
                seed=_bytes(fields["s"]),
            )
            said = bool(invitation.body.owner) and bool(invitation.doors)
        except (ValueError, KeyError, TypeError, RidgewayError) as error:
            raise BadInvitation("this invitation does not say what it must; ask for a new one") from error
        if len(invitation.ca_sha256) != 32 or len(invitation.seed) != 32 or not said:
            raise BadInvitation("this invitation does not say what it must; ask for a new one")
        return invitation


def invite(
    administrator: IdentityKey, body: m.InvitationBody, seed: bytes, doors: tuple[Door, ...], ca_sha256: bytes
) -> PeerInvitation:
    """Make the invitation whose one-time key has this seed, 32 random bytes."""
    return PeerInvitation(doors[:DOORS_MAX], ca_sha256, sign(administrator, body), seed)


def one_time_public_key(seed: bytes) -> bytes:
    """The public half of the one-time key, 32 bytes."""
    return IdentityKey(Ed25519PrivateKey.from_private_bytes(seed)).public_bytes


def expired(body: m.InvitationBody, now: datetime) -> bool:
    """Whether it is too late."""
    return body.expires_unix_ms <= now.timestamp() * 1000


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
