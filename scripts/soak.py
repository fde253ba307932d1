"""Run a federation of real processes under faults, for an hour or more, and compare every member with a model.

    python scripts/soak.py --minutes 60 [--seed N] [--masking required]

A coordinator on a small disk, three nodes that read files which change, and (unmasked) two light owners who never stop
replacing and withdrawing. Everybody reaches the coordinator through a proxy; one node lives in a network namespace. An
epoch is some seconds of faults (kill -9, SIGSTOP, full disk, clocks that jump, connections cut, slowed, damaged
and swallowed, a partition), then all is mended, and it must come out, to the bit, as the model says: the
coordinator's sum, every node's router and version, what the ledger holds of each owner. Versions must never go back. In
the second half nobody is killed, and open files, threads and memory of each process must be the same at its end as at
its beginning.

As root all faults are there; otherwise those are left out, and named, that only root can make. Loopback and a namespace
of its own only.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

# gRPC tells of every damaged record on standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import ridgeway  # noqa: F401 - before anything imports gRPC

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import grpc
import toy
from faulty_proxy import FaultyProxy
from free_port import free_port
from light_client import Owner
from node_running import NodeHome, words, write_prompts
from soak_machines import Island, Machine, Usage, fill_disk, island, small_disk
from tireless_owner import TirelessOwner

from ridgeway.coordinator.administration import SOCKET as COORDINATOR_SOCKET
from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.proto import messages as m
from ridgeway.proto import rpc
from ridgeway.proto.router_artifact import decode_router
from ridgeway.runtime.local_socket import connect
from ridgeway.statistics import TokenHistogram, encode_contribution, gram
from ridgeway.sums import FederationSum

NODES = {"alpha": "law", "beta": "math", "gamma": "medical"}
ISLANDER = "gamma"
LIGHT_OWNERS = 2
EPOCH_FAULTS = 4
FAULT_S_MAX = 3.0
CONVERGE_S = 120.0
CLOCK_JUMP_S = 240.0
# Whoever a connection was cut off from without a word is noticed after 30 s, on both sides.
FLAT_S = 90.0
# What a process may hold more at the end: a connection about to close, a thread of a pool, the allocator's whims.
FILES_MORE, THREADS_MORE, MEMORY_MORE_KIB = 8, 6, 24 * 1024


class Broken(AssertionError):
    """Something is not as the model says."""


@dataclass
class Report:
    """What a soak did and found."""

    seconds: float = 0.0
    epochs: int = 0
    operations: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    converge_s: list[float] = field(default_factory=list)
    without_room: int = 0
    flat_s: float = 0.0
    deaths: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, Usage] = field(default_factory=dict)
    after: dict[str, Usage] = field(default_factory=dict)


@dataclass
class Federation:
    """All that takes part."""

    root: Path
    masking: str
    draw: random.Random
    embedder: Path
    host: str
    port: int
    island: Island | None
    can_fill: bool
    machines: dict[str, Machine] = field(default_factory=dict)
    proxies: list[FaultyProxy] = field(default_factory=list)
    homes: dict[str, NodeHome] = field(default_factory=dict)
    prompts: dict[str, list[str]] = field(default_factory=dict)
    light: list[TirelessOwner] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    manifest: Manifest | None = None

    async def found(self) -> None:
        """Start everything and let everybody join."""
        coordinator = self.root / "disk" / "coordinator"
        arguments = ["coordinator", "127.0.0.1", str(self.port), self.host, str(self.embedder), self.masking]
        self.machines["coordinator"] = Machine("coordinator", self.root, coordinator, arguments)
        for offset in (0, 1):
            proxy = FaultyProxy(("127.0.0.1", self.port + offset), self._fork())
            await proxy.listen(self.host, self.port + offset)
            self.proxies.append(proxy)
        for name in NODES:
            prefix = self.island.prefix if self.island and name == ISLANDER else []
            self.machines[name] = Machine(name, self.root, self.root / name, ["node"], prefix)
            self.homes[name] = NodeHome(self.root / name, self.embedder)
            self.change_prompts(name)
        for machine in self.machines.values():
            await machine.start()
        await eventually(self._everybody_joined, 90.0, "the first join")
        if self.masking == "off":
            await self._add_light_owners()

    def _fork(self) -> random.Random:
        return random.Random(self.draw.random())  # noqa: S311 - a scenario  # nosec B311

    async def _everybody_joined(self) -> None:
        status = await self.status()
        self.manifest = Manifest.from_json(status.manifest_json)
        for home in self.homes.values():
            await home.call(rpc.NODE_STATUS, m.GetNodeStatusRequest())
        joined = {member.owner for member in status.members if member.state is m.MemberState.ACTIVE}
        await asyncio.gather(*(self._join(name, name not in joined) for name in NODES))

    async def _join(self, name: str, newcomer: bool) -> None:
        token = (await self.administer(rpc.INVITE, m.InviteRequest(name, 3600))).token if newcomer else ""
        await self.homes[name].join(token, {NODES[name]: self.file(name)})

    async def _add_light_owners(self) -> None:
        fingerprint = toy.toy_embedder().fingerprint
        for i in range(LIGHT_OWNERS):
            owner = Owner(f"light-{i}")
            await owner.enrol((await self.administer(rpc.INVITE, m.InviteRequest(owner.name, 3600))).token, fingerprint)
            self.light.append(TirelessOwner(owner, self._fork()))

    def file(self, name: str) -> Path:
        """A node's prompts."""
        return self.root / f"{name}.jsonl"

    def change_prompts(self, name: str) -> None:
        """Other prompts for a node; it finds out by itself."""
        self.prompts[name] = words(self.draw.randrange(36), 10 + self.draw.randrange(30))
        staged = write_prompts(self.root / f".{name}.new", self.prompts[name])
        staged.replace(self.file(name))

    async def administer(self, method: rpc.Method[rpc.Request, rpc.Response], request: rpc.Request) -> rpc.Response:
        """One call by the operator, to the running coordinator: beside a stopped one we would hold its directory."""
        async with connect(self.machines["coordinator"].data_dir, COORDINATOR_SOCKET) as channel:
            return await rpc.call(channel, method, request, timeout_s=10)

    async def status(self) -> m.FederationStatus:
        """The federation as the coordinator sees it."""
        async with asyncio.timeout(10):
            return await self.administer(rpc.ADMIN_STATUS, m.GetStatusRequest())

    def expected_digest(self) -> bytes:
        """The sum of the model: what the files hold, and what was acknowledged to the light owners."""
        assert self.manifest is not None
        embedder, total = toy.toy_embedder(), FederationSum(self.manifest.layout)
        for name, domain in NODES.items():
            histogram = TokenHistogram.empty(embedder)
            histogram.add(embedder.encode_batch(self.prompts[name]))
            statistics = gram(histogram, embedder)
            numbers = encode_contribution(statistics, self.manifest.mass, self.manifest.fraction_bits)
            total.add(domain, numbers, statistics.rows)
        for owner in self.light:
            for domain, vector in owner.holds.items():
                total.add(domain, vector, 20)
        return total.digest(self.manifest.digest())

    def note_version(self, who: str, version: int) -> None:
        """Check that a version has not gone back; 0 is none yet."""
        if 0 < version < self.versions[who]:
            raise Broken(f"{who} went back from router {self.versions[who]} to {version}")
        self.versions[who] = max(version, self.versions[who])

    def router_of(self, name: str) -> tuple[int, bytes]:
        """Version and sum of the router on a node's disk."""
        path = self.root / name / "router.bin"
        if not path.exists():
            return 0, b""
        router, _ = decode_router(path.read_bytes())
        return router.version, router.sum_digest

    def look(self) -> None:
        """What must hold at every moment."""
        for name in NODES:
            self.note_version(name, self.router_of(name)[0])

    async def check(self) -> None:
        """What must hold in the end: every member is as the model says."""
        expected, status = self.expected_digest(), await self.status()
        self.note_version("coordinator", status.router_version)
        if status.sum_digest != expected:
            raise Broken(f"the sum is {status.sum_digest.hex()[:16]}, the model's {expected.hex()[:16]}")
        if status.router_sum_digest != expected:
            raise Broken("the newest router is of another sum")
        for name, home in self.homes.items():
            node = await home.call(rpc.NODE_STATUS, m.GetNodeStatusRequest())
            if (node.connected, node.router_version, self.router_of(name)) != (
                *(True, status.router_version),
                (status.router_version, expected),
            ):
                raise Broken(f"{name} is at router {node.router_version}, connected: {node.connected}")
            await home.route("w1 w2")
        members = {member.owner: member for member in status.members}
        for owner in self.light:
            held = {c.domain: c.sequence for c in members[owner.owner.name].contributions}
            if held != {domain: owner.acknowledged[domain] for domain in owner.holds}:
                raise Broken(f"the ledger holds something else of {owner.owner.name} than was acknowledged")


