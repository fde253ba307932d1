"""What the records mean together: who is a member, who an administrator, and which contributions count.

A pure function of the set of records, kept up to date record by record. The rules:

1. An issuer's word stands while its grant is active; the authority's always does. A membership whose issuer's grant has
   ended stands if a verdict of the authority confirmed it.
2. Of an owner's standing memberships the one of the highest generation is its present one; among several of one
   generation a confirmed one, then the authority's, then the one of the first issuer by name.
3. A verdict is about a generation. The authority's decides; otherwise one standing verdict is enough, evicted over
   revoked, but none of an administrator about another administrator. So a removed owner comes back by a new invitation
   only, and whoever invites and whoever evicts at the same time, the eviction wins.
4. An owner that left has left, whatever verdict confirms it.
5. A contribution counts if it was signed within its owner's present membership, and that is active or revoked.
6. In a federation that masks, what `round_book` says counts, until a full round of others replaces it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ridgeway.crypto.payload_digest import payload_digest
from ridgeway.gossip.record import Entry
from ridgeway.narrow_integers import WIDTH_MAX
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.roster.keys import RecordKey, RecordKind, issuer_name
from ridgeway.roster.records import Body
from ridgeway.roster.round_book import RoundBook

State = m.MemberState

_COUNTING = {State.ACTIVE, State.REVOKED}
_BODIES: dict[RecordKind, type[Body]] = {
    RecordKind.GRANT: m.GrantBody,
    RecordKind.MEMBERSHIP: m.MembershipBody,
    RecordKind.VERDICT: m.VerdictBody,
    RecordKind.DEPARTURE: m.DepartureBody,
    RecordKind.REQUEST: m.CertificateRequestBody,
    RecordKind.CERTIFICATE: m.CertificateBody,
    RecordKind.PROFILE: m.ProfileBody,
}
# Records that say nothing about the sum or the router.
_BESIDE_THE_SUM = {RecordKind.REQUEST, RecordKind.CERTIFICATE, RecordKind.PROPOSAL, RecordKind.VOTE}
# Records of rounds say nothing about members.
OF_ROUNDS = {RecordKind.PROPOSAL, RecordKind.VOTE, RecordKind.ROUND}


@dataclass(frozen=True, slots=True)
class Counted:
    """A contribution that counts, and where its numbers are."""

    owner: str
    domain: str
    sequence: int
    rows: int
    payload_digest: bytes
    bytes_per_number: int


@dataclass(frozen=True, slots=True)
class Member:
    """An owner's present membership, or its last one.

    Attributes:
        owner: who.
        generation: of the membership.
        issuer: who issued it.
        identity_public_key: what the owner signs with.
        state: active, left, revoked or evicted.
        since_unix_ms: of that state.
        administrator: whether its grant is active.
        profile: where its node is, and its experts; None before it said so.
        certificate: the newest; None before there is one.
    """

    owner: str
    generation: int
    issuer: str
    identity_public_key: bytes
    state: State
    since_unix_ms: int
    administrator: bool
    profile: m.ProfileBody | None
    certificate: m.CertificateBody | None

    @property
    def active(self) -> bool:
        """Whether it takes part."""
        return self.state is State.ACTIVE

    @property
    def key(self) -> RecordKey:
        """The key of its membership."""
        return RecordKey(RecordKind.MEMBERSHIP, self.owner, self.generation, self.issuer)


@dataclass(frozen=True, slots=True)
class Change:
    """How the sum is to change."""

    removed: tuple[Counted, ...] = ()
    added: tuple[Counted, ...] = ()


@dataclass(slots=True)
class _Owner:
    """An owner's records by key, its membership and what counts of it."""

    bodies: dict[RecordKey, Body] = field(default_factory=dict)
    contributions: dict[RecordKey, Counted] = field(default_factory=dict)
    member: Member | None = None
    counted: dict[str, Counted] = field(default_factory=dict)


