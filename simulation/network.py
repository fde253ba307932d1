"""A network that loses, doubles, delays, reorders, damages and cuts: datagrams of bytes between named hosts.

What stands above may be a connection, which has to make itself reliable, or a protocol that needs no such thing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from random import Random

from ridgeway.simulation.scheduler import Scheduler
from ridgeway.simulation.trace import Trace

# Given who sent, and what came.
Receive = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is. Shares are of messages, from 0 to 1.

    Attributes:
        loss: never arrive.
        duplication: arrive twice.
        damage: arrive with a flipped bit.
        truncation: arrive cut short.
        delay_s: how long a message takes at least and at most; every one draws its own, so that they overtake.
        stragglers: take `straggler_s` longer than that.
        straggler_s: see there.
    """

    loss: float = 0.0
    duplication: float = 0.0
    damage: float = 0.0
    truncation: float = 0.0
    delay_s: tuple[float, float] = (0.001, 0.005)
    stragglers: float = 0.0
    straggler_s: float = 5.0


CALM = Weather()


class Network:
    """Carries messages between hosts.

    Attributes:
        weather: may be replaced at any time; it strikes messages that are sent from then on.
        sent, sent_bytes: what hosts have sent, delivered or not.
    """

    def __init__(self, scheduler: Scheduler, random: Random, trace: Trace, weather: Weather = CALM) -> None:
        self._scheduler = scheduler
        self._random = random
        self._trace = trace
        self._receivers: dict[str, Receive] = {}
        self._cut: dict[tuple[str, str], None] = {}
        self.weather = weather
        self.sent = 0
        self.sent_bytes = 0

    def attach(self, host: str, receive: Receive) -> None:
        """Deliver to a host from now on; what was on its way to an earlier process of it comes too."""
        self._receivers[host] = receive

    def detach(self, host: str) -> None:
        """A host that is down: what arrives there is lost."""
        self._receivers.pop(host, None)

    def send(self, source: str, target: str, message: bytes) -> None:
        """Send and forget."""
        self.sent += 1
        self.sent_bytes += len(message)
        weather = self.weather
        if not self.reaches(source, target):
            self._fault(source, "cut off", target)
        elif self._strikes(weather.loss):
            self._fault(source, "lost message", target)
        else:
            if self._strikes(weather.duplication):
                self._fault(source, "doubled message", target)
                self._deliver_later(source, target, message)
            self._deliver_later(source, target, self._damaged(source, message))

    def delay_s(self, source: str) -> float:
        """Draw how long a message takes now."""
        delay_s = self._random.uniform(*self.weather.delay_s)
        if self._strikes(self.weather.stragglers):
            self._fault(source, "straggling message")
            delay_s += self._random.uniform(0.0, self.weather.straggler_s)
        return delay_s

    # Partitions

    def reaches(self, source: str, target: str) -> bool:
        """Whether messages from one host come through to the other."""
        return (source, target) not in self._cut

    def cut(self, source: str, target: str) -> None:
        """Cut one direction."""
        self._fault(source, "one-way cut", target)
        self._cut[source, target] = None

    def heal(self, source: str, target: str) -> None:
        """Mend one direction."""
        self._cut.pop((source, target), None)

    def partition(self, one: Iterable[str], other: Iterable[str]) -> None:
        """Cut both directions between two groups."""
        one, other = tuple(one), tuple(other)
        self._fault(",".join(one), "partition", ",".join(other))
        self._cut |= {pair: None for a in one for b in other for pair in ((a, b), (b, a))}

    def heal_all(self) -> None:
        """Mend every cut."""
        self._cut.clear()

    def swizzle(self, hosts: Iterable[str], within_s: float) -> None:
        """Cut hosts off one after another and mend them in another order, as FoundationDB's swizzle does.

        Args:
            hosts: whom; each is cut off from everybody.
            within_s: until all of them are mended.
        """
        names = sorted(hosts)
        for times_s, change in ((0.0, self._isolate), (within_s / 2, self._readmit)):
            self._random.shuffle(names)
            for name in names:
                due_s = times_s + self._random.uniform(0.0, within_s / 2)
                self._scheduler.after(due_s, partial(change, name))

    def _isolate(self, host: str) -> None:
        self._fault(host, "swizzled off")
        self._cut |= {pair: None for other in self._receivers for pair in ((host, other), (other, host))}

    def _readmit(self, host: str) -> None:
        self._trace.note(self._scheduler.now_s, host, "swizzled on")
        for pair in [pair for pair in self._cut if host in pair]:
            del self._cut[pair]

    # Messages

    def _deliver_later(self, source: str, target: str, message: bytes) -> None:
        self._scheduler.after(self.delay_s(source), lambda: self._deliver(source, target, message))

    def _deliver(self, source: str, target: str, message: bytes) -> None:
        receive = self._receivers.get(target)
        if receive is not None:
            receive(source, message)

    def _damaged(self, source: str, message: bytes) -> bytes:
        if message and self._strikes(self.weather.damage):
            self._fault(source, "damaged message")
            place = self._random.randrange(8 * len(message))
            damaged = bytearray(message)
            damaged[place // 8] ^= 1 << place % 8
            return bytes(damaged)
        if message and self._strikes(self.weather.truncation):
            self._fault(source, "truncated message")
            return message[: self._random.randrange(len(message))]
        return message

    def _strikes(self, share: float) -> bool:
        return share > 0.0 and self._random.random() < share

    def _fault(self, host: str, kind: str, detail: str = "") -> None:
        self._trace.fault(self._scheduler.now_s, host, kind, detail)
