"""Daemons under a service manager: ready once they serve, alive as long as they answer, and stopping when told."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import toy
from free_port import free_port
from service_manager import ServiceManager

from ridgeway.runtime.supervision import Supervisor

WATCHDOG_S = 0.6
ALIVE = "WATCHDOG=1"

# A coordinator one of whose parts hangs when it is told to: its event loop, or the thread that owns the ledger.
_HANGING = """
import signal, sys, threading, time
from ridgeway.cli import main
from ridgeway.coordinator.ledger import Ledger

hang, check = threading.Event(), Ledger.check
if sys.argv.pop(1) == "loop":
    import asyncio
    def stall(*_): asyncio.get_running_loop().call_soon(time.sleep, 3600)
    signal.signal(signal.SIGUSR1, stall)
else:
    def slow(ledger):
        while hang.is_set(): time.sleep(0.01)
        return check(ledger)
    Ledger.check = slow
    signal.signal(signal.SIGUSR1, lambda *_: hang.set())
    signal.signal(signal.SIGUSR2, lambda *_: hang.clear())
main.main()
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    listening = ServiceManager(tmp_path / "notify")
    yield listening
    listening.close()


@contextmanager
def started(manager: ServiceManager, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, *command], env=manager.variables(WATCHDOG_S), stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.wait()


def coordinator(tmp_path: Path, port: int) -> list[str]:
    embedder = str(toy.write_toy_embedder(tmp_path / "toy"))
    return [
        "coordinator", "--data-dir", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--embedder", embedder
    ]  # fmt: skip


def serves(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_coordinator_is_ready_when_it_serves_and_says_that_it_stops(manager: ServiceManager, tmp_path: Path) -> None:
    port = free_port()
    with started(manager, "-m", "ridgeway.cli.main", *coordinator(tmp_path, port)) as child:
        manager.wait_for("READY=1")
        assert serves(port)
        assert serves(port + 1)
        assert f"127.0.0.1:{port}" in next(heard for heard in manager.heard if heard.startswith("STATUS=serving"))
        for _ in range(3):
            manager.wait_for(ALIVE)
        child.send_signal(signal.SIGSTOP)
        manager.silence(ALIVE, 2 * WATCHDOG_S)
        child.send_signal(signal.SIGCONT)
        manager.wait_for(ALIVE)
        child.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert child.wait(30) == 0
        assert manager.heard.index("READY=1") < manager.heard.index("STOPPING=1")


@pytest.mark.parametrize("part", ["loop", "ledger"])
def test_a_coordinator_one_part_of_which_hangs_is_not_alive(manager: ServiceManager, tmp_path: Path, part: str) -> None:
    with started(manager, "-c", _HANGING, part, *coordinator(tmp_path, free_port())) as child:
        manager.wait_for("READY=1")
        manager.wait_for(ALIVE)
        child.send_signal(signal.SIGUSR1)
        manager.silence(ALIVE, 2 * WATCHDOG_S)
        assert child.poll() is None
        if part == "ledger":
            child.send_signal(signal.SIGUSR2)
            manager.wait_for(ALIVE)


def test_a_node_is_ready_alive_and_stops(manager: ServiceManager, tmp_path: Path) -> None:
    with started(manager, "-m", "ridgeway.cli.main", "node", "--data-dir", str(tmp_path / "node")) as child:
        manager.wait_for("READY=1")
        assert (tmp_path / "node" / "node.sock").exists()
        manager.wait_for(ALIVE)
        child.send_signal(signal.SIGSTOP)
        manager.silence(ALIVE, 2 * WATCHDOG_S)
        child.send_signal(signal.SIGCONT)
        child.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert child.wait(30) == 0


async def test_without_a_service_manager_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    supervisor = Supervisor()
    supervisor.ready("serving")
    async with asyncio.timeout(1):
        # With one it goes on for ever.
        await supervisor.watch()
    supervisor.stopping()
    supervisor.close()
    assert caplog.text == ""


def test_a_service_manager_that_has_gone_hurts_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    supervisor = Supervisor()
    supervisor.ready("serving")
    supervisor.close()
    assert "cannot be told" in caplog.text
