"""A simulated world: one seed's time, network, hosts and processes, and the crashes at named points of their code."""

import asyncio
import gc
import logging
import os
import shutil
import sys
from asyncio import Task
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Protocol

from ridgeway.errors import RidgewayError
from ridgeway.simulation.calls import Listener
from ridgeway.simulation.clock import Clock
from ridgeway.simulation.durability import Durability
from ridgeway.simulation.event_loop import VirtualLoop
from ridgeway.simulation.network import Network
from ridgeway.simulation.process import AT_WORK, Host, PowerLost, Process, context_of
from ridgeway.simulation.scheduler import Scheduler
from ridgeway.simulation.trace import Trace

# These say how something is made durable, not what; a point is named by whoever calls them.
_ANONYMOUS = ("ridgeway.simulation", "ridgeway.runtime.data_dir")
# A program that ends by itself is started again, for a few faults end one; but not more often than this in one life.
ENDS_MAX = 20


class Violation(AssertionError):
    """Something that must never be."""


class Watcher(Protocol):
    """Sees every frame on its way, and every step."""

    def frame(self, source: str, target: str, method: str, kind: str, frame: bytes) -> bytes:
        """A frame is about to be sent; what is sent in its place."""

    def committed(self, process: Process) -> None:
        """A database of this process has committed."""

    def stepped(self) -> None:
        """A step has been made."""


