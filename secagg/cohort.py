"""A cohort as one member sees it, checked: who its neighbours are, and that everybody was shown the same cohort."""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from ridgeway.errors import RidgewayError
from ridgeway.proto.messages import Advertisement, AdvertisementBody, Cohort, RoundKind, RoundTerms
from ridgeway.secagg.advertisements import open_advertisement
from ridgeway.secagg.merkle import proves
from ridgeway.secagg.plan import Plan, neighbours, plan
from ridgeway.secagg.terms import cohort_digest, terms_digest


class ForgedCohort(RidgewayError):
    """A cohort that contradicts itself: replaced keys, a wrong place, a wrong neighbour."""


class ForgedRoster(RidgewayError):
    """A neighbour whose identity key is not the one that we know."""


class ThresholdTooLow(RidgewayError):
    """Another number of shares than the plan's would open a secret."""


class CohortTooSmall(RidgewayError):
    """Too few owners, or too few with a change, to hide one of them."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The identity keys that a node believes.

    Attributes:
        known: owner's name to the fingerprint of its key, see `fingerprint`; a known owner may have no other key.
        closed: whether only known owners are accepted; otherwise new ones are, and should be remembered.
    """

    known: Mapping[str, bytes]
    closed: bool = False

    def check(self, owner: str, key: bytes) -> None:
        """Whether a key may be an owner's.

        Raises:
            ForgedRoster: it may not.
        """
        pinned = self.known.get(owner)
        if pinned is None and self.closed:
            raise ForgedRoster(f"{owner[:80]!r} is not in this node's roster; add its fingerprint if you trust it")
        if pinned is not None and pinned != fingerprint(key):
            raise ForgedRoster(
                f"{owner[:80]!r} shows another identity key than before; if it joined anew, correct the roster"
            )


def fingerprint(identity_public_key: bytes) -> bytes:
    """What a person compares of an identity key: its SHA-256, 32 bytes."""
    return hashlib.sha256(identity_public_key).digest()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a cohort whose advertisement was checked."""

    position: int
    identity_public_key: bytes
    advertised: AdvertisementBody


@dataclass(frozen=True, slots=True)
class CohortView:
    """What one member knows of its cohort.

    Attributes:
        terms: of the round.
        digest: of terms and cohort; every derived key covers it.
        size: of the cohort.
        plan: how many neighbours, and how many shares open a secret.
        domains: the layout of the vectors.
        me: our own place.
        neighbours: by position.
    """

    terms: RoundTerms
    digest: bytes
    size: int
    plan: Plan
    domains: tuple[str, ...]
    me: Member
    neighbours: Mapping[int, Member] = field(repr=False)

    @property
    def holders(self) -> Set[int]:
        """Who holds shares of our secrets: our neighbours and we."""
        return {self.me.position, *self.neighbours}

    def member(self, position: int) -> Member:
        """Ourselves or a neighbour."""
        return self.me if position == self.me.position else self.neighbours[position]

    def owners(self, positions: Set[int]) -> Set[str]:
        """The owners at these positions, as far as we see them."""
        return {self.member(position).advertised.owner for position in self.holders & positions}

    def bringers(self, positions: Set[int]) -> Set[str]:
        """Those of the owners at these positions, as far as we see them, whose vectors are more than zeros."""
        full = self.terms.kind is RoundKind.FULL
        visible = (self.member(position).advertised for position in self.holders & positions)
        return {body.owner for body in visible if body.domains and (full or body.changed)}

    def require_cover(self, present: Set[int], min_cohort: int) -> None:
        """Check that the sum of those present, as far as we see them, hides each single owner's change.

        The differences between two published sums are what the owners have in common to hide in: those with a change
        of their own, and in a full round also those that go with it. A member without a change hides nobody.

        Raises:
            CohortTooSmall: fewer than `min_cohort`.
        """
        visible = [self.member(position).advertised for position in sorted(self.holders & present)]
        owners = {body.owner for body in visible}
        differing = {body.owner for body in visible if body.changed}
        if self.terms.kind is RoundKind.FULL and len(self.holders) == self.size:
            differing |= set(self.terms.members) - owners
        if len(differing) < min_cohort:
            raise CohortTooSmall(
                f"{len(differing)} owners have a change in this round, the manifest asks for {min_cohort}; "
                "a sum of fewer would give one away"
            )


def checked_cohort(
    terms: RoundTerms, cohort: Cohort, own: Advertisement, roster: Roster, min_cohort: int
) -> CohortView:
    """Check what the aggregator says of the cohort, before any secret leaves.

    Args:
        terms: of the round, checked before.
        cohort: as it came.
        own: our advertisement.
        roster: whom we believe.
        min_cohort: the manifest's.

    Raises:
        ForgedCohort, ForgedRoster, ThresholdTooLow, CohortTooSmall, BadSignature, MalformedMessage, WrongRound,
        MalformedAdvertisement: we take no part.
    """
    if cohort.size < min_cohort:
        raise CohortTooSmall(f"the cohort has {cohort.size} members, the manifest asks for {min_cohort}")
    needed = plan(cohort.size)
    if cohort.threshold != needed.threshold:
        raise ThresholdTooLow(
            f"{cohort.threshold} shares would open a secret in a cohort of {cohort.size}, it must be {needed.threshold}"
        )
    digest = terms_digest(terms)
    me = _checked_member(cohort, cohort.position, own, cohort.proof, digest)
    if tuple(neighbour.position for neighbour in cohort.neighbours) != neighbours(
        cohort.root, cohort.size, cohort.position
    ):
        raise ForgedCohort("the aggregator shows us other neighbours than the cohort gives; it may be dishonest")
    around = {}
    for neighbour in cohort.neighbours:
        if neighbour.advertisement is None:
            raise ForgedCohort("a neighbour's advertisement is missing; the aggregator may be dishonest")
        member = _checked_member(cohort, neighbour.position, neighbour.advertisement, neighbour.proof, digest)
        roster.check(member.advertised.owner, member.identity_public_key)
        around[neighbour.position] = member
    view = CohortView(
        terms=terms,
        digest=cohort_digest(digest, cohort.size, cohort.root, cohort.domains),
        size=cohort.size,
        plan=needed,
        domains=cohort.domains,
        me=me,
        neighbours=around,
    )
    _check_distinct([me, *around.values()])
    if list(cohort.domains) != sorted(set(cohort.domains)) or not set(me.advertised.domains) <= set(cohort.domains):
        raise ForgedCohort("the cohort's domains leave ours out or are not in order; the aggregator may be dishonest")
    view.require_cover(view.holders, min_cohort)
    return view


def _checked_member(
    cohort: Cohort, position: int, advertisement: Advertisement, proof: tuple[bytes, ...], terms: bytes
) -> Member:
    body = open_advertisement(advertisement, terms)
    if not proves(leaf(advertisement), position, cohort.size, proof, cohort.root):
        raise ForgedCohort(
            f"{body.owner[:80]!r} does not stand where the aggregator says; keys may have been replaced; we stop here"
        )
    return Member(position, advertisement.identity_public_key, body)


def _check_distinct(members: list[Member]) -> None:
    for values in (
        [member.advertised.owner for member in members],
        [member.identity_public_key for member in members],
        [member.advertised.mask_key for member in members],
    ):
        if len(set(values)) < len(values):
            raise ForgedCohort("one owner stands in the cohort more than once; the aggregator may be dishonest")


def leaf(advertisement: Advertisement) -> bytes:
    """An advertisement as a leaf of the cohort's tree."""
    return advertisement.identity_public_key + advertisement.signature + advertisement.body
