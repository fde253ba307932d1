"""From the newest sum to the newest router, and from there to everyone who watches.

The solver always takes the newest sum: what changes while it runs is solved right after, together. A watcher is sent
the newest router only and is never waited for, so a slow one holds up nobody.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.manifest import SolverSettings
from ridgeway.proto.messages import RouterChunk
from ridgeway.proto.router_artifact import encode_router, pieces
from ridgeway.ridge import solve
from ridgeway.router import Expert, RouterWeights
from ridgeway.sums import FederationSum

_log = logging.getLogger("ridgeway.coordinator")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one router is solved from."""

    revision: int
    total: FederationSum
    sum_digest: bytes
    experts: tuple[Expert, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """One router version, ready to send."""

    version: int
    ridge: float
    sum_digest: bytes
    published_unix_ms: int
    artifact: bytes = field(repr=False)


def snapshot(federation: Federation) -> Snapshot:
    """Copy what the solver needs; runs where the federation may be touched."""
    experts = tuple(Expert(e.owner, e.domain, e.url, e.model) for e in federation.ledger.experts())
    return Snapshot(federation.ledger.revision, federation.sum.copy(), federation.sum_digest, experts)


def solve_router(taken: Snapshot, manifest_digest: bytes, settings: SolverSettings) -> Published:
    """Solve a snapshot and encode the router; its version is the ledger's revision.

    Raises:
        InconsistentSum, UnsolvableSystem: the sum gives no router.
    """
    a, b = taken.total.normal_equations()
    solution = solve(a, b, taken.total.masses, sum(taken.total.rows), settings)
    router = RouterWeights(
        version=taken.revision,
        domains=taken.total.domains,
        weights=solution.weights,
        ridge=solution.ridge,
        sum_digest=taken.sum_digest,
        manifest_digest=manifest_digest,
        experts=taken.experts,
    )
    now_ms = time.time_ns() // 1_000_000
    return Published(taken.revision, solution.ridge, taken.sum_digest, now_ms, encode_router(router, now_ms))


class Publisher:
    """The solver's task and the feed of its routers."""

    def __init__(self, federation: Federation, exclusive: Exclusive) -> None:
        self._federation = federation
        self._exclusive = exclusive
        self._changed = asyncio.Event()
        self._turn = asyncio.Event()
        self._closing = False
        self.latest: Published | None = None

    def change(self) -> None:
        """The sum or the experts changed: solve again as soon as the solver is free."""
        self._changed.set()

    async def run(self) -> None:
        """Solve whenever something changed, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            taken = await self._exclusive(snapshot, self._federation)
            if not taken.total.domains or (self.latest and self.latest.version == taken.revision):
                continue
            settings = self._federation.manifest.solver
            self.latest = await asyncio.to_thread(solve_router, taken, self._federation.manifest_digest, settings)
            _log.info("published router %d from sum %s", self.latest.version, self.latest.sum_digest.hex())
            self.wake()

    def wake(self) -> None:
        """Let every watcher look again: at a new router, at its membership, at the end."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def close(self) -> None:
        """End every watcher's stream."""
        self._closing = True
        self.wake()

    async def follow(self, known_version: int, still_welcome: Callable[[], None]) -> AsyncIterator[RouterChunk]:
        """The newest router if it is newer than the one known, and every newer one as it is made, in pieces.

        Args:
            known_version: what the watcher has.
            still_welcome: raises when the watcher may not watch any more; asked before every router and at every wake.
        """
        while True:
            turn = self._turn
            still_welcome()
            if self._closing:
                return
            newest = self.latest
            if newest is None or newest.version <= known_version:
                await turn.wait()
                continue
            for piece in pieces(newest.version, newest.artifact):
                yield piece
            known_version = newest.version
