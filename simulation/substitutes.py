"""What takes the place of clock, chance, disk and network while a world is simulated; nothing in the daemons knows.

Each substitute acts for the process at work, and leaves everybody else alone.
"""

import errno
import os
import random
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ridgeway.crypto.identity import IdentityKey
from ridgeway.embedder import Embedder
from ridgeway.runtime.remote_errors import Unreachable
from ridgeway.runtime.tls import MemberTls
from ridgeway.simulation.calls import Channel
from ridgeway.simulation.process import AT_WORK, PowerLost, Process, context_of
from ridgeway.simulation.world import World

_COORDINATOR = "ridgeway.coordinator"
_NODE = "ridgeway.node"


class InlineExecutor:
    """Does at once what a thread would do meanwhile."""

    def __init__(self, **_: object) -> None:
        """Nothing is needed."""

    def __enter__(self) -> "InlineExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to wait for."""

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Do it."""
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            done.set_exception(error)
        return done

    def map(self, function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """Do it for each."""
        return map(function, values)


class SlowFuture(Future[Any]):
    """What comes of work that a `SlowExecutor` has still to do."""

    def __init__(self, catch_up: Callable[[], None]) -> None:
        super().__init__()
        self._catch_up = catch_up

    def result(self, timeout: float | None = None) -> Any:
        """Wait for it."""
        self._catch_up()
        return super().result(timeout)


class SlowExecutor:
    """A thread that gets to its work only when somebody waits for it."""

    def __init__(self, **_: object) -> None:
        self._waiting: deque[tuple[SlowFuture, Callable[[], Any]]] = deque()

    def submit(self, function: Callable[..., Any], *args: Any) -> SlowFuture:
        """Put it behind what waits already."""
        future = SlowFuture(self._catch_up)
        self._waiting.append((future, partial(function, *args)))
        return future

    def shutdown(self, *, wait: bool) -> None:
        """Do what is left."""
        del wait
        self._catch_up()

    def _catch_up(self) -> None:
        while self._waiting:
            future, work = self._waiting.popleft()
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
                future.set_exception(error)


def later_executor(world: World) -> type[InlineExecutor]:
    """An executor whose thread gets to its work between two steps."""

    class LaterExecutor(InlineExecutor):
        def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
            done: Future[Any] = Future()
            process = AT_WORK.get()

            def work() -> None:
                if process is None or not process.alive:
                    return
                try:
                    done.set_result(function(*args))
                except PowerLost:
                    return
                except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
                    done.set_exception(error)

            context = context_of(process) if process else None
            world.scheduler.at(world.loop.thread_due_s(self), lambda: world.loop.call_soon(work, context=context))
            return done

    return LaterExecutor


def connection_class(world: World) -> type[sqlite3.Connection]:
    """SQLite connections whose commits are points at which a process may die, and that find no room on a full disk."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, values)
            process = AT_WORK.get()
            world.effect("before commit")
            if process is not None and process.host.full:
                super().execute("ROLLBACK")
                raise sqlite3.OperationalError("database or disk is full")
            cursor = super().execute(sql, values)
            if process is not None and process.alive and world.watcher is not None:
                world.watcher.committed(process)
            world.effect("after commit")
            return cursor

    return Connection


@contextmanager
def substituted(world: World, embedder: Embedder) -> Iterator[None]:
    """Let everything that happens in the block happen in a world.

    Args:
        world: see there.
        embedder: what every name of an embedder stands for.
    """
    with ExitStack() as stack:
        for target, attribute, substitute in (
            *_times(world),
            *_chances(world),
            *_files(world),
            (sqlite3, "connect", _connect(world)),
        ):
            stack.enter_context(patch.object(target, attribute, substitute))
        for name, substitute in (*_network(world), *_threads(world)):
            stack.enter_context(patch(name, substitute))
        stack.enter_context(patch(f"{_NODE}.agent.load_embedder", lambda _: embedder))
        yield


