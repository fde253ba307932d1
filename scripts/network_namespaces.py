"""A network of its own for each process on this machine, with delay and loss between them; needs root and /dev/net/tun.

Each namespace has one tunnel device. What goes out of it is read here, lost by chance, held back for the delay, and
written to the tunnel of the namespace that it is for: what netem does, in user space, since not every kernel has netem.
The machine's own network is not touched.
"""

import contextlib
import ctypes
import fcntl
import heapq
import mmap
import multiprocessing
import os
import random
import selectors
import signal
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_MTU = 1500
# Packets on their way; a router with a shorter memory would lose more than it was asked to.
_HELD_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Network:
    """Namespaces side by side.

    Attributes:
        names: of the namespaces, one for each process.
        addresses: their IPv4 addresses.
        carrier: the process that carries the packets, which costs time on the processor too.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    carrier: int
    _sides: memoryview = field(repr=False)

    def part(self, *places: int) -> None:
        """Cut the namespaces at these places off from the others; among each other they reach."""
        for place in places:
            self._sides[place] = 1

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        for place in range(len(self.names)):
            self._sides[place] = 0


def permitted() -> bool:
    """Whether this process may make network namespaces and tunnels."""
    name = f"rw-try-{os.getpid()}"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return made and os.access("/dev/net/tun", os.R_OK | os.W_OK)


@contextmanager
def network(count: int, delay_ms: float, loss_percent: float) -> Iterator[Network]:
    """Namespaces whose packets, each way, take so long and get lost so often.

    Args:
        count: how many, up to 250.
        delay_ms: of each packet.
        loss_percent: of packets.
    """
    tag = uuid.uuid4().hex[:4]
    names = tuple(f"rw{tag}-{place}" for place in range(1, count + 1))
    addresses = tuple(f"10.77.0.{place}" for place in range(1, count + 1))
    tunnels: list[int] = []
    try:
        for name, address in zip(names, addresses, strict=True):
            tunnels.append(_namespace(name, address))
        context = multiprocessing.get_context("fork")
        sides = memoryview(mmap.mmap(-1, count))
        forwarder = context.Process(
            target=_forward, args=(tunnels, delay_ms / 1000, loss_percent / 100, sides), daemon=True
        )
        forwarder.start()
        try:
            yield Network(names, addresses, forwarder.pid or 0, sides)
        finally:
            forwarder.terminate()
            forwarder.join()
    finally:
        for tunnel in tunnels:
            os.close(tunnel)
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _namespace(name: str, address: str) -> int:
    """Make a namespace with a tunnel; the descriptor of the tunnel."""
    _run("ip", "netns", "add", name)
    with _inside(name):
        tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tunnel, _TUNSETIFF, struct.pack("16sH", b"tun0", _IFF_TUN | _IFF_NO_PI))
    _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "tun0")
    _run("ip", "-n", name, "link", "set", "tun0", "mtu", str(_MTU), "txqueuelen", "10000", "up")
    _run("ip", "-n", name, "link", "set", "lo", "up")
    return tunnel


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Let this thread make its devices in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(Path("/var/run/netns") / name, os.O_RDONLY)
    try:
        if libc.setns(there, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(here, _CLONE_NEWNET)
        os.close(here)
        os.close(there)


def _forward(tunnels: list[int], delay_s: float, loss: float, sides: memoryview) -> None:
    """Carry packets between tunnels, for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The network does not wait its turn behind those whom it connects: on a busy machine that would be the delay.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    chance = random.Random(1)  # noqa: S311 - loses packets, protects nothing
    held: list[tuple[float, int, int, bytes]] = []
    number = 0
    with selectors.DefaultSelector() as selector:
        for tunnel in tunnels:
            selector.register(tunnel, selectors.EVENT_READ)
        while True:
            wait_s = max(0.0, held[0][0] - time.monotonic()) if held else None
            for key, _ in selector.select(wait_s):
                for packet in _packets(key.fd):
                    source, target = _ends(packet)
                    if not (0 <= source < len(tunnels) and 0 <= target < len(tunnels)):
                        continue
                    if sides[source] == sides[target] and chance.random() >= loss and len(held) < _HELD_MAX:
                        number += 1
                        heapq.heappush(held, (time.monotonic() + delay_s, number, tunnels[target], packet))
            now = time.monotonic()
            while held and held[0][0] <= now:
                _, _, tunnel, packet = heapq.heappop(held)
                with contextlib.suppress(BlockingIOError):
                    os.write(tunnel, packet)


def _ends(packet: bytes) -> tuple[int, int]:
    """The places of sender and receiver of an IPv4 packet; of any other, places that nobody has."""
    return (packet[15] - 1, packet[19] - 1) if packet[0] >> 4 == 4 else (-1, -1)


def _packets(tunnel: int) -> Iterator[bytes]:
    """What waits in a tunnel, a few packets at a time, so that the others get their turn."""
    for _ in range(64):
        try:
            yield os.read(tunnel, _MTU + 100)
        except BlockingIOError:
            return


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
