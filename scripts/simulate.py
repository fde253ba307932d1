"""Run the simulator: whole federations in virtual time, one for each seed, of which each that fails can be replayed.

python scripts/simulate.py --seeds 10000 --jobs 2
python scripts/simulate.py --seed 95 --trace
python scripts/simulate.py --seeds 1000 --report     # writes the figures of docs/reliability.md
"""

import argparse
import json
import sys
import time
from dataclasses import asdict

from reliability_report import write_report

from ridgeway.simulation.runner import Outcome, Totals, run_peers, run_seed, run_seeds


def main() -> int:
    """The exit code: 1 if a seed failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--peers", action="store_true", help="federations of peers that gossip, without a coordinator")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="print everything that happens in it")
    parser.add_argument("--json", action="store_true", help="print one object for each seed, and one for all")
    parser.add_argument("--report", action="store_true", help="write the figures to docs/reliability.md")
    options = parser.parse_args()
    if options.seed is not None:
        return show(
            run_peers(options.seed) if options.peers else run_seed(options.seed, print if options.trace else None)
        )
    began, totals, seeds = time.monotonic(), Totals(), range(options.start, options.start + options.seeds)
    for outcome in run_seeds(seeds, options.jobs, run_peers if options.peers else run_seed):
        totals.add(outcome)
        if options.json:
            print(json.dumps(asdict(outcome)), flush=True)
        elif outcome.failure:
            print(f"seed {outcome.seed} failed: {outcome.failure}", flush=True)
        elif totals.seeds % 100 == 0:
            print(f"{totals.seeds} seeds, {len(totals.failures)} failed", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    print(json.dumps(totals.figures(seconds)) if options.json else totals.summary(seconds))
    if options.report and not options.peers:
        write_report(totals, options.start, options.seeds)
    return 1 if totals.failures else 0


def show(outcome: Outcome) -> int:
    """Print what came of one seed."""
    print(f"seed {outcome.seed}: {outcome.failure or 'agreed'}; trace {outcome.digest}")
    print(f"{outcome.simulated_s:.0f} s simulated, {outcome.steps} steps, {outcome.checks} checks of the whole sum")
    for name, counted in (("faults", outcome.faults), ("deaths", outcome.points), ("ended", outcome.problems)):
        print(f"{name}: {dict(counted)}")
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main())
