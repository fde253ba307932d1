"""Anti-entropy by push-pull: every second a peer compares digests with a few others, and what differs is settled.

Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (1987). One exchange, of which any frame may be
lost: a digest with fresh records; an answer with the other's; if their roots still differ, places of the trie, level by
level; then the records that differ.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice

from ridgeway.gossip.beliefs import Beliefs
from ridgeway.gossip.divergence import Divergence
from ridgeway.gossip.draw import Draw
from ridgeway.gossip.intake import Intake
from ridgeway.gossip.limits import (
    OFFERS_MAX,
    OWN_PENDING_MAX,
    PARTS_MAX,
    PUSHED_BYTES_MAX,
    RECORDS_BYTES_MAX,
    WANT_PATIENCE_S,
    WANTED_MAX,
    WANTS_MAX,
)
from ridgeway.gossip.links import Links
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.reconciling import Findings, compare, newer, opening
from ridgeway.gossip.record_set import RecordSet, summary_of
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.timers import Timers
from ridgeway.gossip.transfers import Transfers
from ridgeway.proto.messages import GossipRecord, PeerDigest, Reconciliation, RecordSummary, TriePart


class Exchange:
    """Compares our set of records with others'."""

    def __init__(
        self,
        roster: Roster,
        records: RecordSet,
        transfers: Transfers,
        intake: Intake,
        beliefs: Beliefs,
        divergence: Divergence,
        links: Links,
        post: Post,
        timers: Timers,
        draw: Draw,
        parameters: Parameters,
    ) -> None:
        self._roster = roster
        self._records = records
        self._transfers = transfers
        self._intake = intake
        self._beliefs = beliefs
        self._divergence = divergence
        self._links = links
        self._post = post
        self._timers = timers
        self._draw = draw
        self._parameters = parameters
        self._wanted: OrderedDict[str, float] = OrderedDict()
        self._synced_s = -parameters.sync_interval_s

    def start(self, now_s: float) -> None:
        """Begin, at a random moment of the interval, so that peers started together do not speak together."""
        self._timers.at(now_s + self._draw.random() * self._parameters.push_pull_interval_s, self._tick)

    def receive_digest(self, member: Member, digest: PeerDigest) -> None:
        """Take a digest, or the answer to ours.

        Raises:
            InvalidRecord: a fresh record is not valid.
        """
        self._intake.receive(member, digest.fresh)
        member.in_step = digest.root == self._records.root
        if member.in_step:
            member.holds_version = self._records.version
            self._divergence.compare(member.name, digest.root, digest)
        if not digest.answer:
            parts = () if member.in_step else (opening(self._records.trie),)
            self._post.send(member, digest=self._digest_for(member, answer=True, parts=parts))
        elif not member.in_step and digest.parts:
            self._settle(member, Reconciliation(parts=digest.parts))
        if digest.peers_digest != self._beliefs.digest:
            self._sync(member)

    def receive_step(self, member: Member, step: Reconciliation) -> None:
        """Take a step of a comparison.

        Raises:
            InvalidRecord: a record is not valid.
        """
        self._intake.receive(member, step.records)
        self._settle(member, step)

    def _tick(self, now_s: float) -> None:
        self._links.maintain(now_s)
        chosen = self._partners()
        revived = self._links.revive()
        for member in chosen if revived is None else [*chosen, revived]:
            self._post.send(member, digest=self._digest_for(member))
        self._timers.at(now_s + self._parameters.push_pull_interval_s, self._tick)

    def _partners(self) -> list[Member]:
        """Random ones; whom everybody prefers takes the place of one of them."""
        partners, first = self._roster.partners(), self._roster.first
        chosen = self._draw.sample(partners, min(self._parameters.push_pull_nodes, len(partners)))
        if first is not None and first in partners and first not in chosen:
            chosen[0] = first
        return chosen

    def _digest_for(self, member: Member, *, answer: bool = False, parts: tuple[TriePart, ...] = ()) -> PeerDigest:
        root = self._records.root
        sum_digest, weights_digest = self._divergence.ours(root)
        return PeerDigest(
            root=root,
            records=len(self._records),
            sum_digest=sum_digest,
            weights_digest=weights_digest,
            peers_digest=self._beliefs.digest,
            answer=answer,
            fresh=(
                *self._records.fresh_for(member.holds_version),
                *(entry.record for entry in islice(self._transfers.by(member.name), OWN_PENDING_MAX)),
            ),
            parts=parts,
        )

    def _sync(self, member: Member) -> None:
        if self._post.now_s - self._synced_s >= self._parameters.sync_interval_s:
            self._synced_s = self._post.now_s
            self._post.send(member, updates=self._beliefs.everything())

    def _settle(self, member: Member, step: Reconciliation) -> None:
        """Answer a step with the next one, if there is anything left to say."""
        found = Findings()
        for part in step.parts:
            compare(self._records.trie, part, self._transfers.awaited, found)
        pushed, offers = self._push(found.ours)
        wants = self._want(member, [*found.theirs, *step.offers])
        answers = self._asked_for(step.wants)
        if len(found.parts) > PARTS_MAX:
            found.parts = self._draw.sample(found.parts, PARTS_MAX)
        offers += found.known
        if len(offers) > OFFERS_MAX:
            offers = self._draw.sample(offers, OFFERS_MAX)
        reply = Reconciliation(tuple(found.parts), tuple(offers), tuple(wants), (*pushed, *answers))
        if reply != Reconciliation():
            self._post.send(member, reconciliation=reply)

    def _push(self, ours: list[RecordSummary]) -> tuple[list[GossipRecord], list[RecordSummary]]:
        """Of what the other lacks: a little at once, the rest as an offer, so that it asks nobody twice for it."""
        pushed: list[GossipRecord] = []
        size = 0
        for place, summary in enumerate(ours):
            entry = self._records.get(summary.key)
            if entry is None:
                continue
            size += _size(entry.record)
            if size > PUSHED_BYTES_MAX:
                return pushed, ours[place:]
            pushed.append(entry.record)
        return pushed, []

    def _want(self, member: Member, theirs: Iterable[RecordSummary]) -> list[str]:
        """Of what the other holds: what we lack and have asked nobody else for."""
        now_s = self._post.now_s
        wants: list[str] = []
        for summary in theirs:
            pending, held = self._transfers.get(summary.key), self._records.get(summary.key)
            if pending is not None and pending.digest == summary.digest:
                self._transfers.add_source(pending, member)
            elif (
                newer(summary, summary_of(held) if held else None)
                and now_s >= self._wanted.get(summary.key, now_s)
                and len(wants) < WANTS_MAX
            ):
                wants.append(summary.key)
                self._wanted[summary.key] = now_s + WANT_PATIENCE_S
                self._wanted.move_to_end(summary.key)
        while len(self._wanted) > WANTED_MAX:
            self._wanted.popitem(last=False)
        return wants

    def _asked_for(self, keys: Iterable[str]) -> Iterator[GossipRecord]:
        size = 0
        for key in keys:
            entry = self._records.get(key)
            size += _size(entry.record) if entry is not None else 0
            if size > RECORDS_BYTES_MAX:
                return
            if entry is not None:
                yield entry.record


def _size(record: GossipRecord) -> int:
    return len(record.key) + len(record.body) + len(record.signature)
