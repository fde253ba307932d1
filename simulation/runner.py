"""Run seeds: each is a federation's life, and gives a trace that the same seed gives again."""

import asyncio
import gc
import logging
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from ridgeway.simulation.federation import Life, Plan
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


@contextmanager
def _quiet() -> Iterator[None]:
    """No logs, and no garbage collection at moments that depend on what ran before."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(disabled)
