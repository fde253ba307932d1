"""What a record is about: the key under which a newer one replaces it.

A key is a path, like contribution/clinic/1/law-firm.1/medical: of whom, in which generation of its membership, by whom
that was issued, and of a contribution the domain. Every generation and every issuer has keys of its own, so that
nobody's word overwrites another's; what they mean together, `standing` says.
"""

from dataclasses import dataclass
from enum import StrEnum

from ridgeway.crypto.owner_name import check_domain_name, check_owner_name
from ridgeway.errors import RidgewayError
from ridgeway.secagg.terms import NONCE_BYTES

# Of an owner's membership; each invitation of it raises the generation by one.
GENERATION_MAX = 1 << 20
# In bodies the authority's name is empty.
_AUTHORITY = "-"


class BadKey(RidgewayError):
    """A key that no record has."""


class RecordKind(StrEnum):
    """The kinds of records, in the order in which one may need another to be judged.

    A federation has contributions, or proposals, votes and rounds: its manifest says whether it masks. Kinds that a
    release does not know it lets pass by.
    """

    GRANT = "grant"
    MEMBERSHIP = "membership"
    VERDICT = "verdict"
    DEPARTURE = "departure"
    REQUEST = "request"
    CERTIFICATE = "certificate"
    PROFILE = "profile"
    CONTRIBUTION = "contribution"
    PROPOSAL = "proposal"
    VOTE = "vote"
    ROUND = "round"


# Of these there is one for each domain, or for each round.
_NAMED = {RecordKind.CONTRIBUTION, RecordKind.ROUND}


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A key, taken apart.

    Attributes:
        kind: what the record is.
        owner: whom it is about.
        generation: of the owner's membership.
        issuer: of a verdict, who gave it; otherwise who issued the membership; empty: the authority. A grant has none.
        domain: of a contribution; of a round the nonce, in hexadecimal. A round's owner is its aggregator.
    """

    kind: RecordKind
    owner: str
    generation: int
    issuer: str = ""
    domain: str = ""

    def __str__(self) -> str:
        """The path."""
        parts = [self.kind.value, self.owner, str(self.generation)]
        if self.kind is not RecordKind.GRANT:
            parts.append(self.issuer or _AUTHORITY)
        if self.kind in _NAMED:
            parts.append(self.domain)
        return "/".join(parts)

    @property
    def membership(self) -> "RecordKey":
        """The key of the membership that this record belongs to."""
        return RecordKey(RecordKind.MEMBERSHIP, self.owner, self.generation, self.issuer)

    @classmethod
    def parse(cls, path: str) -> "RecordKey":
        """Take a path apart; exactly the paths that `str` gives are taken.

        Raises:
            BadKey: it is no record's.
        """
        try:
            kind, owner, generation, *rest = path.split("/")
            issuer = rest[0] if rest else ""
            key = cls(
                RecordKind(kind), owner, int(generation), "" if issuer == _AUTHORITY else issuer, "".join(rest[1:])
            )
            key._check()
        except (ValueError, RidgewayError) as error:
            raise BadKey(f"{path[:200]!r} is no record's key; upgrade ridgeway, or the node that sent it") from error
        if str(key) != path:
            raise BadKey(f"{path[:200]!r} is not how a record's key is written")
        return key

    def _check(self) -> None:
        check_owner_name(self.owner)
        if not 1 <= self.generation <= GENERATION_MAX:
            raise BadKey(f"a generation lies between 1 and {GENERATION_MAX}")
        if self.kind is RecordKind.CONTRIBUTION:
            check_domain_name(self.domain)
        if self.kind is RecordKind.ROUND and len(bytes.fromhex(self.domain)) != NONCE_BYTES:
            raise BadKey(f"a round is known by {NONCE_BYTES} bytes")
        if self.issuer:
            grant_key(self.issuer)


def issuer_name(owner: str, generation: int) -> str:
    """How an administrator is named as an issuer."""
    return f"{owner}.{generation}"


def grant_key(issuer: str) -> RecordKey:
    """The key of the grant that makes an issuer an administrator.

    Raises:
        BadKey: it is no issuer's name.
    """
    owner, _, generation = issuer.partition(".")
    try:
        key = RecordKey(RecordKind.GRANT, check_owner_name(owner), int(generation))
    except (ValueError, RidgewayError) as error:
        raise BadKey(f"{issuer[:100]!r} names no administrator") from error
    if issuer_name(key.owner, key.generation) != issuer or not 1 <= key.generation <= GENERATION_MAX:
        raise BadKey(f"{issuer[:100]!r} names no administrator")
    return key