async def eventually(do: Callable[[], Awaitable[None]], within_s: float, what: str) -> float:
    """Do something until it succeeds; the seconds that it took."""
    began, last = time.monotonic(), Exception()
    while True:
        try:
            await do()
            return time.monotonic() - began
        except (Broken, RidgewayError, grpc.aio.AioRpcError, OSError) as error:
            last = error
        if time.monotonic() - began > within_s:
            raise Broken(f"{what} did not come within {within_s:.0f} s: {last}") from last
        await asyncio.sleep(0.2)


class Faults:
    """The faults by name; each lasts for some seconds and mends itself."""

    def __init__(self, federation: Federation, report: Report) -> None:
        self._federation = federation
        self._draw = federation.draw
        kinds = [self.kill_node, self.kill_coordinator, self.stop_node, self.stop_coordinator, self.cut]
        kinds += [self.slow, self.corrupt, self.swallow, self.clock_of_node, self.clock_of_coordinator]
        for possible, kind in ((federation.can_fill, self.full_disk), (bool(federation.island), self.partition)):
            if possible:
                kinds.append(kind)
            else:
                report.left_out.append(kind.__name__)
        self.kinds = {kind.__name__: kind for kind in kinds}

    def _node(self) -> Machine:
        return self._federation.machines[self._draw.choice(sorted(NODES))]

    async def _killed(self, machine: Machine, seconds: float) -> None:
        await machine.kill()
        await asyncio.sleep(seconds / 3)
        await machine.start()

    async def kill_node(self, seconds: float) -> None:
        """kill -9 a node."""
        await self._killed(self._node(), seconds)

    async def kill_coordinator(self, seconds: float) -> None:
        """kill -9 the coordinator."""
        await self._killed(self._federation.machines["coordinator"], seconds)

    async def _stopped(self, machine: Machine, seconds: float) -> None:
        machine.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        machine.signal(signal.SIGCONT)

    async def stop_node(self, seconds: float) -> None:
        """SIGSTOP a node."""
        await self._stopped(self._node(), seconds)

    async def stop_coordinator(self, seconds: float) -> None:
        """SIGSTOP the coordinator."""
        await self._stopped(self._federation.machines["coordinator"], seconds)

    async def cut(self, seconds: float) -> None:
        """Break every connection, three times."""
        for _ in range(3):
            for proxy in self._federation.proxies:
                proxy.cut()
            await asyncio.sleep(seconds / 3)

    async def _faulty(self, fault: str, seconds: float) -> None:
        for proxy in self._federation.proxies:
            proxy.fault = fault
        await asyncio.sleep(seconds)
        for proxy in self._federation.proxies:
            proxy.fault = ""

    async def slow(self, seconds: float) -> None:
        """40 kB/s for every connection."""
        await self._faulty("slow", seconds)

    async def corrupt(self, seconds: float) -> None:
        """Flip bits."""
        await self._faulty("corrupt", seconds)

    async def swallow(self, seconds: float) -> None:
        """Pass nothing on, and say nothing."""
        await self._faulty("swallow", seconds)

    async def _clock(self, machine: Machine, seconds: float) -> None:
        machine.set_clock(self._draw.choice((-1, 1)) * self._draw.uniform(1, CLOCK_JUMP_S))
        await asyncio.sleep(seconds)
        machine.set_clock(0)

    async def clock_of_node(self, seconds: float) -> None:
        """Let a node's clock jump, and jump back."""
        await self._clock(self._node(), seconds)

    async def clock_of_coordinator(self, seconds: float) -> None:
        """Let the coordinator's clock jump, and jump back."""
        await self._clock(self._federation.machines["coordinator"], seconds)

    async def full_disk(self, seconds: float) -> None:
        """Fill the coordinator's disk."""
        ballast = fill_disk(self._federation.root / "disk")
        await asyncio.sleep(seconds)
        ballast.unlink()

    async def partition(self, seconds: float) -> None:
        """Take the islander's network down."""
        assert self._federation.island is not None
        self._federation.island.cut_off(cut=True)
        await asyncio.sleep(seconds)
        self._federation.island.cut_off(cut=False)


