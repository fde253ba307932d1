"""Fork a node's daemon for every data directory on standard input; print its process id.

Starting an interpreter and importing numpy takes longer than most of what a node does. So one process imports
everything, and forks a daemon for each start; it never runs gRPC itself, which would not survive a fork.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from ridgeway.node.daemon import NodeSettings, serve
from ridgeway.runtime.shutdown import stop_event

REFRESH_S = 0.05


def main() -> None:
    """Fork a daemon for every line, and let the kernel reap it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(_serve(Path(line.strip())))
            return
        print(pid, flush=True)


async def _serve(data_dir: Path) -> None:
    logging.basicConfig(filename=f"{data_dir}.log", level=logging.INFO, format="%(process)d %(asctime)s %(message)s")
    settings = NodeSettings(data_dir, refresh_s=REFRESH_S)
    await serve(settings, stop_event(), lambda _: _say_served(data_dir))


def _say_served(data_dir: Path) -> None:
    Path(f"{data_dir}.serves").write_text(str(os.getpid()))


if __name__ == "__main__":
    main()
