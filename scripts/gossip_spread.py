"""How one record spreads among very many peers: the exchange of the real machine, without failure detection and codec.

A whole peer keeps an account of every other, which for ten thousand of them does not fit into one process. Here each
has the streams of a real view, 48 to random others, and the real records, intake, transfers and exchange; frames are
handed over as they are. For N = 100 bench_gossip.py has the figures of both simulations."""

import heapq
import math
from collections.abc import Mapping
from random import Random

from ridgeway.gossip.beliefs import Beliefs
from ridgeway.gossip.divergence import Divergence
from ridgeway.gossip.effects import Send
from ridgeway.gossip.exchange import Exchange
from ridgeway.gossip.intake import Intake
from ridgeway.gossip.links import Links
from ridgeway.gossip.news import News
from ridgeway.gossip.parameters import LAN
from ridgeway.gossip.post import Post
from ridgeway.gossip.record_set import RecordSet
from ridgeway.gossip.roster import Roster
from ridgeway.gossip.timers import Timers
from ridgeway.gossip.transfers import Transfers
from ridgeway.proto.messages import PeerFrame
from ridgeway.simulation.gossip_trust import AUTHORITY, judge, sign

DELAY_S = (0.01, 0.04)
MAX_S = 60.0


class Spreader:
    """The exchange of one peer."""

    def __init__(self, name: str, others: Mapping[str, str], draw: Random, members: int) -> None:
        self._roster, news, self._timers = Roster(name), News(), Timers()
        self._post = Post(self._roster, news, LAN)
        self._roster.replace(others)
        for member in self._roster:
            self._roster.link(member)
        self.records = RecordSet()
        beliefs = Beliefs(self._roster, news, self._post, self._timers, LAN)
        transfers = Transfers(self._roster, self._post, self._timers, draw, lambda *_: None)
        retransmissions = LAN.record_retransmit_mult * math.ceil(math.log10(members + 1))
        self._intake = Intake(judge, self.records, transfers, self._roster, self._post, lambda: retransmissions)
        links = Links(self._roster, self._post, draw, LAN)
        divergence = Divergence(self._post, LAN)
        self._exchange = Exchange(
            self._roster, self.records, transfers, self._intake, beliefs, divergence, links, self._post, self._timers,
            draw, LAN,
        )  # fmt: skip
        self._exchange.start(0.0)

    @property
    def wake_at_s(self) -> float:
        """When its next exchange is due."""
        return self._timers.next_s

    def tick(self, now_s: float) -> list[Send]:
        """Its time has come."""
        self._post.now_s = now_s
        for due_s, action in self._timers.due(now_s):
            action(due_s)
        return self._sent()

    def receive(self, source: str, frame: PeerFrame, now_s: float) -> list[Send]:
        """A frame came."""
        self._post.now_s = now_s
        member = self._roster.get(source)
        if member is not None and frame.digest is not None:
            self._exchange.receive_digest(member, frame.digest)
        elif member is not None and frame.reconciliation is not None:
            self._exchange.receive_step(member, frame.reconciliation)
        return self._sent()

    def publish(self) -> None:
        """Its record is new."""
        self._intake.publish([sign(AUTHORITY, "contribution/one", 1, 1)])
        self._sent()

    def _sent(self) -> list[Send]:
        return [effect for effect in self._post.take() if isinstance(effect, Send)]


def streams(size: int, random: Random) -> list[set[int]]:
    """For each peer whom it has a stream with: everybody opens streams until its view is full."""
    linked: list[set[int]] = [set() for _ in range(size)]
    order = list(range(size))
    random.shuffle(order)
    for peer in order:
        while len(linked[peer]) < min(LAN.view, size - 1):
            other = random.randrange(size)
            if other != peer:
                linked[peer].add(other)
                linked[other].add(peer)
    return linked


def spread_rounds(size: int, loss: float, seed: int) -> int:
    """Seconds, rounded up, until all hold one new record."""
    random = Random(f"spread {size} {loss} {seed}")
    names = [f"owner-{place:05}" for place in range(size)]
    peers = {}
    for place, linked in enumerate(streams(size, random)):
        others = {names[other]: names[other] for other in sorted(linked)}
        peers[names[place]] = Spreader(names[place], others, random, size)
    origin = random.choice(names)
    peers[origin].publish()
    lacking = set(names) - {origin}
    agenda: list[tuple[float, int, str, str, PeerFrame | None]] = []
    order = 0
    for name, peer in peers.items():
        heapq.heappush(agenda, (peer.wake_at_s, order := order + 1, name, "", None))
    while lacking:
        now_s, _, name, source, frame = heapq.heappop(agenda)
        if now_s > MAX_S:
            return math.ceil(MAX_S)
        peer = peers[name]
        sent = peer.tick(now_s) if frame is None else peer.receive(source, frame, now_s)
        if frame is None:
            heapq.heappush(agenda, (peer.wake_at_s, order := order + 1, name, "", None))
        for effect in sent:
            if random.random() >= loss:
                due_s = now_s + random.uniform(*DELAY_S)
                heapq.heappush(agenda, (due_s, order := order + 1, effect.peer, name, effect.frame))
        if len(peer.records):
            lacking.discard(name)
    return math.ceil(now_s)
