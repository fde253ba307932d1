"""A federation of gossiping peers in virtual time: hosts, a network that does what it likes, streams over it."""

from collections.abc import Iterable
from functools import partial
from random import Random

from ridgeway.crypto.payload_digest import CHUNK_BYTES, chunk_digests
from ridgeway.gossip import events as ev
from ridgeway.gossip.parameters import LAN, Parameters
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.proto.messages import GossipRecord, PeerFrame
from ridgeway.simulation.gossip_claims import claim
from ridgeway.simulation.gossip_host import GossipHost
from ridgeway.simulation.gossip_store import GossipStore
from ridgeway.simulation.gossip_trust import AUTHORITY, membership_key, sign
from ridgeway.simulation.network import CALM, Network, Weather
from ridgeway.simulation.scheduler import Scheduler
from ridgeway.simulation.trace import Trace

# How soon the others learn that a process has gone; a machine without power says nothing.
RESET_S = 0.01
HANDSHAKE_TRIPS = 4


class GossipWorld:
    """Hosts that know each other as members.

    Args:
        seed: of everything that happens by chance.
        names: of the hosts.
        weather: of the network.
        parameters: of every peer.
        unreachable: hosts that can only connect by themselves.
        first: the host that all others dial first; empty: none.

    Attributes:
        hosts: by name.
        checked: whether what hosts send is compared with what they have on disk.
    """

    def __init__(
        self,
        seed: int,
        names: Iterable[str],
        weather: Weather = CALM,
        parameters: Parameters = LAN,
        unreachable: frozenset[str] = frozenset(),
        *,
        first: str = "",
        checked: bool = True,
    ) -> None:
        self.random = Random(seed)
        self.scheduler = Scheduler()
        self.trace = Trace()
        self.network = Network(self.scheduler, self.random, self.trace, weather)
        self.parameters = parameters
        self.first = first
        self.checked = checked
        self.hosts: dict[str, GossipHost] = {}
        names = sorted(names)
        memberships = [accepted(sign(AUTHORITY, membership_key(name), 1, 0), AUTHORITY) for name in names]
        for name in names:
            host = self.hosts[name] = GossipHost(self, name, "" if name in unreachable else f"{name}:7443")
            host.store.persist(memberships)
            self.network.attach(name, host.arrive)

    def start(self) -> None:
        """Start every host."""
        for host in self.hosts.values():
            host.start()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.scheduler.run(self.scheduler.now_s + seconds)

    def announce(self, host: GossipHost) -> None:
        """Tell a host who is a member."""
        host.handle(ev.MembersKnown({name: other.address for name, other in self.hosts.items()}))

    def crash(self, name: str, *, power: bool = False) -> None:
        """End a host's process, or take its power, which nobody is told of."""
        host = self.hosts[name]
        links = sorted(host.links)
        host.stop()
        for other in links:
            if not power:
                self.scheduler.after(RESET_S, partial(self._reset, other, name))

    def connect(self, source: str, target: str) -> None:
        """Try to open a stream."""
        trip_s = self.network.delay_s(source)
        if not self._reachable(source, target):
            self.scheduler.after(self.parameters.dial_timeout_s, partial(self._failed, source, target))
        else:
            self.scheduler.after(HANDSHAKE_TRIPS * trip_s, partial(self._established, source, target))

    def disconnect(self, source: str, target: str, *, clean: bool) -> None:
        """One side ends a stream."""
        self.hosts[source].links.discard(target)
        self.hosts[source].queued.pop(target, None)
        delay_s = self.network.delay_s(source)
        self.scheduler.after(delay_s, partial(self._ended, target, source, clean))

    def refuse(self, source: str, target: str) -> None:
        """Something came over a stream that its receiver knows nothing of any more."""
        self.scheduler.after(RESET_S, partial(self._reset, source, target))

    def check_sent(self, host: GossipHost, frame: PeerFrame) -> None:
        """Nothing is told to others that is not durable."""
        if not self.checked:
            return
        records: tuple[GossipRecord, ...] = ()
        if frame.digest is not None:
            claim(frame.digest.root == host.store.root, "a root was told that is not durable")
            records = frame.digest.fresh
        if frame.reconciliation is not None:
            records = frame.reconciliation.records
        for record in records:
            known = (host.store.held.get(record.key), host.store.pending.get(record.key))
            durable = any(entry is not None and entry.digest == gossip_digest(record) for entry in known)
            claim(durable, f"a record of {record.key} was told that is not durable")

    def store_payload(self, store: GossipStore, payload: bytes) -> None:
        """Make a payload durable at one host."""
        reference = Payload.of(len(payload), chunk_digests(payload))
        starts = range(0, len(payload), CHUNK_BYTES)
        store.add_payload(reference, {place: payload[at : at + CHUNK_BYTES] for place, at in enumerate(starts)})

    def _reachable(self, source: str, target: str) -> bool:
        both_ways = self.network.reaches(source, target) and self.network.reaches(target, source)
        return both_ways and self.hosts[target].up and bool(self.hosts[target].address)

    def _established(self, source: str, target: str) -> None:
        if not self.hosts[source].up:
            return
        if not self._reachable(source, target):
            self._failed(source, target)
            return
        self.hosts[target].linked(source)
        self.hosts[source].linked(target)

    def _failed(self, source: str, target: str) -> None:
        if self.hosts[source].up and target not in self.hosts[source].links:
            self.hosts[source].unlinked(target, clean=False)

    def _reset(self, host: str, gone: str) -> None:
        if gone in self.hosts[host].links and host not in self.hosts[gone].links:
            self.hosts[host].unlinked(gone, clean=False)

    def _ended(self, host: str, other: str, clean: bool) -> None:
        if other in self.hosts[host].links and host not in self.hosts[other].links:
            self.hosts[host].unlinked(other, clean=clean)


def accepted(record: GossipRecord, author: str) -> Entry:
    """An entry without payload."""
    return Entry(record, gossip_digest(record), author)
