"""A coordinator or a node in a process of its own, with the toy embedder and a clock that others move.

soak_daemon.py coordinator DATA_DIR CLOCK_FILE HOST PORT ADVERTISED EMBEDDER MASKING
soak_daemon.py node DATA_DIR CLOCK_FILE
"""

import asyncio
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ridgeway.coordinator import daemon as coordinator
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedders import load_embedder
from ridgeway.manifest import FeatureMap, Masking
from ridgeway.node import daemon as node
from ridgeway.runtime.shutdown import stop_event

REFRESH_S = 0.2
# What the log says once a daemon has started.
SERVES = "it serves"
# Short, so that they are renewed during a soak; longer than any clock jumps.
CERTIFICATE_LIFETIME = timedelta(minutes=20)


@dataclass(frozen=True)
class FileClock:
    """The machine's clock, as far off as a file says in seconds."""

    path: Path

    def __call__(self) -> datetime:
        """The time."""
        return datetime.now(UTC) + timedelta(seconds=float(self.path.read_text() or 0))


async def serve_coordinator(data_dir: Path, clock: FileClock, arguments: list[str]) -> None:
    """Serve until SIGTERM."""
    host, port, advertised, embedder, masking = arguments
    wishes = Wishes(features=FeatureMap.TOKENS, masking=Masking(masking))
    settings = coordinator.CoordinatorSettings(
        data_dir,
        lambda: load_embedder(embedder).fingerprint,
        wishes,
        host,
        int(port),
        advertised,
        CERTIFICATE_LIFETIME,
        clock,
    )
    await coordinator.serve(settings, stop_event(), _serves)


async def serve_node(data_dir: Path, clock: FileClock) -> None:
    """Serve until SIGTERM."""
    await node.serve(node.NodeSettings(data_dir, refresh_s=REFRESH_S, now=clock, probe_s=0), stop_event(), _serves)


def _serves(_: object) -> None:
    logging.getLogger("soak").info(SERVES)


def main() -> None:
    """Do what the command line says."""
    role, data_dir, clock = sys.argv[1], Path(sys.argv[2]), FileClock(Path(sys.argv[3]))
    logging.basicConfig(level=logging.INFO, format="%(process)d %(asctime)s %(levelname)s %(name)s %(message)s")
    if role == "coordinator":
        asyncio.run(serve_coordinator(data_dir, clock, sys.argv[4:]))
    else:
        asyncio.run(serve_node(data_dir, clock))


if __name__ == "__main__":
    main()
