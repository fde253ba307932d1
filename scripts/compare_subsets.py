"""Pooled routing against TF-IDF and logistic regression with all data in one place, on every subset of the domains.

All pairs, all sets of four, and all domains. Each domain's Gram matrix is computed once, as its owner would; a subset
is solved from the sum of its domains'. Needs scikit-learn.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from ridgeway.baselines.tfidf import TfidfRegression
from ridgeway.cli.comparison_run import Prompts, read_domains
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.evaluation import evaluate
from ridgeway.feature_map import accumulator, ready_router
from ridgeway.ridge import solve
from ridgeway.router import RouterWeights
from ridgeway.routing import Decision
from ridgeway.statistics import encode_contribution
from ridgeway.sums import FederationSum

MOST_BELOW = 0.005


@dataclass(frozen=True, slots=True)
class Row:
    """Balanced accuracies on one subset, in [0, 1]."""

    domains: tuple[str, ...]
    ours: float
    central: float

    @property
    def ahead(self) -> float:
        """How much ours is above."""
        return self.ours - self.central


class Federations:
    """Federations of any subset of the owners."""

    def __init__(self, train: Prompts, test: Prompts, embedder: Embedder) -> None:
        self._embedder, self._test = embedder, test
        self._manifest = Wishes().manifest("subsets", embedder.fingerprint)
        self._encodings = {domain: embedder.encode_batch(part) for domain, part in test.items()}
        self._contributions = {}
        for domain, part in train.items():
            rows = accumulator(self._manifest, embedder)
            rows.add(embedder.encode_batch(part))
            statistics = rows.statistics()
            vector = encode_contribution(statistics, self._manifest.mass, self._manifest.fraction_bits)
            self._contributions[domain] = (vector, statistics.rows)

    def accuracy(self, domains: Sequence[str]) -> float:
        """Balanced accuracy of the federation of these domains."""
        total = FederationSum(self._manifest.layout)
        for domain in domains:
            total.add(domain, *self._contributions[domain])
        a, b = total.normal_equations()
        solution = solve(a, b, total.masses, total.rows, self._manifest.solver)
        weights = RouterWeights(1, total.domains, solution.weights, solution.ridge, b"", b"")
        router = ready_router(weights, self._embedder, self._manifest)
        outcomes = [outcome for domain in domains for outcome in router.route_encodings(self._encodings[domain])]
        true = [domain for domain in domains for _ in self._test[domain]]
        chosen = [outcome.domain if isinstance(outcome, Decision) else None for outcome in outcomes]
        return evaluate(true, chosen, sorted(domains)).balanced_accuracy


def central_accuracy(train: Prompts, test: Prompts, domains: Sequence[str]) -> float:
    """Balanced accuracy of the classifier that sees these domains' prompts in one place."""
    method = TfidfRegression()
    method.train({domain: train[domain] for domain in domains})
    chosen = method.choose([prompt for domain in domains for prompt in test[domain]])
    true = [domain for domain in domains for _ in test[domain]]
    return evaluate(true, chosen, sorted(domains)).balanced_accuracy


def measured(train: Prompts, test: Prompts, embedder: Embedder, sizes: Sequence[int]) -> Iterator[Row]:
    """Every subset of these sizes."""
    federations = Federations(train, test, embedder)
    for size in sizes:
        for domains in combinations(sorted(train), size):
            yield Row(domains, federations.accuracy(domains), central_accuracy(train, test, domains))


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """What the rows of one size say."""
    worst = min(rows, key=lambda row: row.ahead)
    return {
        "domains": len(worst.domains),
        "subsets": len(rows),
        "mean": float(np.mean([row.ours for row in rows])),
        "mean_central": float(np.mean([row.central for row in rows])),
        "above": sum(row.ahead > 1e-12 for row in rows),
        "equal": sum(abs(row.ahead) <= 1e-12 for row in rows),
        "below": sum(row.ahead < -1e-12 for row in rows),
        "below_by_more_than_half_a_point": sum(row.ahead < -MOST_BELOW for row in rows),
        "worst_difference": worst.ahead,
        "worst_subset": list(worst.domains),
    }


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="a directory with DOMAIN.jsonl")
    parser.add_argument("--test", type=Path, required=True, help="a directory with the same names, held out")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--json", action="store_true", help="one object a subset, then one for each size")
    arguments = parser.parse_args()
    domains = sorted(path.stem for path in arguments.train.glob("*.jsonl"))
    train, test = read_domains(arguments.train, domains), read_domains(arguments.test, domains)
    sizes = sorted({2, 4, len(domains)} & set(range(2, len(domains) + 1)))
    rows: list[Row] = []
    for row in measured(train, test, load_embedder(arguments.embedder), sizes):
        rows.append(row)
        if arguments.json:
            print(json.dumps({"domains": row.domains, "ours": row.ours, "central": row.central}), flush=True)
        else:
            print(f"\r{len(rows)} subsets", end="", file=sys.stderr, flush=True)
    for size in sizes:
        found = summary([row for row in rows if len(row.domains) == size])
        print(json.dumps(found) if arguments.json else "\n" + "\n".join(f"{k}: {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