async def epoch(federation: Federation, faults: Faults, report: Report, *, kills: bool) -> None:
    """Some faults one after another, perhaps two at once, while everybody works; then all must come out right."""
    stop, draw = asyncio.Event(), federation.draw
    working = [asyncio.create_task(owner.run(stop)) for owner in federation.light]
    watching = asyncio.create_task(watch(federation))
    supervising = asyncio.create_task(supervise(federation))
    kinds = sorted(name for name in faults.kinds if kills or not name.startswith("kill"))
    for _ in range(EPOCH_FAULTS):
        chosen = draw.sample(kinds, draw.choice((1, 1, 2)))
        for name in chosen:
            report.faults[name] = report.faults.get(name, 0) + 1
        federation.change_prompts(draw.choice(sorted(NODES)))
        await asyncio.gather(*(faults.kinds[name](draw.uniform(0.3, FAULT_S_MAX)) for name in chosen))
    if federation.masking == "required":
        # A single change would wait for others.
        for name in NODES:
            federation.change_prompts(name)
    stop.set()
    async with asyncio.timeout(CONVERGE_S):
        await asyncio.gather(*working)
    report.converge_s.append(await eventually(federation.check, CONVERGE_S, "what the model says"))
    for task in (watching, supervising):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    report.epochs += 1
    report.operations = sum(owner.operations for owner in federation.light)


