"""Rounds among peers in one process, by a seed: aggregators die at every step, members crash, the network splits.

The machines are the real ones (participant, aggregator, seat, records, judge, rendezvous); messages and records go
through the codec. What a daemon does around them is done here step by step: what it writes survives a crash, the rest
does not.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from light_client import fingerprint, random_contribution

from ridgeway.crypto.authority import CertificateAuthority
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.errors import RidgewayError
from ridgeway.gossip.judging import Accept
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.manifest import Coordination, Manifest, Masking
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.roster.charter import sign_charter
from ridgeway.roster.judge import TrustJudge
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.roster.rendezvous import aggregator
from ridgeway.roster.round_records import COMMITTED, round_key
from ridgeway.roster.seat import Seat
from ridgeway.roster.standing import Roster
from ridgeway.round_vector import SignedContribution, as_sum, change, length
from ridgeway.secagg.aggregator import Aggregator, Orders, Phase
from ridgeway.secagg.cohort import CohortView
from ridgeway.secagg.cohort import Roster as Believed
from ridgeway.secagg.cohort import fingerprint as of_key
from ridgeway.secagg.masks import Mask, masked
from ridgeway.secagg.participant import ENTROPY_BYTES, Involvement, Participant
from ridgeway.sums import FederationSum

FEDERATION = "f" * 32
MANIFEST = Manifest(FEDERATION, fingerprint(3), masking=Masking.REQUIRED, coordination=Coordination.PEERS)
LAYOUT = MANIFEST.layout
AUTHORITY = CertificateAuthority.create(FEDERATION, datetime(2026, 1, 1, tzinfo=UTC), administrators=True)
SIGNING = IdentityKey.generate()
JUDGE = TrustJudge(sign_charter(AUTHORITY, MANIFEST, SIGNING.public_bytes))
OWNERS = ("ann", "bob", "cat", "dan", "eve")
KEYS = {owner: IdentityKey.generate() for owner in OWNERS}
DOMAIN = "law"
# The steps that whoever adds up can die before; after the last it is safe.
STEPS = ("terms", "cohort", "shares", "input_wanted", "survivors", "agreements", "unmask", "told nobody", "never")


def membership(owner: str) -> m.GossipRecord:
    return record_of(SIGNING, m.MembershipBody(RECORD_VERSION, FEDERATION, owner, 1, "", KEYS[owner].public_bytes, 1))


MEMBERSHIPS = {membership(owner).key: membership(owner) for owner in OWNERS}


def entry(record: m.GossipRecord) -> Entry:
    return Entry(record, gossip_digest(record), RecordKey.parse(record.key).owner)


def direct(*contributions: tuple[str, int]) -> bytes:
    total = FederationSum(LAYOUT)
    for domain, seed in contributions:
        total.add(domain, random_contribution(seed, MANIFEST), 20)
    return total.digest(MANIFEST.digest())


def step_of(order: m.RoundOrder) -> str:
    return next(step for step in STEPS if getattr(order, step, None) is not None)


@dataclass
class Peer:
    """One member. What is below `seat` is lost in a crash.

    Attributes:
        owner: who.
        records: all that it holds, by key.
        wanted: the seed of what it wants in the sum; None: nothing.
        committed: the seed of what the sum holds of it, as it knows.
        target: what becomes of that if its open round is committed.
        used: the highest round number that it has used up.
        exposed, kind, excused: see `node.round_state.RoundState`.
        seat: in the round whose end it does not know.
    """

    owner: str
    records: dict[str, m.GossipRecord] = field(default_factory=dict)
    wanted: int | None = None
    committed: int | None = None
    target: int | None = None
    settled: bytes = b""
    used: int = 0
    exposed: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    kind: m.RoundKind = m.RoundKind.UNSPECIFIED
    seat: Seat | None = None
    roster: Roster = field(default_factory=Roster)
    participant: Participant | None = None
    masks: tuple[Mask, ...] = ()
    alive: bool = True

    @property
    def next(self) -> int | None:
        """What its next round makes of its part: after one that may have been opened the same again."""
        return self.target if self.exposed else self.wanted

    def take(self, record: m.GossipRecord) -> None:
        """Merge a record as gossip does."""
        held = self.records.get(record.key)
        if held is not None and (held.sequence, gossip_digest(held)) >= (record.sequence, gossip_digest(record)):
            return
        verdict = JUDGE(record, lambda key: entry(self.records[key]) if key in self.records else None)
        assert isinstance(verdict, Accept)
        self.records[record.key] = record
        self.roster.take([Entry(record, gossip_digest(record), verdict.author, verdict.payload)])

    def crash(self) -> None:
        """Lose what is in memory."""
        self.alive, self.participant, self.masks = False, None, ()
        if self.seat is not None:
            self.seat = replace(self.seat, survivors=frozenset())

    def involvement(self, full: bool) -> Involvement:
        """What it states in a round."""
        wanted, unsettled = self.next, full and not self.settled
        touched = (full and wanted is not None) or (not full and wanted != self.committed)
        return Involvement(
            self.owner,
            wanted != self.committed or (unsettled and wanted is not None),
            (DOMAIN,) if touched else (),
            (DOMAIN,) if wanted is not None else (),
            1,
        )

    def vector(self, full: bool, domains: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """What it brings."""
        before = None if full else self.committed
        parts = [] if before == self.next and not full else [(self.next, 1), (before, -1)]
        signed = [
            SignedContribution(DOMAIN, random_contribution(seed, MANIFEST), 20, sign)
            for seed, sign in parts
            if seed is not None
        ]
        return change(LAYOUT, domains, signed)


class World:
    """Some peers and a network that can be split."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.peers = {owner: Peer(owner) for owner in OWNERS}
        self.sides: list[set[str]] = [set(OWNERS)]
        self.sums: dict[bytes, npt.NDArray[np.int64]] = {}
        self.ends: dict[str, set[int]] = {}
        self.seeds = 100
        self.crashes = 0.01
        for peer in self.peers.values():
            for record in MEMBERSHIPS.values():
                peer.take(record)

    # What happens around rounds

    def gossip(self, side: set[str]) -> None:
        """All that live on one side come to hold the same records."""
        living = [self.peers[owner] for owner in sorted(side) if self.peers[owner].alive]
        everything = [record for peer in living for record in peer.records.values()]
        for peer in living:
            # A round's end needs memberships only, which all have.
            for record in everything:
                peer.take(record)
            self._note(peer)

    def _note(self, peer: Peer) -> None:
        for key, record in peer.records.items():
            if key.startswith(f"{RecordKind.ROUND.value}/"):
                self.ends.setdefault(key, set()).add(record.sequence)

    def vote(self, side: set[str], hopeless: bool) -> None:
        """All that live vote, gather votes, and learn how their rounds ended."""
        for peer in self._living(side):
            seat = peer.seat
            if seat is None:
                continue
            book = peer.roster.rounds
            if book.proposal(seat.terms) is not None:
                peer.excused = frozenset()
            choice = seat.choice(book, hopeless=hopeless)
            if choice:
                peer.seat = seat = seat.voted(choice)
                peer.take(record_of(KEYS[peer.owner], seat.ballot))
        self.gossip(side)
        for peer in self._living(side):
            end = peer.seat.end(peer.roster.rounds) if peer.seat is not None else None
            for record in [*peer.roster.rounds.ready(), *([end] if end else [])]:
                peer.take(record)
        self.gossip(side)
        for peer in self._living(side):
            self._learn(peer)

    def _living(self, side: set[str]) -> Iterator[Peer]:
        yield from (self.peers[owner] for owner in sorted(side) if self.peers[owner].alive)

    def _learn(self, peer: Peer) -> None:
        book, seat = peer.roster.rounds, peer.seat
        if seat is not None:
            ended = book.ended(seat.terms)
            if ended is None:
                if seat.vote and not seat.entered:
                    peer.seat = None
                return
            if seat.survived(ended):
                assert seat.entered
                peer.committed, peer.settled = peer.target, seat.terms.nonce
                peer.exposed = peer.excused = frozenset()
            peer.seat = None
        said = book.settled(RecordKey(RecordKind.MEMBERSHIP, peer.owner, 1))
        if said != peer.settled:
            # Only a new era without us says so: nothing of us is in the sum any more.
            assert not said or peer.committed is None
            peer.committed, peer.settled = None, said

    # Rounds

    def attempt(self, side: set[str], dies: str, kind: m.RoundKind) -> None:
        """Those who see the same aggregator run a round; it dies before the given step."""
        living = {peer.owner for peer in self._living(side)}
        groups: dict[str, set[str]] = {}
        for owner in living:
            turn = self.peers[owner].roster.rounds.turns
            groups.setdefault(aggregator(FEDERATION, turn, living) or "", set()).add(owner)
        for chosen, members in sorted(groups.items()):
            _Round(self, self.peers[chosen], members, kind, dies).run()

    def digest(self, peer: Peer) -> bytes:
        """Of the sum that a peer adds up."""
        total = FederationSum(LAYOUT)
        for counted in peer.roster.rounds.counted:
            total.accumulate(as_sum(LAYOUT, counted.domains, self.sums[counted.payload_digest].copy()))
        total.settle(MANIFEST.mass)
        return total.digest(MANIFEST.digest())


