"""What gossip costs and how fast it is, in virtual time: the machines that the daemons run, in a simulated network.

Frames are really serialised, except where a row says otherwise. A round is a second, the interval of push-pull.
"""

import argparse
import math
import resource
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random
from statistics import median

from bench_report import Row, at_most, for_information, report
from gossip_spread import spread_rounds

from ridgeway import triangle
from ridgeway.gossip.events import MembersKnown, Tick
from ridgeway.gossip.peer import Peer, Restored
from ridgeway.gossip.record import Entry, Payload, gossip_digest
from ridgeway.proto.messages import PeerState
from ridgeway.simulation.gossip_trust import AUTHORITY, judge, membership_key, sign
from ridgeway.simulation.gossip_world import GossipWorld
from ridgeway.simulation.network import Weather

# A wide-area delay; the median round trip is 50 ms.
DELAY_S = (0.01, 0.04)
# Until every stream of the view stands and the first exchanges are over.
WARM_S = 15.0
# On the wire around each frame: IPv4 and TCP with timestamps 52, TLS 1.3 record 22, HTTP/2 and gRPC 14, and an
# acknowledgement of 52.
FRAME_OVERHEAD = 140
# Sent by one side for a new stream: TLS 1.3 with certificates on both sides, HTTP/2 settings.
CONNECT_BYTES = 3000
# Pooled features of mass 1 take 5 bytes a number.
PAYLOAD_BYTES = 5 * triangle.length(385)


def names_of(count: int) -> list[str]:
    """Owners."""
    return [f"owner-{place:05}" for place in range(count)]


def warm_world(seed: int, size: int, loss: float = 0.0) -> GossipWorld:
    """A federation in which everybody is connected and nothing is new."""
    world = GossipWorld(seed, names_of(size), Weather(delay_s=DELAY_S), checked=False)
    world.start()
    world.run(WARM_S)
    world.network.weather = Weather(loss=loss, delay_s=DELAY_S)
    return world


def rounds_of_machines(size: int, loss: float, seed: int) -> int:
    """Seconds, rounded up, until all hold one new record."""
    world = warm_world(seed, size, loss)
    origin = world.random.choice(list(world.hosts.values()))
    world.run(world.random.random())
    origin.owner.value = 1
    origin.publish()
    started_s, lacking = world.scheduler.now_s, set(world.hosts)
    while lacking:
        world.run(0.1)
        lacking = {name for name in lacking if origin.owner.key not in world.hosts[name].store.held}
    return math.ceil(round(world.scheduler.now_s - started_s, 6))


def spread(seeds: int, few: int, jobs: int, sizes: Sequence[int]) -> Iterator[Row]:
    """Rounds until all hold one new record."""
    all_cases = [(100, 0.0, 5, 6), (100, 0.5, 9, 11), (1000, 0.0, 6, 7), (1000, 0.5, 12, 14), (10_000, 0.0, 8, 9)]
    cases = [case for case in all_cases if case[0] in sizes]
    with ProcessPoolExecutor(jobs) as pool:
        for size, loss, usual, worst in cases:
            count = few if size > 1000 else seeds
            taken = list(pool.map(partial(spread_rounds, size, loss), range(count)))
            name = f"rounds to all of N={size}, {loss:.0%} loss, exchange alone, not serialised, {count} seeds"
            yield at_most(f"{name}, median", median(taken), usual, 1.0)
            yield at_most(f"{name}, worst", max(taken), worst, 1.0)
        for size, loss, usual, worst in [case for case in cases if case[0] == 100]:
            taken = list(pool.map(partial(rounds_of_machines, size, loss), range(few)))
            name = f"rounds to all of N={size}, {loss:.0%} loss, whole peers, {few} seeds"
            yield at_most(f"{name}, median", median(taken), usual, 1.0)
            yield at_most(f"{name}, worst", max(taken), worst, 1.0)


