"""Peers in processes of their own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from peer_running import PeerHome


@dataclass
class Processes:
    """Real `ridgeway node` processes."""

    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, owner: str, home: PeerHome, listen: str | None = None, prefix: tuple[str, ...] = ()) -> None:
        """Start a node and wait until it answers; it may listen elsewhere, by a command before its own."""
        with home.data_dir.with_suffix(".log").open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *prefix, sys.executable, "-m", "ridgeway.cli.main", "node", "--peers", "--data-dir", str(home.data_dir),
                "--listen", listen or f"127.0.0.1:{home.port}", "--refresh", "0", "--json",
                stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.running[owner] = child
        assert child.stdout
        assert b"ready" in await child.stdout.readline(), home.data_dir.with_suffix(".log").read_text()[-3000:]

    async def kill(self, owner: str) -> None:
        """End a node with SIGKILL."""
        child = self.running.pop(owner)
        child.kill()
        assert await child.wait() == -signal.SIGKILL


@asynccontextmanager
async def processes() -> AsyncIterator[Processes]:
    """No process outlives the block."""
    made = Processes()
    try:
        yield made
    finally:
        for child in made.running.values():
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
