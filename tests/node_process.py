"""Nodes in processes of their own that can be killed at any moment.

Starting an interpreter and importing numpy takes longer than most of what a node does. So one process imports
everything, and forks a daemon for each start; it never runs gRPC itself, which would not survive a fork.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from running import until

from ridgeway.node.daemon import NodeSettings, serve
from ridgeway.runtime.shutdown import stop_event

REFRESH_S = 0.05


@dataclass
class Nursery:
    """The process that forks daemons."""

    process: asyncio.subprocess.Process
    started: list[int] = field(default_factory=list)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self, data_dir: Path) -> int:
        """Start a daemon on a directory; its process id. It serves a moment later."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._asking:
            self.process.stdin.write(f"{data_dir}\n".encode())
            pid = int(await self.process.stdout.readline())
        self.started.append(pid)
        return pid

    async def start_serving(self, data_dir: Path) -> int:
        """Start a daemon on a directory, and wait until it serves: a command before that would do its work itself."""
        pid = await self.start(data_dir)
        await until(lambda: _served_by(data_dir) == str(pid), timeout_s=60.0)
        return pid


def _mark(data_dir: Path) -> Path:
    return Path(f"{data_dir}.serves")


def _served_by(data_dir: Path) -> str:
    return _mark(data_dir).read_text() if _mark(data_dir).exists() else ""


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Fork daemons while the block runs; none outlives it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, stdin=pipe, stdout=pipe)
    forks = Nursery(process)
    try:
        yield forks
    finally:
        for pid in forks.started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        await process.wait()


def main() -> None:
    """Fork a daemon for every line, and let the kernel reap it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(_serve(Path(line.strip())))
            return
        print(pid, flush=True)


def _say_served(data_dir: Path) -> None:
    _mark(data_dir).write_text(str(os.getpid()))


async def _serve(data_dir: Path) -> None:
    logging.basicConfig(filename=f"{data_dir}.log", level=logging.INFO, format="%(process)d %(asctime)s %(message)s")
    settings = NodeSettings(data_dir, refresh_s=REFRESH_S)
    await serve(settings, stop_event(), lambda _: _say_served(data_dir))


if __name__ == "__main__":
    main()
