"""From the newest sum to the newest router, and from there to everyone who watches.

The solver always takes the newest sum: what changes while it runs is solved right after, together. A watcher is sent
the newest router only and is never waited for, so a slow one holds up nobody.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from ridgeway.coordinator.exclusive import Exclusive
from ridgeway.coordinator.federation import Federation
from ridgeway.coordinator.ledger import Member
from ridgeway.coordinator.observer import Observer, Unobserved
from ridgeway.manifest import Manifest
from ridgeway.privacy.solving import solution
from ridgeway.proto.experts import expert_of
from ridgeway.proto.messages import RouterChunk
from ridgeway.proto.router_artifact import encode_router, pieces
from ridgeway.router import Expert, RouterWeights
from ridgeway.sums import FederationSum
from ridgeway.trial import Verdict

_log = logging.getLogger("ridgeway.coordinator")

TRIALS_TOGETHER_S = 0.5
# Each router goes to every watcher. Beyond so many a new one waits for about as long as sending the one before took two
# cores, so that an owner who changes all the time, or a thousand who join, leave time for their uploads.
WATCHERS_UNPACED = 64
PACE_S = 0.0005

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one router is solved from, and what the hold-outs say of the newest router that they were tried on.

    The sum's digest is computed while the solver is at work, so it comes later.
    """

    revision: int
    total: FederationSum
    sum_digest: "Future[bytes]"
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


def snapshot(federation: Federation, revision: int, edition: int) -> Snapshot:
    """Copy what the solver needs; runs where the federation may be touched."""
    experts = tuple(expert_of(e) for e in federation.ledger.experts())
    newest = federation.trials.newest(1)
    verdict = newest[0][1] if newest else None
    return Snapshot(revision, federation.sum.copy(), Future(), experts, edition, verdict)


def solve_router(taken: Snapshot, manifest: Manifest, manifest_digest: bytes) -> Published:
    """Solve a snapshot and encode the router; its version is the ledger's revision.

    Raises:
        InconsistentSum, UnsolvableSystem: the sum gives no router.
    """
    solved = solution(taken.total, manifest)
    router = RouterWeights(
        version=taken.revision,
        domains=taken.total.domains,
        weights=solved.weights,
        ridge=solved.ridge,
        sum_digest=taken.sum_digest.result(),
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
    """The solver's thread and the feed of its routers.

    A change hands the sum to the solver in the federation's own thread, right after its commit: no router waits for the
    event loop before it is made. What is known of the solver (at work, and with what) belongs to that thread too.

    Attributes:
        latest: the newest router.
        listeners: called when members changed, and for every new router.
    """

    def __init__(self, federation: Federation, exclusive: Exclusive, observer: Observer | None = None) -> None:
        self._federation = federation
        self._exclusive = exclusive
        self._observer = observer or Unobserved()
        self._solver: ThreadPoolExecutor | None = None
        self._on_made: Callable[[Future[Published | None]], object] = lambda _: None
        # At most one router, since the solver makes one at a time, and errors.
        self._made: asyncio.Queue[Callable[[], Published | None]] = asyncio.Queue()
        self._at_work = False
        self._begun = (0, 0)
        self._turn = asyncio.Event()
        self._closing = False
        self._watchers = 0
        self.latest: Published | None = None
        self.listeners: list[Callable[[], None]] = []

    async def changing(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change of the federation alone, and then look at what came of it, even if the caller has gone."""
        members = self._federation.membership.members
        work = self._exclusive.begin(function, *args, **kwargs)
        work.add_done_callback(lambda _: self._look_at_members(members))
        self._look_at_sum()
        return await asyncio.shield(work)

    def _look_at_members(self, before: dict[str, Member]) -> None:
        """Let every watcher see whether it may go on, if members changed; a contribution should not wait for that."""
        if self._federation.membership.members is not before:
            self._wake()
            for told in self.listeners:
                told()

    def _look_at_sum(self) -> None:
        """Begin to solve right after what is under way in the federation's thread; if that fails, `run` does."""
        if self._closing:
            return
        begun = self._exclusive.begin(self._solve_newest)
        begun.add_done_callback(lambda work: self._made.put_nowait(work.result) if work.exception() else None)

    def _solve_newest(self) -> None:
        """Hand the sum to the solver, unless it is at work: then what is newest will be when that is done."""
        self._federation.settle()
        if self._solver is None or self._at_work:
            return
        newest = self._federation.ledger.revision, self._federation.trials.edition
        if newest == self._begun:
            return
        taken = snapshot(self._federation, *newest)
        self._begun, self._at_work = newest, True
        self._solver.submit(self._make, taken).add_done_callback(self._on_made)
        taken.sum_digest.set_result(self._federation.sum_digest)

    def _make(self, taken: Snapshot) -> Published | None:
        if not taken.total.domains:
            return None
        if self.latest is not None and self.latest.router.version == taken.revision:
            return judged(self.latest.router, taken)
        began = time.perf_counter()
        made = solve_router(taken, self._federation.manifest, self._federation.manifest_digest)
        seconds = time.perf_counter() - began
        self._observer.solved(made.router.version, made.router.sum_digest, made.published_unix_ms, seconds)
        _log.info("published router %d from sum %s", made.router.version, made.router.sum_digest.hex())
        return made

    def _solve_next(self) -> None:
        self._at_work = False
        self._solve_newest()

    async def run(self) -> None:
        """Publish what the solver makes, for ever. Once the last contribution has gone there is no router."""
        loop = asyncio.get_running_loop()
        self._on_made = lambda work: loop.call_soon_threadsafe(self._made.put_nowait, work.result)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver") as solver:
            self._solver = solver
            try:
                while True:
                    await self._exclusive(self._solve_next)
                    self.latest = (await self._made.get())()
                    self._wake()
                    for told in self.listeners:
                        told()
                    # What changes meanwhile is solved together, since the solver still counts as at work.
                    await asyncio.sleep(PACE_S * max(0, self._watchers - WATCHERS_UNPACED))
            finally:
                self._solver = None

    def changed_soon(self) -> None:
        """Trials of one router come from all owners at once: wait a moment, so that they are published together."""
        asyncio.get_running_loop().call_later(TRIALS_TOGETHER_S, self._look_at_sum)

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
        self._watchers += 1
        try:
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
        finally:
            self._watchers -= 1
