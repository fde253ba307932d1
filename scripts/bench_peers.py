"""Peers in processes and network namespaces of their own, with delay and loss: how long until all hold the same bits.

Each process is `ridgeway node --peers`; it joins by a real invitation and contributes sample prompts, pooled features
without the pseudo-random block, D = 385. Measured is the time from the return of the last join until every peer reports
the digest of the sum that the contributors' own files add up to, and one router. Needs root for the namespaces.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import network_namespaces
from network_namespaces import Network

from ridgeway.cli.local_federation import Process
from ridgeway.cli.local_peers import LocalPeers
from ridgeway.coordinator.founding import Wishes
from ridgeway.manifest import Masking
from ridgeway.samples import DOMAINS, train_path

PORT = 7443
GOAL_S = 15.0
WAIT_S = 300.0
JOINS_AT_ONCE = 6
LOOK_S = 0.1


@dataclass(slots=True)
class SpreadPeers(LocalPeers):
    """Local peers, each in a namespace."""

    network: Network | None = None

    async def start(self, owners: list[str]) -> None:  # type: ignore[override]
        """Start a node for each owner in the namespace of its number."""
        assert self.network
        for owner in owners:
            place = int(owner.rpartition("-")[2])
            with (self.root / f"{owner}.log").open("ab") as log:
                child = await asyncio.create_subprocess_exec(
                    "ip", "netns", "exec", self.network.names[place], sys.executable, "-m", "ridgeway.cli.main",
                    "node", "--peers", "--data-dir", str(self.data_dir(owner)), "--refresh", "0", "--json",
                    "--listen", f"{self.network.addresses[place]}:{PORT}",
                    stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                )  # fmt: skip
            self.processes[owner] = Process(owner, self.root / f"{owner}.log", child)
        await asyncio.gather(*(self.processes[owner].ready() for owner in owners))


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was done, and what that had cost until then.

    Attributes:
        at_s: on the clock.
        peers_s: of processor time of all peers.
        carrier_s: of whoever carries their packets.
        own_s: of whoever looks at them.
    """

    at_s: float
    peers_s: float
    carrier_s: float
    own_s: float


def processor_s(process: int) -> float:
    """Seconds on the processor of one process and all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def moment(peers: SpreadPeers) -> Moment:
    """Now."""
    assert peers.network
    spent_s = sum(processor_s(process.child.pid) for process in peers.processes.values())
    return Moment(time.monotonic(), spent_s, processor_s(peers.network.carrier), time.process_time())


def prompts_of(root: Path, place: int) -> dict[str, Path]:
    """A few prompts of one domain."""
    domain = DOMAINS[place % len(DOMAINS)]
    lines = train_path(domain).read_text().splitlines(keepends=True)
    path = root / f"prompts-{place}.jsonl"
    path.write_text("".join(lines[place // len(DOMAINS) :: 4]))
    return {domain: path}


async def all_hold(peers: SpreadPeers, owners: list[str], digest: str) -> None:
    """Wait until each has come to this sum and has a router of it; nobody is asked again who has, since every question
    takes time from those who are busy."""
    deadline = time.monotonic() + WAIT_S
    lacking = deque(owners)
    while lacking and time.monotonic() < deadline:
        status = await peers.status(lacking[0])
        gossip = status.gossip
        if gossip and gossip.sum_digest.hex() == digest and gossip.weights_digest and status.router_version:
            lacking.popleft()
        else:
            lacking.rotate()
            await asyncio.sleep(LOOK_S)


async def measure(root: Path, made: Network) -> dict[str, float]:
    """Let all join, a few at a time, and time the last join and what follows."""
    owners = [f"owner-{place}" for place in range(len(made.names))]
    wishes = Wishes(masking=Masking.OFF, columns=0)
    peers = SpreadPeers(root, wishes=wishes, network=made)
    await asyncio.to_thread(peers.found, owners[0])
    began = time.monotonic()
    try:
        for first in range(0, len(owners), JOINS_AT_ONCE):
            await peers.start(owners[first : first + JOINS_AT_ONCE])
        started = time.monotonic()
        gate = asyncio.Semaphore(JOINS_AT_ONCE)

        async def join(owner: str) -> None:
            async with gate:
                await peers.join(owner, prompts_of(root, owners.index(owner)))

        await join(owners[0])
        await asyncio.gather(*(join(owner) for owner in owners[1:-1]))
        last = time.monotonic()
        await join(owners[-1])
        joined = moment(peers)
        digest = await asyncio.to_thread(peers.plain_digest)
        await all_hold(peers, owners, digest)
        equal = moment(peers)
        await peers.agreed(digest)
    finally:
        await peers.stop()
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "start_s": started - began,
        "joins_s": last - started,
        "last_join_s": joined.at_s - last,
        "equal_s": equal.at_s - joined.at_s,
        "peers_processor_s": equal.peers_s - joined.peers_s,
        "peers_processor_before_s": joined.peers_s,
        "carrier_processor_s": equal.carrier_s - joined.carrier_s,
        "own_processor_s": equal.own_s - joined.own_s,
        "load": os.getloadavg()[0],
        "largest_process_mb": peak_mb,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=30)
    parser.add_argument("--delay-ms", type=float, default=50.0, help="of each packet, each way")
    parser.add_argument("--loss-percent", type=float, default=5.0, help="of packets, each way")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="an empty directory for data and logs")
    chosen = parser.parse_args()
    # So that the namespaces are removed then too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not network_namespaces.permitted():
        sys.exit("network namespaces are not permitted here; run as root, outside of a restricted container")
    with (
        tempfile.TemporaryDirectory(prefix="ridgeway-bench-") as folder,
        network_namespaces.network(chosen.peers, chosen.delay_ms, chosen.loss_percent) as made,
    ):
        found = asyncio.run(measure(chosen.keep or Path(folder), made))
    row = {"peers": chosen.peers, "delay_ms": chosen.delay_ms, "loss_percent": chosen.loss_percent, **found}
    if chosen.json:
        print(json.dumps(row))
        return
    print(f"{chosen.peers} processes, {chosen.delay_ms:g} ms and {chosen.loss_percent:g} % loss each way")
    print(f"from the last join's return to equal digests and routers: {found['equal_s']:.1f} s (goal {GOAL_S:g})")
    print(f"the last join itself: {found['last_join_s']:.1f} s; all before it: {found['joins_s']:.1f} s")
    print(f"processor seconds meanwhile, all peers: {found['peers_processor_s']:.1f}")
    print(f"  before it, all peers: {found['peers_processor_before_s']:.1f}")
    print(f"  who carries the packets: {found['carrier_processor_s']:.1f}; this script: {found['own_processor_s']:.1f}")
    print(f"load of the machine: {found['load']:.1f} on {os.cpu_count()} cores")
    print(f"the largest process: {found['largest_process_mb']:.0f} MB")


if __name__ == "__main__":
    main()