def detection(size: int, loss: float, seed: int) -> tuple[float, float, int]:
    """Seconds until the first peer, and until the last, takes a dead one for dead; how many it believes dead
    falsely."""
    world = warm_world(seed, size, loss)
    world.run(20.0)
    victim = world.random.choice(list(world.hosts))
    world.crash(victim, power=True)
    died_s = world.scheduler.now_s
    others = [host for name, host in world.hosts.items() if name != victim]
    for host in others:
        host.tally.deaths_seen.clear()
    unaware = set(world.hosts) - {victim}
    first_s = last_s = 0.0
    while unaware and world.scheduler.now_s < died_s + 120.0:
        world.run(0.1)
        aware = {name for name in unaware if believes_dead(world, name, victim)}
        last_s = world.scheduler.now_s - died_s
        first_s = first_s or (last_s if aware else 0.0)
        unaware -= aware
    false = sum(1 for host in others for _, name in host.tally.deaths_seen if name != victim)
    return first_s, last_s, false


def believes_dead(world: GossipWorld, name: str, victim: str) -> bool:
    """Whether one takes another for dead."""
    peer = world.hosts[name].peer
    return peer is not None and any(v.peer == victim and v.state is PeerState.DEAD for v in peer.peers())


def detections(seeds: int, jobs: int) -> Iterator[Row]:
    """Time to detect a dead peer among 100, whose machine lost its power, so that nobody is told."""
    with ProcessPoolExecutor(jobs) as pool:
        for loss, goal_s in ((0.0, 10.0), (0.5, 15.0)):
            times = list(pool.map(partial(detection, 100, loss), range(seeds)))
            name = f"s until a dead one of N=100 is known at {loss:.0%} loss, {seeds} seeds"
            yield at_most(f"{name}, to the first, median", median(t[0] for t in times), goal_s, 1.0)
            yield at_most(f"{name}, to the first, worst", max(t[0] for t in times), goal_s, 1.0)
            yield at_most(f"{name}, to all, median", median(t[1] for t in times), goal_s, 1.0)
            yield at_most(f"{name}, to all, worst", max(t[1] for t in times), goal_s, 1.0)
            yield for_information(f"{name}, of the living taken for dead by somebody", sum(t[2] for t in times), seeds)


def false_positives(seconds: float, seed: int = 0) -> int:
    """How often somebody alive was taken for dead in a federation of 100 at 10 % loss."""
    world = warm_world(seed, 100, 0.1)
    for host in world.hosts.values():
        host.tally.deaths_seen.clear()
    world.run(seconds)
    return sum(len(host.tally.deaths_seen) for host in world.hosts.values())


def vigilance(seconds: float) -> Iterator[Row]:
    """False positives; the row's limit is one, which must not be reached."""
    name = f"false positives in {seconds:.0f} simulated s, N=100, 10 % loss"
    count = false_positives(seconds)
    yield Row(name, count, 1.0, float(count), "< 1", count == 0)


def quiet_bytes(size: int, seconds: float = 60.0) -> tuple[float, float]:
    """Bytes that a peer sends a second when nothing is new: serialised frames, and with all that goes around them."""
    world = warm_world(0, size)
    world.run(WARM_S)
    tallies = [host.tally for host in world.hosts.values()]
    before = [(tally.bytes_sent, tally.frames, tally.connects) for tally in tallies]
    world.run(seconds)
    sent = sum(tally.bytes_sent - was[0] for tally, was in zip(tallies, before, strict=True))
    frames = sum(tally.frames - was[1] for tally, was in zip(tallies, before, strict=True))
    connects = sum(tally.connects - was[2] for tally, was in zip(tallies, before, strict=True))
    around = frames * FRAME_OVERHEAD + 2 * connects * CONNECT_BYTES
    return sent / size / seconds, (sent + around) / size / seconds


def quiet(sizes: tuple[int, ...] = (100, 1000)) -> Iterator[Row]:
    """The cost of having nothing to say."""
    measured = {}
    for size in sizes:
        frames, measured[size] = quiet_bytes(size, 60.0 if size <= 100 else 20.0)
        yield for_information(f"bytes/s of a quiet peer, N={size}, frames alone", frames, 10_000)
        yield at_most(
            f"bytes/s of a quiet peer, N={size}, with TCP, TLS, HTTP/2 and new streams", measured[size], 10_000, 1
        )
    if len(sizes) > 1:
        growth, ratio = measured[sizes[1]] / measured[sizes[0]], sizes[1] / sizes[0]
        yield at_most(f"growth of that from N={sizes[0]} to N={sizes[1]}, against N", growth, ratio, 0.5)