class _Round:
    """One round of one aggregator."""

    def __init__(self, world: World, chair: Peer, members: set[str], kind: m.RoundKind, dies: str) -> None:
        self.world, self.chair, self.dies = world, chair, dies
        book, self.full = chair.roster.rounds, kind is m.RoundKind.FULL
        peers = {o: world.peers[o] for o in sorted(members) if world.peers[o].seat is None}
        peers = {o: p for o, p in peers.items() if not p.exposed or p.kind is kind}
        self.peers = {o: p for o, p in peers.items() if p.roster.rounds.era == book.era}
        self.terms = m.RoundTerms(
            1, FEDERATION, MANIFEST.digest(), 1 + max((p.used for p in peers.values()), default=0),
            world.random.randbytes(32), kind, members=book.owners if self.full else (),
            era=book.era.number + self.full, base=book.era.nonce, aggregator=chair.owner, generation=1,
        )  # fmt: skip
        self.machine = Aggregator(
            self.terms,
            {owner: KEYS[owner].public_bytes for owner in self.peers},
            MANIFEST.min_cohort,
            lambda domains: length(LAYOUT, len(domains)),
            0.0,
        )

    def run(self) -> None:
        """To the end, or until the aggregator is dead; then its streams end."""
        queue = self.machine.start() if len(self.peers) >= MANIFEST.min_cohort else []
        random_ = self.world.random
        while queue and self.chair.alive:
            owner, order = queue.pop(random_.randrange(len(queue)) if order_is_free(queue) else 0)
            if step_of(order) == self.dies:
                self.chair.crash()
                break
            queue += self._deliver(self.peers[owner], decode(m.RoundOrder, encode(order)))
        if self.chair.alive and self.machine.phase is Phase.UNMASKING:
            self._propose()
        for peer in self.peers.values():
            peer.participant = None

    def _deliver(self, peer: Peer, order: m.RoundOrder) -> Orders:
        if peer is not self.chair and self.world.random.random() < self.world.crashes:
            peer.crash()
        if not peer.alive:
            return self.machine.lost(peer.owner, 0.0)
        try:
            reply = self._reply(peer, order)
        except RidgewayError as refusal:
            reply = m.RoundReply(refusal=str(refusal))
        if reply is None:
            return []
        if reply.input is not None:
            vector = peer.vector(self.full, self.machine.domains)
            return self.machine.take_input(peer.owner, vector.size, masked([vector], peer.masks), 0.0)
        return self.machine.receive(peer.owner, decode(m.RoundReply, encode(reply)), 0.0)

    def _reply(self, peer: Peer, order: m.RoundOrder) -> m.RoundReply | None:
        if order.terms is not None:
            return m.RoundReply(advertisement=self._begin(peer, order.terms).advertisement)
        one = peer.participant
        if one is None:
            return None
        if order.cohort is not None:
            shares = one.share(order.cohort)
            assert one.view is not None
            peer.seat = _seat(one.view)
            return m.RoundReply(shares=shares)
        if order.shares is not None:
            peer.masks = one.masks(order.shares)[1]
            return None
        return self._go_on(peer, one, order)

    def _go_on(self, peer: Peer, one: Participant, order: m.RoundOrder) -> m.RoundReply:
        """The steps in which our vector, our word and our shares leave."""
        assert peer.seat is not None
        if order.input_wanted is not None:
            peer.seat, peer.target = replace(peer.seat, entered=True), peer.next
            return m.RoundReply(input=m.PayloadChunk())
        if order.survivors is not None:
            agreement = one.agree(order.survivors)
            peer.seat = replace(peer.seat, survivors=frozenset(one.survivors))
            return m.RoundReply(agreement=agreement)
        assert order.agreements is not None
        exposes = one.exposes
        revelation = one.reveal(order.agreements)
        if exposes:
            peer.exposed, peer.kind = frozenset(exposes), self.terms.kind
            peer.excused = peer.exposed & {self.chair.owner}
        return m.RoundReply(revelation=revelation)

    def _begin(self, peer: Peer, terms: m.RoundTerms) -> Participant:
        assert terms.number > peer.used
        peer.used = terms.number
        known = {owner: of_key(key.public_bytes) for owner, key in KEYS.items()}
        peer.participant = Participant(
            KEYS[peer.owner],
            terms,
            peer.involvement(self.full),
            MANIFEST.min_cohort,
            Believed(known, closed=True),
            self.world.random.randbytes(ENTROPY_BYTES),
            peer.exposed,
            excused=peer.excused,
        )
        return peer.participant

    def _propose(self) -> None:
        if self.dies == "unmask":
            self.chair.crash()
            return
        summed = self.machine.unmask()
        data = summed.vector.astype("<i8").tobytes()
        payload = Payload.of(len(data), chunk_digests(data))
        self.world.sums[payload.digest] = summed.vector
        survivors = {statement.owner for statement in summed.survivors}
        seats = tuple(
            m.RoundSeat(s.owner, s.generation, s.issuer, True, s.changed, s.domains, s.remaining)
            if s.owner in survivors
            else m.RoundSeat(s.owner, s.generation, s.issuer)
            for s in self.machine.seats
        )
        body = m.RoundBody(
            RECORD_VERSION, self.terms, seats, True, summed.domains, payload.length, payload.chunk_digests
        )
        self.chair.take(
            record_of(
                KEYS[self.chair.owner],
                m.ProposalBody(RECORD_VERSION, FEDERATION, self.chair.owner, 1, "", self.terms.number, encode(body)),
            )
        )
        if self.dies == "told nobody":
            self.chair.crash()


