"""SWIM's failure detector: ping the next peers of a shuffled ring, directly, then through others, then suspect them.

Every member is probed within one turn of the ring (section 4.3 of the SWIM paper). Helpers that got no answer either
say so (Lifeguard's nack): missing nacks mean that the fault may lie with the prober, who then waits longer for answers.
A probe that waits asks again, so that a network that loses half of all messages makes neither the living suspect nor
the dead last long."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ridgeway.gossip.beliefs import Beliefs
from ridgeway.gossip.draw import Draw
from ridgeway.gossip.limits import PROBES_MAX
from ridgeway.gossip.parameters import Parameters
from ridgeway.gossip.post import Post
from ridgeway.gossip.roster import Member, Roster
from ridgeway.gossip.timers import GRAIN_S, Timers
from ridgeway.proto.messages import PeerProbe, PeerState, ProbeKind


@dataclass(slots=True)
class _Probe:
    """One that is not answered yet.

    Attributes:
        number: stands in its frames.
        target: who should answer.
        until_s: how long it is waited for.
        helpers: who was asked to probe, and when last.
        nacks: those who got no answer either.
    """

    number: int
    target: str
    until_s: float
    helpers: dict[str, float] = field(default_factory=dict)
    nacks: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Relay:
    asker: str
    number: int


class Probing:
    """Probes a few peers at a time, answers others' probes, and probes for them.

    Args:
        busy: whether a chunk should be on its way from a member.
    """

    def __init__(
        self,
        roster: Roster,
        beliefs: Beliefs,
        post: Post,
        timers: Timers,
        draw: Draw,
        parameters: Parameters,
        busy: Callable[[Member], bool],
    ) -> None:
        self._roster = roster
        self._beliefs = beliefs
        self._post = post
        self._timers = timers
        self._draw = draw
        self._parameters = parameters
        self._busy = busy
        self._ring: list[str] = []
        self._urgent: OrderedDict[str, None] = OrderedDict()
        self._number = 0
        self._probes: dict[int, _Probe] = {}
        self._relays: OrderedDict[int, _Relay] = OrderedDict()
        beliefs.on_accusation = self._look_at

    def start(self, now_s: float) -> None:
        """Begin, at a random moment of the interval, so that peers started together do not probe together."""
        self._timers.at(now_s + self._draw.random() * self._parameters.probe_interval_s, self._begin)

    def hurry(self, member: Member) -> None:
        """Probe this one next: its stream broke."""
        if member.state is not PeerState.DEAD:
            self._urgent[member.name] = None

    def _look_at(self, member: Member) -> None:
        """Others suspect this one: of all who hear that, a few look for themselves at once, so that the dead are soon
        accused independently, and the living soon know that they are accused."""
        others = len(self._roster.partners())
        if member.linked and self._draw.random() * others < self._parameters.suspicion_checks:
            self.hurry(member)

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
                waiting = self._probes.get(probe.number)
                if waiting is not None and member.name in waiting.helpers:
                    waiting.nacks.add(member.name)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _begin(self, now_s: float) -> None:
        for _ in range(self._parameters.probe_nodes):
            target = self._next_target()
            if target is not None:
                self._ping(target, now_s)
        self._timers.at(now_s + self._beliefs.awareness.scaled(self._parameters.probe_interval_s), self._begin)

    def _ping(self, target: Member, now_s: float) -> None:
        until_s = now_s + self._beliefs.awareness.scaled(self._parameters.probe_interval_s)
        probe = _Probe(self._next_number(), target.name, until_s)
        self._probes[probe.number] = probe
        self._post.send(target, probe=PeerProbe(ProbeKind.PING, probe.number))
        self._repeat(probe, now_s, self._parameters.probe_repeats)
        self._ask_later(probe, now_s, self._parameters.probe_timeout_s)
        self._timers.at(until_s, lambda now: self._give_up(probe, now))

    def _waits(self, probe: _Probe, now_s: float) -> Member | None:
        """Whom a probe still waits for; None if it is over."""
        over = probe.number not in self._probes or now_s >= probe.until_s
        return None if over else self._roster.get(probe.target)

    def _repeat(self, probe: _Probe, now_s: float, left: int) -> None:
        """Ping again a few times."""

        def again(now_s: float) -> None:
            target = self._waits(probe, now_s)
            if target is not None:
                self._post.send(target, probe=PeerProbe(ProbeKind.PING, probe.number))
                self._repeat(probe, now_s, left - 1)

        if left > 0:
            self._timers.at(now_s + self._parameters.probe_repeat_s, again)

    def _ask_later(self, probe: _Probe, now_s: float, delay_s: float) -> None:
        """Ask others, and once more after twice as long, and so on: a network that is overloaded is not helped by more
        of the same."""

        def ask(now_s: float) -> None:
            target = self._waits(probe, now_s)
            if target is not None:
                self._ask_others(probe, target)
                self._ask_later(probe, now_s, 2 * delay_s)

        self._timers.at(now_s + delay_s, ask)

    def _next_target(self) -> Member | None:
        probed = {probe.target for probe in self._probes.values()}
        while self._urgent:
            member = self._roster.get(self._urgent.popitem(last=False)[0])
            if member is not None and member.state is not PeerState.DEAD and member.name not in probed:
                return member
        for _ in range(2):
            while self._ring:
                member = self._roster.get(self._ring.pop())
                if (
                    member is not None
                    and member.linked
                    and member.state is not PeerState.DEAD
                    and member.name not in probed
                ):
                    return member
            self._ring = [member.name for member in self._roster.partners()]
            self._draw.shuffle(self._ring)
        return None

    def _ask_others(self, probe: _Probe, target: Member) -> None:
        others = [m for m in self._roster.partners() if m is not target and m.state is PeerState.ALIVE]
        for helper in self._draw.sample(others, min(self._parameters.indirect_checks, len(others))):
            probe.helpers[helper.name] = self._post.now_s
            self._post.send(helper, probe=PeerProbe(ProbeKind.INDIRECT_PING, probe.number, probe.target))

    def _give_up(self, probe: _Probe, now_s: float) -> None:
        target = self._roster.get(probe.target)
        # A stream that carries a chunk just now has answers, or our question, waiting behind it.
        excused = target is None or self._busy(target) or target.served_until_s > now_s
        if self._probes.pop(probe.number, None) is None or excused:
            return
        self._beliefs.awareness.apply(self._missing_nacks(probe))
        if target is not None:
            self._beliefs.suspect(target)

    def _missing_nacks(self, probe: _Probe) -> int:
        """How much speaks for a fault on our side: of `indirect_checks` helpers so many said nothing; 1 if there were
        none."""
        latest_s = probe.until_s - self._parameters.probe_timeout_s
        in_time = [name for name, asked_s in probe.helpers.items() if asked_s <= latest_s + GRAIN_S]
        if not in_time:
            return 1
        missing = sum(1 for name in in_time if name not in probe.nacks)
        return round(min(self._parameters.indirect_checks, len(in_time)) * missing / len(in_time))

    def _take_ack(self, number: int) -> None:
        if self._probes.pop(number, None) is not None:
            self._beliefs.awareness.apply(-1)
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

        def ping_again(_: float) -> None:
            if number in self._relays and (slow := self._roster.get(target.name)) is not None:
                self._post.send(slow, probe=PeerProbe(ProbeKind.PING, number))

        def give_up(_: float) -> None:
            waiting = self._roster.get(asker.name)
            if number in self._relays and waiting is not None:
                self._post.send(waiting, probe=PeerProbe(ProbeKind.NACK, probe.number))

        self._timers.at(self._post.now_s + self._parameters.probe_repeat_s, ping_again)
        self._timers.at(self._post.now_s + self._parameters.nack_timeout_s, give_up)
