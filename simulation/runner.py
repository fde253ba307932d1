"""Run seeds: each is a federation's life, and gives a trace that the same seed gives again."""

import asyncio
import gc
import logging
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from threadpoolctl import threadpool_limits

from ridgeway.simulation.federation import Life, Plan
from ridgeway.simulation.gossip_claims import Violation as GossipViolation
from ridgeway.simulation.gossip_storm import STORM_S, storm
from ridgeway.simulation.substitutes import substituted
from ridgeway.simulation.tiny_embedder import tiny_embedder
from ridgeway.simulation.trace import Trace
from ridgeway.simulation.world import World, memory_directory


@dataclass(frozen=True)
class Outcome:
    """What came of a seed.

    Attributes:
        seed: which.
        digest: of the trace.
        failure: what was wrong; None if nothing.
        simulated_s: how long the life was.
        steps: of the daemons.
        checks: of everything against the model.
        rounds: committed.
        faults: by kind.
        points: deaths by named point.
        problems: what ended or failed, and is no refusal.
        cpu_s: what it cost.
    """

    seed: int
    digest: str
    failure: str | None
    simulated_s: float
    steps: int
    checks: int
    rounds: int
    faults: Counter[str] = field(repr=False)
    points: Counter[str] = field(repr=False)
    problems: Counter[str] = field(repr=False)
    cpu_s: float = 0.0


def run_seed(seed: int, tell: Callable[[str], None] | None = None) -> Outcome:
    """Live one federation's life.

    Args:
        seed: everything follows from it.
        tell: given each line of the trace.
    """
    began = time.process_time()
    trace = Trace(tell)
    with _quiet(), tempfile.TemporaryDirectory(dir=memory_directory(), prefix="ridgeway-simulation-") as root:
        world = World(seed, Path(root), trace)
        asyncio.set_event_loop(world.loop)
        life = Life(world, Plan.of(seed))
        failure = None
        try:
            with substituted(world, tiny_embedder()), ExitStack() as hooks:
                for target, name, hook in life.invariants.hooks():
                    hooks.enter_context(patch.object(target, name, hook))
                world.run(life.run())
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
            failure = "".join(traceback.format_exception(error)[-3:]) if tell else f"{type(error).__name__}: {error}"
        finally:
            world.close()
            asyncio.set_event_loop(None)
    return Outcome(
        seed,
        trace.digest(),
        failure,
        world.scheduler.now_s,
        world.loop.steps,
        life.invariants.checks,
        life.invariants.rounds_committed,
        trace.faults,
        trace.points,
        world.problems,
        time.process_time() - began,
    )


def run_peers(seed: int) -> Outcome:
    """Live the life of a federation without a coordinator: peers that gossip through a storm."""
    began, failure, digest, simulated_s, faults = time.process_time(), None, "", 0.0, 0
    try:
        done = storm(seed)
        digest, simulated_s, faults = done.trace, STORM_S + done.settled_s, done.faults
    except GossipViolation as violation:
        failure = str(violation)
    struck = Counter({"in storms of peers": faults})
    cpu_s = time.process_time() - began
    return Outcome(seed, digest, failure, simulated_s, 0, 0, 0, struck, Counter(), Counter(), cpu_s)


def run_seeds(seeds: Iterable[int], jobs: int, run: Callable[[int], Outcome] = run_seed) -> Iterator[Outcome]:
    """Run many seeds, in order of their end.

    Args:
        seeds: which.
        jobs: processes.
        run: one of them; a federation with a coordinator, or `run_peers`.
    """
    if jobs == 1:
        _settle()
        yield from map(run, seeds)
        return
    # A child that inherits threads may hang, so each is started anew.
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=_settle) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=4)


def _settle() -> None:
    """Threads of libraries would only be in each other's way; what was imported need not be looked through again."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threadpool_limits(1)
    gc.collect()
    gc.freeze()


@dataclass
class Totals:
    """What came of many seeds.

    Attributes:
        seeds: how many.
        failures: the seeds that failed, with what was wrong.
        simulated_s, steps, checks, rounds, cpu_s, faults, points, problems: sums of the outcomes'.
    """

    seeds: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    simulated_s: float = 0.0
    steps: int = 0
    checks: int = 0
    rounds: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count one in."""
        self.seeds += 1
        if outcome.failure:
            self.failures[outcome.seed] = outcome.failure
        for name in ("simulated_s", "steps", "checks", "rounds", "cpu_s"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))
        self.faults.update(outcome.faults)
        self.points.update(outcome.points)
        self.problems.update(outcome.problems)

    def figures(self, seconds: float) -> dict[str, object]:
        """Everything, for a machine."""
        return {
            "seeds": self.seeds,
            "failures": self.failures,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(self.cpu_s, 1),
            "simulated_hours": round(self.simulated_s / 3600, 2),
            "steps": self.steps,
            "checks": self.checks,
            "rounds": self.rounds,
            "faults": dict(sorted(self.faults.items())),
            "points": dict(sorted(self.points.items())),
            "problems": dict(sorted(self.problems.items())),
        }

    def summary(self, seconds: float) -> str:
        """The same in a few lines, for a person."""
        return (
            f"{self.seeds} seeds in {seconds:.0f} s ({self.cpu_s:.0f} s of CPU); failed: {sorted(self.failures)}\n"
            f"{self.simulated_s / 3600:.1f} simulated hours, {self.steps} steps, {self.checks} checks of the sum, "
            f"{self.rounds} rounds committed\n"
            f"{self.faults.total()} faults: {dict(self.faults.most_common())}\n"
            f"{self.points.total()} deaths at {len(self.points)} named points; ended: {dict(self.problems)}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """No logs, no garbage collection at moments that depend on what ran before, no word of coroutines cut off."""
    disabled, hook = logging.root.manager.disable, sys.unraisablehook
    sys.unraisablehook = lambda _: None
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        sys.unraisablehook = hook
        logging.disable(disabled)
