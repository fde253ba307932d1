"""The one line that lets an owner in: where to go, which authority to trust, and a secret that works once.

Layout: "rw1_" and url-safe base64 of a JSON object and a 6-byte checksum. The checksum tells a cut-off or mistyped
paste from a forged one; it protects nothing, the secret does.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from ridgeway.crypto.labels import INVITATION_CHECKSUM, INVITATION_SECRET
from ridgeway.errors import RidgewayError

PREFIX = "rw1_"
# To a federation without a coordinator; `ridgeway.roster.invitation` says what is in it.
PEER_PREFIX = "rwp1_"
SECRET_BYTES = 32
_CHECKSUM_BYTES = 6
# An invitation is about 330 characters long, one to peers up to 1,500; anything far beyond is something else.
_TOKEN_CHARACTERS_MAX = 4096


class BadInvitation(RidgewayError):
    """A line that is no invitation, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the line says.

    Attributes:
        address: HOST:PORT of the enrolment service.
        owner: for whom it is.
        federation_id: which federation.
        ca_sha256: SHA-256 of the authority's certificate, 32 bytes.
        secret: 32 random bytes; not in `repr`.
        expires: when it stops working.
    """

    address: str
    owner: str
    federation_id: str
    ca_sha256: bytes
    secret: bytes = field(repr=False)
    expires: datetime

    def to_token(self) -> str:
        """The line to hand over."""
        body = json.dumps(
            {
                "a": self.address,
                "o": self.owner,
                "f": self.federation_id,
                "c": base64.b64encode(self.ca_sha256).decode(),
                "s": base64.b64encode(self.secret).decode(),
                "e": int(self.expires.timestamp()),
            },
            separators=(",", ":"),
        ).encode()
        return seal(PREFIX, body)

    @classmethod
    def from_token(cls, token: str) -> "Invitation":
        """Read a line.

        Raises:
            BadInvitation: it is no invitation, of another version, or damaged.
        """
        body = unseal(PREFIX, token.strip())
        try:
            fields = orjson.loads(body)
            invitation = cls(
                address=str(fields["a"]),
                owner=str(fields["o"]),
                federation_id=str(fields["f"]),
                ca_sha256=base64.b64decode(fields["c"], validate=True),
                secret=base64.b64decode(fields["s"], validate=True),
                expires=datetime.fromtimestamp(fields["e"], UTC),
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise BadInvitation("this invitation does not say what it must; ask for a new one") from error
        if len(invitation.ca_sha256) != 32 or len(invitation.secret) != SECRET_BYTES:
            raise BadInvitation("this invitation does not say what it must; ask for a new one")
        return invitation


def secret_hash(secret: bytes) -> bytes:
    """What the coordinator keeps of a secret, 32 bytes. The secret is 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(INVITATION_SECRET + secret).digest()


def hashes_match(kept_hash: bytes, shown_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(kept_hash, shown_hash)


def seal(prefix: str, body: bytes) -> str:
    """A line that says whether it was damaged on its way."""
    return prefix + base64.urlsafe_b64encode(body + _checksum(body)).decode().rstrip("=")


def unseal(prefix: str, token: str) -> bytes:
    """What was sealed.

    Raises:
        BadInvitation: the line is of another kind or version, or damaged.
    """
    if not token.startswith("rw") or "_" not in token[:6] or len(token) > _TOKEN_CHARACTERS_MAX:
        raise BadInvitation(f"this is no invitation; paste the whole line that `ridgeway invite` printed ({PREFIX}...)")
    if not token.startswith(prefix):
        raise BadInvitation("this invitation is of another version; upgrade ridgeway or ask for a new one")
    encoded = token.removeprefix(prefix)
    try:
        data = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInvitation("this invitation is damaged; paste the whole line again") from error
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if not hmac.compare_digest(checksum, _checksum(body)):
        raise BadInvitation("this invitation is damaged; paste the whole line again")
    return body


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(INVITATION_CHECKSUM + body).digest()[:_CHECKSUM_BYTES]