def order_is_free(queue: Orders) -> bool:
    """Whether the next order may be any: the orders of one owner keep their order."""
    return len({owner for owner, _ in queue}) == len(queue)


def _seat(view: CohortView) -> Seat:
    said = [view.member(position).advertised for position in range(view.size)]
    cohort = tuple(m.RoundSeat(s.owner, s.generation, s.issuer, True, s.changed, s.domains, s.remaining) for s in said)
    return Seat(view.terms, cohort, view.me.position)


def a_story(seed: int, attempts: int = 8) -> World:
    """Faults for a while, then peace until everybody's part is in the sum."""
    world = World(seed)
    chance = world.random
    for _ in range(attempts):
        owners = list(OWNERS)
        chance.shuffle(owners)
        split = chance.choice([0, 0, 1, 2])
        world.sides = [set(owners[:split]), set(owners[split:])]
        for peer in world.peers.values():
            peer.alive = peer.alive or chance.random() < 0.7
            if chance.random() < 0.7:
                world.seeds += 1
                peer.wanted = None if chance.random() < 0.2 else world.seeds
        kind = m.RoundKind.FULL if chance.random() < 0.25 else m.RoundKind.INCREMENTAL
        for side in world.sides:
            world.gossip(side)
            world.attempt(side, chance.choice(STEPS), kind)
            if chance.random() < 0.8:
                world.gossip(side)
            world.vote(side, hopeless=chance.random() < 0.7)
    _make_peace(world)
    return world


def _make_peace(world: World, rounds: int = 12) -> None:
    everybody, world.crashes = set(OWNERS), 0.0
    for turn in range(rounds):
        for peer in world.peers.values():
            peer.alive = True
            world.seeds += 1
            peer.wanted = world.seeds if not peer.exposed and turn < rounds - 6 else peer.wanted
        world.gossip(everybody)
        world.vote(everybody, hopeless=True)
        # As the policy has it: a round that may have been opened is run again by the same owners before any other.
        opened = next((peer for peer in world.peers.values() if peer.exposed), None)
        if opened is not None:
            world.attempt(set(opened.exposed), "never", opened.kind)
        else:
            world.attempt(everybody, "never", m.RoundKind.INCREMENTAL)
        world.gossip(everybody)
        world.vote(everybody, hopeless=True)


def both_ways(world: World) -> list[str]:
    """Rounds that some peer took for nothing and another for a sum."""
    return [key for key, ends in world.ends.items() if len(ends) > 1 and COMMITTED in ends]


__all__ = ["a_story", "both_ways", "round_key"]