class World:
    """See the module.

    Args:
        seed: of everything that is drawn.
        root: an empty directory on a file system in memory.
        trace: notes what happens.
    """

    def __init__(self, seed: int, root: Path, trace: Trace) -> None:
        self.random = Random(seed)
        self.root = root
        self.trace = trace
        self.scheduler = Scheduler()
        self.network = Network(self.scheduler, Random(seed + 1), trace)
        self.listeners: dict[str, Listener] = {}
        self.hosts: dict[str, Host] = {}
        self.watcher: Watcher | None = None
        self.loop = VirtualLoop(self.scheduler, Random(seed + 2), self._stepped)
        self.loop.set_exception_handler(self._handle)
        self.problems: Counter[str] = Counter()
        self.violation: BaseException | None = None
        self._finished: list[Task[Any]] = []

    # Hosts and processes

    def host(self, name: str, drift: float = 0.0, offset_s: float = 0.0) -> Host:
        """A new host, with an empty disk."""
        made = self.hosts[name] = Host(name, Clock(self.scheduler, drift, offset_s))
        (self.root / f"{name}.0").mkdir(mode=0o700)
        return made

    def start(self, host: Host, program: Callable[[Process], Coroutine[Any, Any, None]]) -> Process:
        """Run a program on a host from what its disk holds now."""
        if host.process is not None:
            raise ValueError(f"{host.name} runs already")
        root = self.root / f"{host.name}.{host.lives}"
        process = host.process = Process(host, root, Durability(root), None)  # type: ignore[arg-type]
        process.context = context_of(process)
        self.note(host.name, "starts", str(host.lives))
        task = process.context.run(self.loop.create_task, program(process))
        task.add_done_callback(lambda task: self._ended(process, task))
        self._finished.append(task)
        return process

    def _ended(self, process: Process, task: Task[None]) -> None:
        """A program that ends by itself has failed; whoever supervises it starts it again."""
        error = None if task.cancelled() else task.exception()
        if process.alive:
            name = _name(error)
            problem = f"{process.host.name.rstrip('0123456789')} ended: {name}"
            self.problems[problem] += 1
            if self.problems[problem] > ENDS_MAX:
                self.violate(Violation(f"more than {ENDS_MAX} times: {problem}"))
            self.crash(process, "ended", name)

    def crash(self, process: Process, kind: str, point: str = "") -> None:
        """End a process where it stands. After a power cut only what is durable is left of its files."""
        host = process.host
        self.trace.fault(self.scheduler.now_s, host.name, kind, point)
        process.alive = False
        host.process, host.lives = None, host.lives + 1
        left = self.root / f"{host.name}.{host.lives}"
        if kind == "power cut":
            process.durability.survivors(left, self.random)
        else:
            shutil.copytree(process.root, left, ignore=shutil.ignore_patterns("*.db-shm", "lock"))
        # A program that ends again and again must not fill the memory; the last life's files may be open still.
        shutil.rmtree(self.root / f"{host.name}.{host.lives - 2}", ignore_errors=True)
        for told in process.on_death:
            told()

    def effect(self, kind: str) -> None:
        """A process does something that may be its last.

        Raises:
            PowerLost: it was.
        """
        process = AT_WORK.get()
        if process is None or process.crash_in is None or not process.alive:
            return
        process.crash_in -= 1
        if process.crash_in <= 0:
            point = f"{kind} in {_point(sys._getframe(2))}"
            self.trace.points[point] += 1
            self.crash(process, self.random.choice(("power cut", "killed")), point)
            raise PowerLost

    # What the simulated gRPC tells

    def watch_frame(self, source: str, target: str, method: str, kind: str, frame: bytes) -> bytes:
        """A frame is about to be sent; what is sent."""
        source, target = source.rpartition(":")[0] or source, target.rpartition(":")[0] or target
        if self.watcher is not None:
            frame = self.watcher.frame(source, target, method, kind, frame)
        self.effect(f"{kind} of {method.rpartition('/')[2]}")
        return frame

    def unexpected(self, process: Process, error: Exception) -> None:
        """A behaviour failed with what no refusal is."""
        self.problems[f"{process.host.name.rstrip('0123456789')} failed: {_name(error)}"] += 1

    # Running

    def now_of(self, host: Host) -> Callable[[], datetime]:
        """The wall clock of a host."""
        return lambda: datetime.fromtimestamp(host.clock.wall_s(), UTC)

    def note(self, host: str, event: str, detail: str = "") -> None:
        """Note something in the trace."""
        self.trace.note(self.scheduler.now_s, host, event, detail)

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Run a story to its end.

        Raises:
            Violation: something happened that must not.
        """
        task = self.loop.create_task(story)
        task.add_done_callback(lambda _: self.loop.stop())
        self.loop.run_forever()
        if self.violation is not None:
            raise self.violation
        task.result()

    def close(self) -> None:
        """Forget the world."""
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _discard(task.get_coro())
        self.loop.close()
        gc.collect()
        shutil.rmtree(self.root, ignore_errors=True)

    def _stepped(self) -> None:
        if self.watcher is not None and self.violation is None:
            try:
                self.watcher.stepped()
            except Violation as violation:
                self.violate(violation)

    def violate(self, violation: BaseException) -> None:
        """End the run: something happened that must not."""
        self.violation = self.violation or violation
        self.loop.stop()

    def _handle(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Violation):
            self.violate(error)
        elif not isinstance(error, PowerLost | RidgewayError | type(None)):
            self.problems[f"unhandled: {_name(error)}"] += 1


def _discard(coroutine: Any) -> None:
    """Take a dead process's coroutine apart; each `finally` that still awaits something needs another turn."""
    for _ in range(20):
        with suppress(BaseException):
            coroutine.close()
            return


def _name(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return "nothing"
    if logging.getLogger("ridgeway.simulation").isEnabledFor(logging.DEBUG):
        logging.getLogger("ridgeway.simulation").debug("failed", exc_info=error)
    return f"{type(error).__name__}: {str(error)[:120]}"


def _point(frame: FrameType | None) -> str:
    """The innermost function of Ridgeway that says what is being done."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        function = frame.f_code.co_name
        if module.startswith("ridgeway.") and not module.startswith(_ANONYMOUS) and function != "transaction":
            return f"{module.removeprefix('ridgeway.')}.{function}"
        frame = frame.f_back
    return "nowhere"


def memory_directory() -> Path:
    """Where simulated disks lie: in memory, if there is such a file system."""
    shared = Path("/dev/shm")  # noqa: S108 - every run makes a directory of its own there
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108