def _times(world: World) -> Iterator[tuple[object, str, object]]:
    def of_process(true: Callable[[], Any], read: Callable[[Process], Any]) -> Callable[[], Any]:
        def now() -> Any:
            process = AT_WORK.get()
            return true() if process is None else read(process)

        return now

    del world
    yield time, "time", of_process(time.time, lambda p: p.host.clock.wall_s())
    yield time, "time_ns", of_process(time.time_ns, lambda p: int(p.host.clock.wall_s() * 1e9))
    yield time, "monotonic", of_process(time.monotonic, lambda p: p.host.clock.monotonic_s())
    yield time, "perf_counter", of_process(time.perf_counter, lambda p: p.host.clock.monotonic_s())


def _chances(world: World) -> Iterator[tuple[object, str, object]]:
    def generate() -> IdentityKey:
        return IdentityKey(Ed25519PrivateKey.from_private_bytes(world.random.randbytes(32)))

    yield secrets, "token_bytes", world.random.randbytes
    yield secrets, "token_hex", lambda count: world.random.randbytes(count).hex()
    yield random, "random", world.random.random
    yield IdentityKey, "generate", staticmethod(generate)


def _files(world: World) -> Iterator[tuple[object, str, object]]:
    write, pwrite, replace, fsync, fdatasync = os.write, os.pwrite, os.replace, os.fsync, os.fdatasync

    def require_room() -> None:
        process = AT_WORK.get()
        if process is not None and process.host.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def syncing(true: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            process = AT_WORK.get()
            if process is None:
                true(descriptor)
                return
            world.effect("before sync")
            if process.alive:
                process.durability.synced(descriptor)
            world.effect("after sync")

        return sync

    def writing(true: Callable[..., int]) -> Callable[..., int]:
        def put(descriptor: int, data: bytes, *place: int) -> int:
            world.effect("before write")
            require_room()
            return true(descriptor, data, *place)

        return put

    def replacing(source: Any, target: Any) -> None:
        world.effect("before rename")
        replace(source, target)
        world.effect("after rename")

    yield os, "write", writing(write)
    yield os, "pwrite", writing(pwrite)
    yield os, "replace", replacing
    yield os, "fsync", syncing(fsync)
    yield os, "fdatasync", syncing(fdatasync)


def _connect(world: World) -> Callable[..., sqlite3.Connection]:
    connect, factory = sqlite3.connect, connection_class(world)
    return lambda *args, **kwargs: connect(*args, **{**kwargs, "factory": factory, "check_same_thread": False})


def _network(world: World) -> Iterator[tuple[str, object]]:
    def here() -> str:
        process = AT_WORK.get()
        return "nobody" if process is None else process.host.name

    def member_channel(address: str, tls: MemberTls) -> Channel:
        return Channel(world, here(), address, tls.certificate_pem)

    def enrolment_channel(address: str, authority: bytes) -> Channel:
        del authority
        return Channel(world, here(), address)

    def fetch_pinned_authority(address: str, ca_sha256: bytes) -> bytes:
        del ca_sha256
        listener = world.listeners.get(address)
        if listener is None or not listener.process.alive or not world.network.reaches(here(), "coordinator"):
            raise Unreachable(f"{address} does not answer")
        return (listener.process.root / "authority.pem").read_bytes()

    yield f"{_NODE}.link.member_channel", member_channel
    yield f"{_NODE}.enrolment.enrolment_channel", enrolment_channel
    yield f"{_NODE}.enrolment.fetch_pinned_authority", fetch_pinned_authority


def _threads(world: World) -> Iterator[tuple[str, object]]:
    yield f"{_COORDINATOR}.publication.ThreadPoolExecutor", later_executor(world)
    yield f"{_COORDINATOR}.payload_store.ThreadPoolExecutor", SlowExecutor
    yield f"{_NODE}.masking.ThreadPoolExecutor", InlineExecutor
    yield f"{_NODE}.counting.ThreadPoolExecutor", InlineExecutor
