"""From the newest sum to the newest router, and from there to everyone who watches.

The solver always takes the newest sum: what changes while it runs is solved right after, together. A watcher is sent
the newest router only and is never waited for, so a slow one holds up nobody.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.manifest import SolverSettings
from ridgeway.proto.messages import RouterChunk
from ridgeway.proto.router_artifact import encode_router, pieces
from ridgeway.ridge import solve
from ridgeway.router import Expert, RouterWeights
from ridgeway.sums import FederationSum

_log = logging.getLogger("ridgeway.coordinator")

P = ParamSpec("P")
T = TypeVar("T")


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


def snapshot(federation: Federation, known_version: int) -> Snapshot | None:
    """Copy what the solver needs, if something changed since a version; runs where the federation may be touched."""
    revision = federation.ledger.revision
    if revision == known_version:
        return None
    experts = tuple(Expert(e.owner, e.domain, e.url, e.model) for e in federation.ledger.experts())
    return Snapshot(revision, federation.sum.copy(), federation.sum_digest, experts)


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

    async def changing(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change of the federation alone, and then look at what came of it, even if the caller has gone."""
        work = self._exclusive.begin(function, *args, **kwargs)
        work.add_done_callback(lambda _: self.changed())
        return await asyncio.shield(work)

    def changed(self) -> None:
        """Sum, experts or members changed: solve as soon as the solver is free, and let every watcher look again."""
        self._changed.set()
        self._wake()

    async def run(self) -> None:
        """Solve whenever something changed, for ever. Once the last contribution has gone there is no router."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            taken = await self._exclusive(snapshot, self._federation, self.latest.version if self.latest else 0)
            if taken is None:
                continue
            self.latest = await self._published(taken) if taken.total.domains else None
            self._wake()

    async def _published(self, taken: Snapshot) -> Published:
        settings = self._federation.manifest.solver
        made = await asyncio.to_thread(solve_router, taken, self._federation.manifest_digest, settings)
        _log.info("published router %d from sum %s", made.version, made.sum_digest.hex())
        return made

    def close(self) -> None:
        """End every watcher's stream."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        """Let every watcher look again: at a new router, at its membership, at the end."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def follow(self, known_version: int, still_welcome: Callable[[], None]) -> AsyncIterator[RouterChunk]:
        """The newest router if it is newer than the one known, and every newer one as it is made, in pieces.

        Args:
            known_version: what the watcher has.
            still_welcome: raises when the watcher may not watch any more; asked before every piece and at every change.
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
                still_welcome()
                yield piece
            known_version = newest.version