async def watch(federation: Federation) -> None:
    """Look at what must hold at every moment, for ever."""
    while True:
        federation.look()
        await asyncio.sleep(0.1)


async def supervise(federation: Federation) -> None:
    """Start whatever ends by itself again, for ever."""
    while True:
        for machine in federation.machines.values():
            await machine.revive()
        await asyncio.sleep(0.5)


def usages(federation: Federation) -> dict[str, Usage]:
    """What every process holds."""
    return {name: Usage.of(machine.pid) for name, machine in federation.machines.items()}


def require_flat(before: dict[str, Usage], after: dict[str, Usage]) -> None:
    """Check that nobody holds more than at the beginning.

    Raises:
        Broken: somebody does.
    """
    for name, now in after.items():
        then = before[name]
        more = now.files - then.files, now.threads - then.threads, now.memory_kib - then.memory_kib
        if any(grown > most for grown, most in zip(more, (FILES_MORE, THREADS_MORE, MEMORY_MORE_KIB), strict=True)):
            raise Broken(f"{name} grew from {then} to {now}")


@contextlib.asynccontextmanager
async def federated(root: Path, masking: str, seed: int) -> AsyncIterator[Federation]:
    """A federation while the block runs."""
    draw = random.Random(seed)  # noqa: S311 - a scenario  # nosec B311
    with small_disk(root / "disk") as can_fill, island() as apart:
        host = apart.address if apart else "127.0.0.2"
        embedder = toy.write_toy_embedder(root / "toy")
        federation = Federation(root, masking, draw, embedder, host, free_port(), apart, can_fill)
        try:
            await federation.found()
            yield federation
        finally:
            for machine in federation.machines.values():
                with contextlib.suppress(AssertionError):
                    await machine.kill()
            for proxy in federation.proxies:
                await proxy.close()


async def soak(root: Path, minutes: float, seed: int, masking: str = "off", epochs_min: int = 4) -> Report:
    """Run it.

    Args:
        root: an empty folder.
        minutes: for how long at least.
        seed: of the faults; processes and network bring in chance of their own.
        masking: off, or required.
        epochs_min: how many epochs at least; the first half of them kills.

    Raises:
        Broken: something was not as the model says.
    """
    report, began = Report(), time.monotonic()
    async with federated(root, masking, seed) as federation:
        faults = Faults(federation, report)

        async def run(until_s: float, epochs: int, *, kills: bool) -> None:
            while time.monotonic() - began < until_s or report.epochs < epochs:
                await epoch(federation, faults, report, kills=kills)
                minutes_on = (time.monotonic() - began) / 60
                print(
                    f"{minutes_on:.1f} min: {report.epochs} epochs, {sum(report.faults.values())} faults,"
                    f" right after {report.converge_s[-1]:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )

        await run(30.0 * minutes, epochs_min // 2, kills=True)
        # One without kills first: what a process loads when it is first asked for it is no growth.
        await epoch(federation, faults, report, kills=False)
        report.before = usages(federation)
        await run(60.0 * minutes, epochs_min, kills=False)

        async def flat() -> None:
            report.after = usages(federation)
            require_flat(report.before, report.after)

        report.flat_s = await eventually(flat, FLAT_S, "as many open files, threads and memory as before")
        report.without_room = sum(machine.without_room for machine in federation.machines.values())
        report.deaths = {name: machine.deaths for name, machine in federation.machines.items() if machine.deaths}
        report.seconds = time.monotonic() - began
        if report.deaths:
            raise Broken(f"a daemon ended by itself: {report.deaths}")
    return report


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--masking", choices=("off", "required"), default="off")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ridgeway-soak-") as name:
        root = Path(name)
        try:
            report = asyncio.run(soak(root, arguments.minutes, arguments.seed, arguments.masking))
        except BaseException:
            for log in sorted(root.glob("*.log")):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n", file=sys.stderr)
            raise
    print(json.dumps(asdict(report), indent=1))


if __name__ == "__main__":
    main()