class Roster:
    """The records at hand, and what they mean.

    Attributes:
        revision: grows with every record that can change the sum, and is equal for equal sets of records.
        edition: likewise with every record that can change the experts.
        rounds: what counts in a federation that masks.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._owners: dict[str, _Owner] = {}
        self._grants: dict[str, m.GrantBody] = {}
        self._sequences: dict[str, int] = {}
        self.revision = self.edition = 0
        self.rounds = RoundBook()
        self.take(entries)

    def take(self, entries: Iterable[Entry]) -> Change:
        """Records that gossip says count now; how the sum changes."""
        touched: set[str] = set()
        for entry in entries:
            key = RecordKey.parse(entry.key)
            self._number(key, entry.record.sequence)
            if key.kind in OF_ROUNDS:
                self.rounds.take(key, entry)
                continue
            self._put(key, entry)
            touched |= self._touched_by(key)
        return self._look_again(touched)

    def lose(self, entries: Iterable[Entry]) -> Change:
        """Contributions whose payloads were lost; how the sum changes."""
        touched = set()
        for entry in entries:
            key = RecordKey.parse(entry.key)
            self._number(key, 0)
            if key.kind in OF_ROUNDS:
                self.rounds.lose(key)
                continue
            self._owner(key.owner).contributions.pop(key, None)
            touched.add(key.owner)
        return self._look_again(touched)

    def _number(self, key: RecordKey, sequence: int) -> None:
        """Count a record in. A first grant, and an owner's first membership, cannot change what counts: whatever
        depends on them comes later."""
        name = str(key)
        before, self._sequences[name] = self._sequences.get(name, 0), sequence
        if key.kind is RecordKind.PROFILE:
            self.edition += sequence - before
        elif key.kind is RecordKind.GRANT:
            self.revision += max(sequence, 1) - max(before, 1)
        elif key.kind is RecordKind.MEMBERSHIP:
            self.revision += int(not before and any(k.kind is key.kind for k in self._owner(key.owner).bodies))
        elif key.kind not in _BESIDE_THE_SUM:
            self.revision += sequence - before

    def _owner(self, name: str) -> _Owner:
        return self._owners.setdefault(name, _Owner())

    def _put(self, key: RecordKey, entry: Entry) -> None:
        owner = self._owner(key.owner)
        if key.kind is RecordKind.CONTRIBUTION:
            owner.contributions.pop(key, None)
            if entry.payload is not None:
                owner.contributions[key] = _counted(entry)
            return
        body = decode(_BODIES[key.kind], entry.record.body)
        owner.bodies[key] = body
        if isinstance(body, m.GrantBody):
            self._grants[issuer_name(body.owner, body.generation)] = body

    def _touched_by(self, key: RecordKey) -> set[str]:
        """Whose standing a record may change: of a grant, everybody's that its administrator ever spoke of."""
        if key.kind is not RecordKind.GRANT:
            return {key.owner}
        issuer = issuer_name(key.owner, key.generation)
        spoken_of = {name for name, owner in self._owners.items() if any(k.issuer == issuer for k in owner.bodies)}
        return spoken_of | {key.owner}

    def _look_again(self, names: set[str]) -> Change:
        removed: list[Counted] = []
        added: list[Counted] = []
        for name in sorted(names):
            owner = self._owner(name)
            owner.member = self._standing_of(name, owner.bodies)
            before, owner.counted = owner.counted, _counting(owner)
            removed += [c for domain, c in before.items() if owner.counted.get(domain) != c]
            added += [c for domain, c in owner.counted.items() if before.get(domain) != c]
        return Change(tuple(removed), tuple(added))

    # What it means

    @property
    def members(self) -> dict[str, Member]:
        """Everybody who is or was a member, by name."""
        found = {name: owner.member for name, owner in sorted(self._owners.items())}
        return {name: member for name, member in found.items() if member is not None}

    def member(self, name: str) -> Member | None:
        """One owner's present membership, or its last one."""
        owner = self._owners.get(name)
        return owner.member if owner else None

    @property
    def counted(self) -> dict[tuple[str, str], Counted]:
        """What counts, by owner and domain."""
        return {
            (name, domain): counted
            for name, owner in sorted(self._owners.items())
            for domain, counted in sorted(owner.counted.items())
        }

    def counted_of(self, name: str) -> dict[str, Counted]:
        """What counts of one owner, by domain."""
        owner = self._owners.get(name)
        return dict(owner.counted) if owner else {}

    @property
    def experts(self) -> tuple[m.Expert, ...]:
        """The experts of all whose contributions count, in the order of names."""
        return tuple(
            m.Expert(member.owner, e.domain, e.url, e.model, e.price, e.latency_ms)
            for member in self.members.values()
            if member.state in _COUNTING and member.profile is not None
            for e in member.profile.experts
        )

    def grant(self, issuer: str) -> m.GrantBody | None:
        """The newest grant of an administrator, active or not."""
        return self._grants.get(issuer)

    def requests(self) -> Iterator[m.CertificateRequestBody]:
        """Everybody's newest request for a certificate."""
        for owner in self._owners.values():
            yield from (body for body in owner.bodies.values() if isinstance(body, m.CertificateRequestBody))

    def body(self, key: RecordKey) -> Body | None:
        """What stands under a key, other than a contribution."""
        owner = self._owners.get(key.owner)
        return owner.bodies.get(key) if owner else None

    def highest_generation(self, name: str) -> int:
        """The highest generation that anybody ever issued or asked for; 0 for a name that was never used."""
        owner = self._owners.get(name)
        return max((key.generation for key in owner.bodies), default=0) if owner else 0

    def _stands(self, issuer: str) -> bool:
        grant = self._grants.get(issuer)
        return not issuer or (grant is not None and grant.active)

    def _standing_of(self, name: str, bodies: Mapping[RecordKey, Body]) -> Member | None:
        confirmed = {
            (body.generation, body.confirmed_issuer)
            for body in bodies.values()
            if isinstance(body, m.VerdictBody) and not body.issuer and body.confirmed_issuer
        }
        memberships = [body for body in bodies.values() if isinstance(body, m.MembershipBody)]
        standing = [b for b in memberships if self._stands(b.issuer) or (b.generation, b.issuer) in confirmed]
        if not standing:
            return None
        present = min(standing, key=lambda b: (-b.generation, (b.generation, b.issuer) not in confirmed, b.issuer))
        return self._member(name, present, bodies)

    def _member(self, name: str, present: m.MembershipBody, bodies: Mapping[RecordKey, Body]) -> Member:
        at = (present.generation, present.issuer)
        grant = self._grants.get(issuer_name(name, present.generation))
        administrator = grant is not None and grant.active
        state, since = self._state(present, bodies, administrator=administrator)
        profile = bodies.get(RecordKey(RecordKind.PROFILE, name, *at))
        certificate = bodies.get(RecordKey(RecordKind.CERTIFICATE, name, *at))
        return Member(
            name,
            present.generation,
            present.issuer,
            present.identity_public_key,
            state,
            since,
            administrator and state is State.ACTIVE,
            profile if isinstance(profile, m.ProfileBody) else None,
            certificate if isinstance(certificate, m.CertificateBody) else None,
        )

    def _state(
        self, present: m.MembershipBody, bodies: Mapping[RecordKey, Body], *, administrator: bool
    ) -> tuple[State, int]:
        verdicts = [
            body
            for body in bodies.values()
            if isinstance(body, m.VerdictBody) and body.generation == present.generation
        ]
        final = next((v for v in verdicts if not v.issuer), None)
        if final is None and not administrator:
            standing = [v for v in verdicts if self._stands(v.issuer) and v.state in {State.EVICTED, State.REVOKED}]
            final = max(standing, key=lambda v: (v.state, v.issuer), default=None)
        if final is not None and final.state is State.EVICTED:
            return final.state, final.stated_unix_ms
        departed = bodies.get(RecordKey(RecordKind.DEPARTURE, present.owner, present.generation, present.issuer))
        if isinstance(departed, m.DepartureBody):
            return State.LEFT, departed.stated_unix_ms
        if final is not None and final.state is State.REVOKED:
            return final.state, final.stated_unix_ms
        return State.ACTIVE, present.stated_unix_ms


def _counting(owner: _Owner) -> dict[str, Counted]:
    member = owner.member
    if member is None or member.state not in _COUNTING:
        return {}
    return {key.domain: counted for key, counted in owner.contributions.items() if key.membership == member.key}


def _counted(entry: Entry) -> Counted:
    body = decode(m.ContributionBody, entry.record.body)
    digest = payload_digest(body.payload_bytes, body.chunk_digests)
    width = body.bytes_per_number or WIDTH_MAX
    return Counted(body.owner, body.domain, body.sequence, body.rows, digest, width)
