"""From the newest sum to the newest router, and from there to everyone who watches.

The solver always takes the newest sum: what changes while it runs is solved right after, together. A watcher is sent
the newest router only and is never waited for, so a slow one holds up nobody.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.observer import Observer, Unobserved
from ridgeway.manifest import Manifest
from ridgeway.proto.experts import expert_of
from ridgeway.proto.messages import RouterChunk
from ridgeway.proto.router_artifact import encode_router, pieces
from ridgeway.ridge import solve
from ridgeway.router import Expert, RouterWeights
from ridgeway.sums import FederationSum
from ridgeway.trial import Verdict

_log = logging.getLogger("ridgeway.coordinator")

TRIALS_TOGETHER_S = 0.5

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one router is solved from, and what the hold-outs say of the newest router that they were tried on."""

    revision: int
    total: FederationSum
    sum_digest: bytes
    experts: tuple[Expert, ...]
    edition: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Published:
    """One router version, ready to send."""

    router: RouterWeights
    published_unix_ms: int
    artifact: bytes = field(repr=False)

    @property
    def place(self) -> tuple[int, int]:
        """Version and edition; the newest router has the largest."""
        return self.router.version, self.router.edition


def snapshot(federation: Federation, known: tuple[int, int]) -> Snapshot | None:
    """Copy what the solver needs, if there is something newer; runs where the federation may be touched.

    Args:
        federation: the federation.
        known: version and edition of the newest router.
    """
    revision, edition = federation.ledger.revision, federation.trials.edition
    if (revision, edition) == known:
        return None
    experts = tuple(expert_of(e) for e in federation.ledger.experts())
    newest = federation.trials.newest(1)
    verdict = newest[0][1] if newest else None
    return Snapshot(revision, federation.sum.copy(), federation.sum_digest, experts, edition, verdict)


def solve_router(taken: Snapshot, manifest: Manifest, manifest_digest: bytes) -> Published:
    """Solve a snapshot and encode the router; its version is the ledger's revision.

    Raises:
        InconsistentSum, UnsolvableSystem: the sum gives no router.
    """
    a, b = taken.total.normal_equations()
    solution = solve(a, b, taken.total.masses, taken.total.rows, manifest.solver)
    router = RouterWeights(
        version=taken.revision,
        domains=taken.total.domains,
        weights=solution.weights,
        ridge=solution.ridge,
        sum_digest=taken.sum_digest,
        manifest_digest=manifest_digest,
        experts=taken.experts,
    )
    return judged(router, taken)


def judged(router: RouterWeights, taken: Snapshot) -> Published:
    """A router with what the hold-outs say, encoded; what an earlier version's say holds until its own are in."""
    verdict = taken.verdict
    router = replace(
        router,
        edition=taken.edition,
        calibration=verdict.calibration if verdict and verdict.calibration.prompts else None,
        routing=verdict.routing if verdict else None,
    )
    now_ms = time.time_ns() // 1_000_000
    return Published(router, now_ms, encode_router(router, now_ms))


class Publisher:
    """The solver's task and the feed of its routers."""

    def __init__(self, federation: Federation, exclusive: Exclusive, observer: Observer | None = None) -> None:
        self._federation = federation
        self._exclusive = exclusive
        self._observer = observer or Unobserved()
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
            taken = await self._exclusive(snapshot, self._federation, self.latest.place if self.latest else (0, 0))
            if taken is None:
                continue
            self.latest = await self._published(taken) if taken.total.domains else None
            self._wake()

    async def _published(self, taken: Snapshot) -> Published:
        federation, latest = self._federation, self.latest
        if latest is not None and latest.router.version == taken.revision:
            return await asyncio.to_thread(judged, latest.router, taken)
        began = time.perf_counter()
        made = await asyncio.to_thread(solve_router, taken, federation.manifest, federation.manifest_digest)
        seconds = time.perf_counter() - began
        self._observer.solved(made.router.version, made.router.sum_digest, made.published_unix_ms, seconds)
        _log.info("published router %d from sum %s", made.router.version, made.router.sum_digest.hex())
        return made

    def changed_soon(self) -> None:
        """Trials of one router come from all owners at once: wait a moment, so that they are published together."""
        asyncio.get_running_loop().call_later(TRIALS_TOGETHER_S, self.changed)

    def close(self) -> None:
        """End every watcher's stream."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        """Let every watcher look again: at a new router, at its membership, at the end."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def follow(self, known: tuple[int, int], still_welcome: Callable[[], None]) -> AsyncIterator[RouterChunk]:
        """The newest router if it is newer than the one known, and every newer one as it is made, in pieces.

        Args:
            known: version and edition of what the watcher has.
            still_welcome: raises when the watcher may not watch any more; asked before every piece and at every change.
        """
        while True:
            turn = self._turn
            still_welcome()
            if self._closing:
                return
            newest = self.latest
            if newest is None or newest.place <= known:
                await turn.wait()
                continue
            for piece in pieces(*newest.place, newest.artifact):
                still_welcome()
                yield piece
            known = newest.place
