"""SWIM's failure detector: ping the next peer of a shuffled ring, directly, then through others, then suspect it.

Every member is probed within one turn of the ring (section 4.3 of the SWIM paper). Helpers that got no answer either
say so (Lifeguard's nack): missing nacks mean that the fault may lie with the prober."""

from collections import OrderedDict
from dataclasses import dataclass, field

from ridgeway.gossip.beliefs import Beliefs
from ridgeway.gossip.draw import Draw
from ridgeway.gossip.limits import PROBES_MAX
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.timers import Timers
from ridgeway.proto.messages import PeerProbe, PeerState, ProbeKind


@dataclass(slots=True)
class _Probe:
    number: int
    target: str
    started_s: float
    answered: bool = False
    helpers: int = 0
    nacks: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Relay:
    asker: str
    number: int


class Probing:
    """Probes one peer at a time, answers others' probes, and probes for them."""

    def __init__(
        self, roster: Roster, beliefs: Beliefs, post: Post, timers: Timers, draw: Draw, parameters: Parameters
    ) -> None:
        self._roster = roster
        self._beliefs = beliefs
        self._post = post
        self._timers = timers
        self._draw = draw
        self._parameters = parameters
        self._ring: list[str] = []
        self._urgent: OrderedDict[str, None] = OrderedDict()
        self._number = 0
        self._probe: _Probe | None = None
        self._relays: OrderedDict[int, _Relay] = OrderedDict()

    def start(self, now_s: float) -> None:
        """Begin, at a random moment of the interval, so that peers started together do not probe together."""
        self._timers.at(now_s + self._draw.random() * self._parameters.probe_interval_s, self._begin)

    def hurry(self, member: Member) -> None:
        """Probe this one next: its stream broke."""
        if member.state is not PeerState.DEAD:
            self._urgent[member.name] = None

    def receive(self, member: Member, probe: PeerProbe) -> None:
        """Take another's probe, or an answer."""
        match probe.kind:
            case ProbeKind.PING:
                self._post.send(member, probe=PeerProbe(ProbeKind.ACK, probe.number))
            case ProbeKind.INDIRECT_PING:
                self._ping_for(member, probe)
            case ProbeKind.ACK:
                self._take_ack(probe.number)
            case ProbeKind.NACK:
                if self._probe is not None and self._probe.number == probe.number:
                    self._probe.nacks.add(member.name)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _begin(self, now_s: float) -> None:
        target = self._next_target()
        if target is None:
            self._probe = None
            self._timers.at(now_s + self._parameters.probe_interval_s, self._begin)
            return
        probe = self._probe = _Probe(self._next_number(), target.name, now_s)
        self._post.send(target, probe=PeerProbe(ProbeKind.PING, probe.number))
        self._timers.at(now_s + self._parameters.probe_timeout_s, lambda _: self._ask_others(probe))
        deadline_s = now_s + self._beliefs.awareness.scaled(self._parameters.probe_interval_s)
        self._timers.at(deadline_s, lambda now: self._give_up(probe, now))

    def _next_target(self) -> Member | None:
        while self._urgent:
            member = self._roster.get(self._urgent.popitem(last=False)[0])
            if member is not None and member.state is not PeerState.DEAD:
                return member
        for _ in range(2):
            while self._ring:
                member = self._roster.get(self._ring.pop())
                if member is not None and member.linked and member.state is not PeerState.DEAD:
                    return member
            self._ring = [member.name for member in self._roster.partners()]
            self._draw.shuffle(self._ring)
        return None

    def _ask_others(self, probe: _Probe) -> None:
        if probe.answered or self._probe is not probe:
            return
        others = [m for m in self._roster.partners() if m.name != probe.target and m.state is PeerState.ALIVE]
        helpers = self._draw.sample(others, min(self._parameters.indirect_checks, len(others)))
        probe.helpers = len(helpers)
        for helper in helpers:
            self._post.send(helper, probe=PeerProbe(ProbeKind.INDIRECT_PING, probe.number, probe.target))

    def _give_up(self, probe: _Probe, now_s: float) -> None:
        if probe.answered or self._probe is not probe:
            return
        missing_nacks = probe.helpers - len(probe.nacks)
        self._beliefs.awareness.apply(missing_nacks if probe.helpers else 1)
        target = self._roster.get(probe.target)
        if target is not None:
            self._beliefs.suspect(target)
        self._begin(now_s)

    def _take_ack(self, number: int) -> None:
        probe = self._probe
        if probe is not None and probe.number == number and not probe.answered:
            probe.answered = True
            self._beliefs.awareness.apply(-1)
            next_s = max(self._post.now_s, probe.started_s + self._parameters.probe_interval_s)
            self._timers.at(next_s, self._begin)
            return
        relay = self._relays.pop(number, None)
        asker = self._roster.get(relay.asker) if relay is not None else None
        if relay is not None and asker is not None:
            self._post.send(asker, probe=PeerProbe(ProbeKind.ACK, relay.number))

    def _ping_for(self, asker: Member, probe: PeerProbe) -> None:
        target = self._roster.get(probe.target)
        if target is None or not (target.linked or target.address):
            self._post.send(asker, probe=PeerProbe(ProbeKind.NACK, probe.number))
            return
        number = self._next_number()
        self._relays[number] = _Relay(asker.name, probe.number)
        while len(self._relays) > PROBES_MAX:
            self._relays.popitem(last=False)
        self._post.send(target, probe=PeerProbe(ProbeKind.PING, number))

        def give_up(_: float) -> None:
            waiting = self._roster.get(asker.name)
            if number in self._relays and waiting is not None:
                self._post.send(waiting, probe=PeerProbe(ProbeKind.NACK, probe.number))

        self._timers.at(self._post.now_s + self._parameters.probe_timeout_s, give_up)
