"""A federation in a storm, from a seed: everything that can go wrong does for a while, then all is calm.

Safety holds at every moment: nothing is told that is not durable, a record never gives way to a lesser one, equal sets
have equal sums. Liveness holds once it is calm: within bounded time all honest peers hold the same records, no record
that one of them had on disk has been lost, every owner's last wish counts, and nobody honest was accused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ridgeway.gossip import events as ev
from ridgeway.proto.messages import PeerState
from ridgeway.simulation.gossip_claims import claim
from ridgeway.simulation.gossip_host import GossipHost
from ridgeway.simulation.gossip_liar import Liar
from ridgeway.simulation.gossip_store import GossipStore
from ridgeway.simulation.gossip_trust import value_of
from ridgeway.simulation.gossip_world import GossipWorld
from ridgeway.simulation.network import CALM, Weather

STORM_S = 8.0
# Until all is settled after the storm: attempts to connect run out (10 s), payloads that nobody has are given up
# (60 s).
SETTLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed went.

    Attributes:
        hosts: how many there were.
        settled_s: how long it took after the storm.
        faults: how many struck.
        trace: hash of the run.
    """

    hosts: int
    settled_s: float
    faults: int
    trace: str


class Storm:
    """One seed.

    Args:
        seed: of everything.
        hosts: how many; drawn if None.
        storm_s: how long it blows.
    """

    def __init__(self, seed: int, hosts: int | None = None, storm_s: float = STORM_S) -> None:
        self._random = random = Random(f"storm {seed}")
        count = hosts or random.randint(3, 5)
        names = [f"peer-{place}" for place in range(count)]
        unreachable = frozenset(names[:1] if random.random() < 0.3 else ())
        self._storm_s = storm_s
        weather = self._weather()
        # A mixed federation now and then: its coordinator is struck like all others, and may be one that lies.
        first = random.choice(names) if random.random() < 0.25 else ""
        self.world = GossipWorld(seed, names, weather, unreachable=unreachable, first=first)
        self.liars = set(names[-1:] if count > 3 and random.random() < 0.4 else ())
        self.honest = [host for name, host in self.world.hosts.items() if name not in self.liars]
        self._backups: dict[str, tuple[GossipStore, int]] = {}
        self._forgetful: set[str] = set()
        for name in self.liars:
            others = [host.name for host in self.honest]
            self.world.hosts[name].speak = Liar(random, name, others).speak

    def run(self) -> Outcome:
        """Blow, then settle.

        Raises:
            Violation: what must hold did not.
        """
        self.world.start()
        while self.world.scheduler.now_s < self._storm_s:
            self.world.run(self._random.uniform(0.05, 0.6))
            self._strike()
            self._check()
        self._calm()
        expected = self._on_disk()
        since_s = self.world.scheduler.now_s
        while not self._agreed():
            settling_s = self.world.scheduler.now_s - since_s
            claim(settling_s < SETTLE_S, f"no agreement {SETTLE_S:.0f} s after the storm: {self._differences()}")
            self.world.run(0.5)
            self._check()
        self._check_end(expected)
        trace = self.world.trace
        return Outcome(
            len(self.world.hosts), self.world.scheduler.now_s - since_s, sum(trace.faults.values()), trace.digest()
        )

    # Faults

    def _weather(self) -> Weather:
        random = self._random
        return Weather(
            loss=random.choice((0.0, 0.05, 0.2, 0.5)),
            duplication=random.choice((0.0, 0.2)),
            delay_s=random.choice(((0.001, 0.005), (0.02, 0.4))),
            stragglers=random.choice((0.0, 0.1)),
            straggler_s=3.0,
        )

    def _strike(self) -> None:
        host = self._random.choice(list(self.world.hosts.values()))
        strikes: list[Callable[[GossipHost], None]] = [
            self._change, self._change, self._change, self._withdraw, self._crash, self._cut_power, self._arm,
            self._restart, self._restart, self._restart, self._back_up, self._restore, self._partition, self._cut,
            self._heal, self._jump, self._lose_payload, self._turn,
        ]  # fmt: skip
        strike = self._random.choice(strikes)
        self.world.trace.note(self.world.scheduler.now_s, host.name, strike.__name__)
        strike(host)

    def _change(self, host: GossipHost) -> None:
        host.owner.value = self._random.randrange(1, 1 << 40)
        size = self._random.choice((0, 0, 1, 2000, 2000, 600_000 if self._random.random() < 0.2 else 100))
        host.owner.payload = self._random.randbytes(size) if size else None
        if host.up:
            host.publish()

    def _withdraw(self, host: GossipHost) -> None:
        host.owner.value, host.owner.payload = 0, None
        if host.up:
            host.publish()

    def _crash(self, host: GossipHost) -> None:
        if host.up:
            self.world.crash(host.name)

    def _cut_power(self, host: GossipHost) -> None:
        if host.up:
            self.world.crash(host.name, power=True)

    def _arm(self, host: GossipHost) -> None:
        """It dies between two effects, soon."""
        host.dies = lambda: self._random.random() < 0.2

    def _restart(self, host: GossipHost) -> None:
        if not host.up:
            host.dies = lambda: False
            host.start()

    def _back_up(self, host: GossipHost) -> None:
        self._backups[host.name] = host.store.copy(), host.owner.sequence

    def _restore(self, host: GossipHost) -> None:
        """Its disk is replaced by an old copy."""
        if host.name not in self._backups or host.name in self.liars:
            return
        if host.up:
            self.world.crash(host.name)
        store, host.owner.sequence = self._backups.pop(host.name)
        host.store = store
        self._forgetful.add(host.name)

    def _partition(self, _: GossipHost) -> None:
        names = sorted(self.world.hosts)
        self._random.shuffle(names)
        cut = self._random.randrange(1, len(names))
        self.world.network.partition(names[:cut], names[cut:])

    def _cut(self, host: GossipHost) -> None:
        others = [name for name in self.world.hosts if name != host.name]
        self.world.network.cut(host.name, self._random.choice(others))

    def _heal(self, _: GossipHost) -> None:
        self.world.network.heal_all()

    def _jump(self, host: GossipHost) -> None:
        host.clock_offset_s += self._random.choice((-3.0, 0.5, 40.0, 4000.0))
        host.handle(ev.Tick())

    def _lose_payload(self, host: GossipHost) -> None:
        """A file is damaged, while somebody else has it too."""
        digests = [digest for digest, file in host.store.files.items() if file.synced and self._elsewhere(host, digest)]
        if digests and host.up:
            digest = self._random.choice(digests)
            del host.store.files[digest]
            host.handle(ev.PayloadMissing(digest))

    def _elsewhere(self, host: GossipHost, digest: bytes) -> bool:
        return any(
            any(entry.payload is not None and entry.payload.digest == digest for entry in other.store.held.values())
            for other in self.honest
            if other is not host
        )

    def _turn(self, _: GossipHost) -> None:
        self.world.network.weather = self._weather()

    def _calm(self) -> None:
        self.world.network.weather = CALM
        self.world.network.heal_all()
        for host in self.world.hosts.values():
            self._restart(host)
            host.dies = lambda: False

    # Claims

    def _on_disk(self) -> dict[str, tuple[int, bytes]]:
        """The greatest record of each key that an honest disk holds."""
        greatest: dict[str, tuple[int, bytes]] = {}
        for host in self.honest:
            for key, entry in host.store.held.items():
                greatest[key] = max(greatest.get(key, (0, b"")), entry.rank)
        return greatest

    def _check(self) -> None:
        sums: dict[bytes, int] = {}
        for host in self.honest:
            if host.peer is None:
                continue
            entries = host.peer.entries()
            held = {entry.key: entry for entry in entries}
            claim(held == host.store.held, f"{host.name} counts something else than what is durable")
            total = sum(value_of(entry.record) for entry in entries)
            claim(host.total == total, f"{host.name} counted something twice, or not at all")
            claim(sums.setdefault(host.peer.root, total) == total, "equal roots over different sets")

    def _agreed(self) -> bool:
        peers = [host.peer for host in self.honest if host.peer is not None]
        if len({peer.root for peer in peers}) > 1 or any(peer.pending() for peer in peers):
            return False
        views = [view for peer in peers for view in peer.peers()]
        return all(view.state is PeerState.ALIVE for view in views if view.peer not in self.liars)

    def _differences(self) -> str:
        return "; ".join(
            f"{host.name} root {host.peer.root.hex()[:6]}, {len(host.peer.entries())} held, "
            f"{len(host.peer.pending())} pending, "
            + ", ".join(f"{v.peer} {v.state.name}{'' if v.linked else ' no stream'}" for v in host.peer.peers())
            for host in self.honest
            if host.peer is not None
        )

    def _check_end(self, expected: dict[str, tuple[int, bytes]]) -> None:
        for host in self.honest:
            for key, rank in expected.items():
                held = host.store.held.get(key)
                claim(held is not None and held.rank >= rank, f"{host.name} has lost a record of {key}")
            if host.owner.sequence:
                own = host.store.held.get(host.owner.key)
                fulfilled = own is not None and value_of(own.record) == host.owner.value
                claim(fulfilled, f"{host.name}'s wish does not count")
            accused = {each.peer for each in host.tally.misbehaved} | {each.peer for each in host.tally.diverged}
            claim(accused <= self.liars, f"{host.name} accuses {sorted(accused - self.liars)}, who are honest")
            doubles = {each.kept.author for each in host.tally.equivocated}
            claim(doubles <= self.liars | self._forgetful, f"{host.name} says that {sorted(doubles)} equivocated")


def storm(seed: int) -> Outcome:
    """Run one seed.

    Raises:
        Violation: what must hold did not.
    """
    return Storm(seed).run()
