"""Gossip in storms: a federation for each seed, every fault at once; a failure names the seed that repeats it."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from ridgeway.simulation.gossip_claims import Violation
from ridgeway.simulation.gossip_storm import Outcome, storm


def attempt(seed: int) -> tuple[int, Outcome | str]:
    """Run a seed; what went wrong, if something did."""
    try:
        return seed, storm(seed)
    except Violation as violation:
        return seed, str(violation)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    started, failures = time.monotonic(), 0
    outcomes = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for seed, outcome in pool.map(attempt, seeds, chunksize=10):
            if isinstance(outcome, str):
                failures += 1
                print(f"seed {seed}: {outcome}", flush=True)
            else:
                outcomes.append(outcome)
    faults, settled = sum(each.faults for each in outcomes), [each.settled_s for each in outcomes] or [0.0]
    print(
        f"{arguments.seeds} seeds, {faults} faults, {failures} failures; settled after {median(settled):.1f} s in the "
        f"median, {max(settled):.1f} s at worst; {time.monotonic() - started:.0f} s"
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