def healed_bytes(size: int, records: int, loss: float, seed: int = 0) -> tuple[int, int]:
    """Bytes moved after a partition of halves heals, and the bytes of the payloads that were missing."""
    world = warm_world(seed, size)
    names, random = sorted(world.hosts), Random(seed)
    half = size // 2
    world.network.partition(names[:half], names[half:])
    for name in (*names[:records], *names[half : half + records]):
        host = world.hosts[name]
        host.owner.value, host.owner.payload = 1, random.randbytes(PAYLOAD_BYTES)
        host.publish()
    world.run(180.0)
    hosts = list(world.hosts.values())
    missing = (2 * records * size - sum(carried(host.store.held) for host in hosts)) * PAYLOAD_BYTES
    before = sum(host.tally.bytes_sent for host in hosts)
    world.network.heal_all()
    world.network.weather = Weather(loss=loss, delay_s=DELAY_S)
    while any(carried(host.store.held) < 2 * records for host in hosts):
        world.run(1.0)
    return sum(host.tally.bytes_sent for host in hosts) - before, missing


def carried(held: Mapping[str, object]) -> int:
    """How many contributions somebody holds."""
    return sum(1 for key in held if key.startswith("contribution/"))


def healing() -> Iterator[Row]:
    """What a heal moves, against what it must."""
    moved, missing = healed_bytes(30, 10, 0.0)
    yield at_most(
        "bytes moved after a heal, N=30, 20 records, D=385, against the missing payloads", moved, missing, 1.2
    )


def memory(size: int = 1000) -> Iterator[Row]:
    """Resident memory of one process whose peer holds everybody's membership and contribution; payloads on disk."""
    yield at_most(f"MB resident, one peer of N={size} with all records, this process", resident(size), 200.0, 1.0)


def resident(size: int) -> float:
    """Peak resident memory in MB after a peer has taken in a large federation's records."""
    entries = []
    payload = Payload.of(PAYLOAD_BYTES, [bytes(32)])
    for name in names_of(size):
        membership = sign(AUTHORITY, membership_key(name), 1, 0)
        contribution = sign(name, f"contribution/{name}", 1, 1, bytes(64))
        entries.append(Entry(membership, gossip_digest(membership), AUTHORITY))
        entries.append(Entry(contribution, gossip_digest(contribution), name, payload))
    peer = Peer("owner-00000", judge, Random(0), Restored(tuple(entries)))
    peer.handle(MembersKnown({name: f"{name}:7443" for name in names_of(size)}), 0.0)
    for second in range(1, 60):
        peer.handle(Tick(), float(second))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Everything that was asked for."""
    chosen = set(arguments.only or ("memory", "quiet", "heal", "detection", "false", "spread"))
    if "memory" in chosen:
        yield from memory()
    if "quiet" in chosen:
        yield from quiet()
    if "heal" in chosen:
        yield from healing()
    if "detection" in chosen:
        yield from detections(arguments.detection_seeds, arguments.jobs)
    if "false" in chosen:
        yield from vigilance(arguments.hour_s)
    if "spread" in chosen:
        yield from spread(arguments.seeds, arguments.few_seeds, arguments.jobs, arguments.sizes)


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="of the spread")
    parser.add_argument("--sizes", nargs="*", type=int, default=(100, 1000, 10_000), help="of the spread")
    parser.add_argument("--few-seeds", type=int, default=20, help="of the spread among 10,000, and among whole peers")
    parser.add_argument("--detection-seeds", type=int, default=20)
    parser.add_argument("--hour-s", type=float, default=3600.0, help="simulated seconds for false positives")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", nargs="*", choices=("memory", "quiet", "heal", "detection", "false", "spread"))
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    arguments = parser.parse_args()
    report(rows(arguments), as_json=arguments.json)


if __name__ == "__main__":
    main()
