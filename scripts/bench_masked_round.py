"""A whole masked round over loopback with real node processes, against the same owners contributing unmasked.

Every owner's node has a changed contribution ready while the coordinator is stopped; then it goes on, and the clock
runs. Unmasked: until the last contribution is committed. Masked: from the call of the round to its commit, as the
coordinator's log says, and for information also from the start as unmasked, which includes the second in which changes
are gathered. Memory is sampled meanwhile, in vectors of the round: what a process takes until the commit beyond what it
had before; solving the next router is another matter.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bench_report import Row, at_most, for_information, report
from node_running import words, write_prompts
from toy import write_toy_embedder

from ridgeway import round_vector
from ridgeway.cli.local_federation import LocalFederation
from ridgeway.layout import Layout
from ridgeway.node.state import STATE_FILE, NodeState

DIMENSION = 1025
DOMAIN = "law"
SAMPLE_S = 0.002
READY_S = 60.0
# Until routers are tried on the hold-outs, which is a round of its own.
QUIET_S = 4.0
OPTIONS = ("--features", "tokens", "--mass", "tokens", "--log-format", "json")


@dataclass
class Samples:
    """Resident bytes of processes over time, by name: (Unix seconds, bytes)."""

    pids: dict[str, int]
    taken: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sample in a thread while the block runs."""
        stop = threading.Event()
        self.taken = {name: [] for name in self.pids}

        def run() -> None:
            while not stop.wait(SAMPLE_S):
                for name, pid in self.pids.items():
                    self.taken[name].append((time.time(), resident(pid)))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def growth(self, name: str, until: float) -> int:
        """The most beyond the first sample until a time."""
        taken = self.taken[name]
        return max(size for at, size in taken if at <= until) - taken[0][1]


@dataclass(frozen=True)
class Measured:
    """One round, or as many uploads: seconds in all and of the round alone; growth of coordinator and node, bytes."""

    whole_s: float
    round_s: float
    coordinator_bytes: int
    node_bytes: int


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Bench:
    """One federation whose owners change their contributions all at once."""

    def __init__(self, root: Path, owners: int, *, masked: bool) -> None:
        root.mkdir()
        self._root, self._masked = root, masked
        embedder = write_toy_embedder(root / "embedder", dimension=DIMENSION - 1)
        masking = ("--masking", "required", "--min-cohort", str(owners)) if masked else ("--masking", "off")
        self._federation = LocalFederation(root, str(embedder), [*OPTIONS, *masking])
        self._owners = [f"owner-{i}" for i in range(owners)]
        self._edition = 0

    async def measure(self, repetitions: int) -> list[Measured]:
        """Join everybody, then measure."""
        try:
            await self._federation.start(self._owners)
            self._write()
            await asyncio.gather(*(self._join(owner) for owner in self._owners))
            return [await self._change() for _ in range(repetitions)]
        finally:
            await self._federation.stop()

    def _source(self, owner: str) -> Path:
        return self._root / f"{owner}.jsonl"

    def _write(self) -> None:
        self._edition += 1
        for i, owner in enumerate(self._owners):
            write_prompts(self._source(owner), words(7 * i + self._edition, 60))

    async def _join(self, owner: str) -> None:
        await self._federation.join(owner, {DOMAIN: self._source(owner)}, lambda _: None)

    async def _change(self) -> Measured:
        await asyncio.sleep(QUIET_S)
        processes = self._federation.processes
        coordinator = processes["coordinator"].child
        coordinator.send_signal(signal.SIGSTOP)
        self._write()
        changing = [
            asyncio.create_task(self._federation.contribute(owner, {DOMAIN: self._source(owner)}))
            for owner in self._owners
        ]
        async with asyncio.timeout(READY_S):
            while not all(self._is_ready(owner) for owner in self._owners):  # noqa: ASYNC110 - other processes' work
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        samples = Samples({name: processes[name].child.pid for name in ("coordinator", self._owners[0])})
        with samples.running():
            await asyncio.sleep(0.1)
            started = time.time()
            coordinator.send_signal(signal.SIGCONT)
            await asyncio.gather(*changing)
            ended = time.time()
        called, committed = self._round() if self._masked else (started, self._last_upload())
        return Measured(
            ended - started,
            committed - called,
            samples.growth("coordinator", committed),
            samples.growth(self._owners[0], committed),
        )

    def _is_ready(self, owner: str) -> bool:
        state = NodeState(self._federation.data_dir(owner) / STATE_FILE, read_only=True)
        try:
            return not state.contributions()[DOMAIN].committed
        finally:
            state.close()

    def _log(self) -> Iterator[tuple[float, str]]:
        for line in (self._root / "coordinator.log").read_text().splitlines():
            entry = json.loads(line)
            yield datetime.fromisoformat(entry["time"]).timestamp(), entry["message"]

    def _last_upload(self) -> float:
        return max(at for at, message in self._log() if message.startswith("committed owner-"))

    def _round(self) -> tuple[float, float]:
        """When the newest round of all owners was called and committed, Unix seconds."""
        times = {}
        for at, message in self._log():
            for word in ("called incremental", "committed"):
                if message.startswith(f"{word} round ") and f"of {len(self._owners)} owners" in message:
                    times[word] = at
        return times["called incremental"], times["committed"]


async def measured(owners: int, repetitions: int, *, masked: bool) -> list[Measured]:
    """A federation of its own, measured."""
    with tempfile.TemporaryDirectory(prefix="ridgeway-") as root:
        return await Bench(Path(root) / "federation", owners, masked=masked).measure(repetitions)


def rows(owners: int, repetitions: int) -> Iterator[Row]:
    """Measure and compare."""
    layout = Layout(DIMENSION, 20)
    vector = 8 * round_vector.length(layout, 1)
    plain = asyncio.run(measured(owners, repetitions, masked=False))
    masked = asyncio.run(measured(owners, repetitions, masked=True))
    unmasked_s = median(one.round_s for one in plain)
    name = f"D = {DIMENSION}, {owners} node processes, s:"
    yield at_most(f"{name} masked round / unmasked", median(one.round_s for one in masked), unmasked_s, 4)
    yield for_information(f"{name} with the second of gathering", median(one.whole_s for one in masked), unmasked_s)
    for who in ("coordinator", "node"):
        grown = max(getattr(one, f"{who}_bytes") for one in masked)
        yield at_most(f"D = {DIMENSION}, {owners} owners: growth of the {who} in vectors", grown / vector, 1, 6)


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owners", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    arguments = parser.parse_args()
    report(rows(arguments.owners, arguments.repetitions), as_json=arguments.json)


if __name__ == "__main__":
    main()
