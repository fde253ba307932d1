"""Whole rounds of secure aggregation in one process: the real machines, messages through the codec, faults by seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ridgeway.crypto.identity import IdentityKey
from ridgeway.errors import RidgewayError
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.secagg.aggregator import Aggregator, Orders, Phase, Sum
from ridgeway.secagg.cohort import Roster
from ridgeway.secagg.masks import Mask, masked
from ridgeway.secagg.participant import ENTROPY_BYTES, Involvement, Participant

# The steps that a node can vanish before; the last one is after everything.
STEPS = ("terms", "cohort", "shares", "input_wanted", "survivors", "agreements", "never")


def round_terms(
    kind: m.RoundKind = m.RoundKind.INCREMENTAL, number: int = 1, members: tuple[str, ...] = ()
) -> m.RoundTerms:
    return m.RoundTerms(1, "federation", b"m" * 32, number, bytes([number]) * 32, kind, members=members)


def step_of(order: m.RoundOrder) -> str:
    return next(step for step in STEPS if getattr(order, step) is not None)


@dataclass
class Node:
    """One node: its vector, and the step before which it vanishes."""

    owner: str
    vector: npt.NDArray[np.int64]
    entropy: bytes
    vanishes: str = "never"
    changed: bool = True
    key: IdentityKey = field(default_factory=IdentityKey.generate)
    roster: Roster = field(default_factory=lambda: Roster({}))
    exposed: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    rebased: bool = False
    participant: Participant | None = None
    masks: tuple[Mask, ...] = ()
    refusal: RidgewayError | None = None
    bytes_moved: int = 0

    def join(self, terms: m.RoundTerms, min_cohort: int) -> Participant:
        involvement = Involvement(self.owner, self.changed, ("law",) if self.changed else (), ("law",))
        return Participant(
            self.key,
            terms,
            involvement,
            min_cohort,
            self.roster,
            self.entropy,
            self.exposed,
            excused=self.excused,
            rebased=self.rebased,
        )


@dataclass
class Rehearsal:
    """A round of some nodes; orders are delivered in an order drawn from the seed, of each node's in turn."""

    nodes: list[Node]
    terms: m.RoundTerms = field(default_factory=round_terms)
    min_cohort: int = 3
    seed: int = 0
    # May put something else in the place of an order: a dishonest aggregator.
    tamper: Callable[[str, m.RoundOrder], m.RoundOrder] = lambda _, order: order

    def __post_init__(self) -> None:
        self.by_owner = {node.owner: node for node in self.nodes}
        invited = {node.owner: node.key.public_bytes for node in self.nodes}
        length = self.nodes[0].vector.size
        self.aggregator = Aggregator(self.terms, invited, self.min_cohort, lambda _: length, 0.0)
        self._random = random.Random(self.seed)

    def run(self) -> Sum | None:
        """To the end; None if the round was aborted."""
        queues: dict[str, list[m.RoundOrder]] = {node.owner: [] for node in self.nodes}
        self._enqueue(queues, self.aggregator.start())
        while ready := [owner for owner, queue in queues.items() if queue]:
            owner = self._random.choice(ready)
            self._enqueue(queues, self._deliver(self.by_owner[owner], queues[owner].pop(0)))
        if self.aggregator.phase is not Phase.UNMASKING:
            return None
        return self.aggregator.unmask()

    def _enqueue(self, queues: dict[str, list[m.RoundOrder]], orders: Orders) -> None:
        for owner, order in orders:
            data = encode(self.tamper(owner, order))
            self.by_owner[owner].bytes_moved += len(data)
            queues[owner].append(decode(m.RoundOrder, data))

    def _deliver(self, node: Node, order: m.RoundOrder) -> Orders:
        step = step_of(order)
        if node.refusal:
            return []
        if STEPS.index(node.vanishes) <= STEPS.index(step):
            return self.aggregator.lost(node.owner, 0.0)
        if step == "input_wanted":
            return self.aggregator.take_input(node.owner, node.vector.size, masked([node.vector], node.masks), 0.0)
        try:
            reply = self._reply(node, order)
        except RidgewayError as refusal:
            node.refusal = refusal
            reply = m.RoundReply(refusal=str(refusal))
        if reply is None:
            return []
        data = encode(reply)
        node.bytes_moved += len(data)
        return self.aggregator.receive(node.owner, decode(m.RoundReply, data), 0.0)

    def _reply(self, node: Node, order: m.RoundOrder) -> m.RoundReply | None:
        if order.terms is not None:
            node.participant = node.join(order.terms, self.min_cohort)
            return m.RoundReply(advertisement=node.participant.advertisement)
        assert node.participant is not None
        if order.cohort is not None:
            return m.RoundReply(shares=node.participant.share(order.cohort))
        if order.shares is not None:
            _, node.masks = node.participant.masks(order.shares)
            return None
        if order.survivors is not None:
            return m.RoundReply(agreement=node.participant.agree(order.survivors))
        assert order.agreements is not None
        return m.RoundReply(revelation=node.participant.reveal(order.agreements))


def some_nodes(count: int, length: int = 40, seed: int = 0) -> list[Node]:
    """Nodes with random vectors over all of Z/2^64."""
    generator = np.random.default_rng(seed)
    return [
        Node(
            f"owner-{place:04}",
            generator.integers(-(2**63), 2**63, length, dtype=np.int64),
            generator.bytes(ENTROPY_BYTES),
        )
        for place in range(count)
    ]


def plain_sum(nodes: list[Node], owners: set[str]) -> npt.NDArray[np.int64]:
    """What the sum must be, without any mask."""
    total = np.zeros_like(nodes[0].vector)
    for node in nodes:
        if node.owner in owners:
            total += node.vector
    return total
