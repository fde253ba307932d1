"""What a soak is run on: daemon processes, a small disk, a network of its own, as far as this machine lets us."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from soak_daemon import SERVES

DAEMON = Path(__file__).with_name("soak_daemon.py")
LAST_LINES = 12
# What a daemon says last that finds no room when it starts.
NO_ROOM = ("No space left on device", "disk is full")
DISK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds."""

    files: int
    threads: int
    memory_kib: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """What it holds now."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(files, int(status["Threads"]), int(status["VmRSS"].split()[0]))


@dataclass
class Machine:
    """One daemon, in whatever process runs it now.

    Attributes:
        name: what it is called.
        root: where its clock and its log lie.
        clock: the file that says how far off its clock is.
        deaths: what it said last, each time that it ended without our doing.
        without_room: how often it refused to start on a full disk, which is as it should be.
    """

    name: str
    root: Path
    data_dir: Path
    arguments: list[str]
    prefix: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    without_room: int = 0
    _process: asyncio.subprocess.Process | None = None
    _killed: bool = False

    @property
    def clock(self) -> Path:
        """How far off its clock is."""
        return self.root / f"{self.name}.clock"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.root / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def set_clock(self, seconds: float) -> None:
        """Set its clock ahead or back."""
        staged = self.clock.with_suffix(".new")
        staged.write_text(str(seconds))
        staged.replace(self.clock)

    async def start(self) -> None:
        """Start it."""
        if not self.clock.exists():
            self.set_clock(0)
        role, *rest = self.arguments
        command = [*self.prefix, sys.executable, str(DAEMON), role, str(self.data_dir), str(self.clock), *rest]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        self._killed = False

    async def revive(self) -> None:
        """Start it again if it has ended by itself, as systemd would."""
        assert self._process is not None
        if self._process.returncode is None or self._killed:
            return
        lines = self.log.read_text(errors="replace").splitlines()
        served = any(line.startswith(f"{self._process.pid} ") and line.endswith(SERVES) for line in lines)
        if not served and any(said in lines[-1] for said in NO_ROOM):
            self.without_room += 1
        else:
            self.deaths.append(f"status {self._process.returncode}: " + " | ".join(lines[-LAST_LINES:]))
        await self.start()

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._killed = True
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> int:
        """End it in order."""
        assert self._process is not None
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return await self._process.wait()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Make a folder a file system of its own that can be filled; False where only root may."""
    folder.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=0700"
    mounted = os.geteuid() == 0 and _ran("mount", "-t", "tmpfs", "-o", options, "ridgeway-soak", str(folder))
    try:
        yield mounted
    finally:
        if mounted:
            _ran("umount", "--lazy", str(folder))


def fill_disk(folder: Path) -> Path:
    """Use up what is left in a file system; the file that does."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return ballast


@dataclass(frozen=True, slots=True)
class Island:
    """A network namespace behind a pair of interfaces; what runs in it reaches only this machine's end of them."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """What a command begins with to run there."""
        return ["ip", "netns", "exec", self.name]

    def cut_off(self, *, cut: bool) -> None:
        """Take its interface down, or up again."""
        _ran("ip", "-n", self.name, "link", "set", f"{self.name}b", "down" if cut else "up")


@contextmanager
def island() -> Iterator[Island | None]:
    """Make a namespace while the block runs; None where only root may, or where there are none."""
    number = os.getpid() % 16_384
    name, net = f"rw{number}", f"10.201.{number // 64}.{number % 64 * 4}"
    ours, theirs = (f"{net.rpartition('.')[0]}.{number % 64 * 4 + i}" for i in (1, 2))
    made = (
        os.geteuid() == 0
        and shutil.which("ip") is not None
        and _ran("ip", "netns", "add", name)
        and _ran("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        and _ran("ip", "link", "set", f"{name}b", "netns", name)
        and _ran("ip", "address", "add", f"{ours}/30", "dev", f"{name}a")
        and _ran("ip", "link", "set", f"{name}a", "up")
        and _ran("ip", "-n", name, "address", "add", f"{theirs}/30", "dev", f"{name}b")
        and _ran("ip", "-n", name, "link", "set", f"{name}b", "up")
    )
    try:
        yield Island(name, ours) if made else None
    finally:
        _ran("ip", "netns", "delete", name)


def _ran(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
