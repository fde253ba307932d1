"""Nodes in processes of their own that can be killed at any moment."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from running import until

FORKING = Path(__file__).with_name("node_forking.py")


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


def _served_by(data_dir: Path) -> str:
    mark = Path(f"{data_dir}.serves")
    return mark.read_text() if mark.exists() else ""


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Fork daemons while the block runs; none outlives it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(FORKING), stdin=pipe, stdout=pipe)
    forks = Nursery(process)
    try:
        yield forks
    finally:
        for pid in forks.started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
