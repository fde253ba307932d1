"""What confidence is worth: its calibration on prompts nobody saw, and how it meets prompts of a domain nobody serves.

Every domain is one owner that holds out a tenth of its prompts, on which the temperature is chosen, as nodes do. The
expected calibration error is then measured on the test prompts (15 bins of equal width). For each domain left out of
training: the share of its test prompts, and of the others', that fall below a threshold.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ridgeway.cli.comparison_run import Prompts, read_domains
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.feature_map import Router, accumulator, ready_router
from ridgeway.hold_out import HoldOut
from ridgeway.manifest import Manifest
from ridgeway.routing import Decision
from ridgeway.training import train
from ridgeway.trial import TrialSum, judge, try_router, ways_to_decide

BINS = 15
KEY = b"measure confidence".ljust(32, b".")


@dataclass(frozen=True, slots=True)
class Measured:
    """One federation.

    Attributes:
        left_out: the domain that nobody serves; empty: all are served.
        hold_out_prompts: the temperature was chosen on.
        inverse_temperature: that was chosen.
        balanced_accuracy: on the served domains' test prompts.
        expected_calibration_error: on them.
        below: share of the served domains' test prompts below the threshold.
        out_of_scope_below: share of the left-out domain's.
    """

    left_out: str
    hold_out_prompts: int
    inverse_temperature: float
    balanced_accuracy: float
    expected_calibration_error: float
    below: float
    out_of_scope_below: float


def calibrated(prompts: Prompts, embedder: Embedder, manifest: Manifest) -> Router:
    """Train with hold-outs, try the router on them, and give it the confidence they teach."""
    held: dict[str, list[list[int]]] = {}
    made = []
    for domain, texts in prompts.items():
        rows, hold_out = accumulator(manifest, embedder), HoldOut(KEY, 0.1)
        rows.add(hold_out.split(texts, embedder.encode_batch(texts)))
        rows.add(hold_out.given_back())
        made.append((domain, rows))
        held[domain] = hold_out.prompts()
    router = train(made, embedder, manifest)
    trials = [{domain: try_router(router, manifest, domain, part)} for domain, part in held.items() if part]
    total = TrialSum.of(len(ways_to_decide(manifest)), router.router.domains, trials)
    verdict = judge(manifest, router.router.domains, total)
    weights = replace(router.router, calibration=verdict.calibration, routing=verdict.routing)
    return ready_router(weights, embedder, manifest)


def decided(router: Router, prompts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Domains and confidences of the prompts that can be routed."""
    outcomes = [outcome for outcome in router.route_batch(prompts) if isinstance(outcome, Decision)]
    return [outcome.domain for outcome in outcomes], np.array([outcome.confidence for outcome in outcomes])


def calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The expected calibration error over bins of equal width (Naeini, Cooper, Hauskrecht 2015)."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == place).mean() * abs(right[bins == place].mean() - confidence[bins == place].mean())
        for place in np.unique(bins)
    ]
    return float(sum(gaps))


def measure(train_prompts: Prompts, test: Prompts, left_out: str, embedder: Embedder, threshold: float) -> Measured:
    """One federation without one domain."""
    manifest = Wishes().manifest("confidence", embedder.fingerprint)
    served = {domain: texts for domain, texts in train_prompts.items() if domain != left_out}
    router = calibrated(served, embedder, manifest)
    sure, right, accuracies = [], [], []
    for domain in served:
        domains, confidence = decided(router, test[domain])
        hits = np.array([chosen == domain for chosen in domains])
        sure.append(confidence)
        right.append(hits)
        accuracies.append(float(hits.sum() / len(test[domain])))
    confidence, calibration = np.concatenate(sure), router.router.calibration
    outside = decided(router, test[left_out])[1] if left_out else np.zeros(0)
    return Measured(
        left_out,
        calibration.prompts if calibration else 0,
        calibration.inverse_temperature if calibration else 0.0,
        float(np.mean(accuracies)),
        calibration_error(confidence, np.concatenate(right)),
        float((confidence < threshold).mean()),
        float((outside < threshold).mean()) if outside.size else 0.0,
    )


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True, help="a directory with DOMAIN.jsonl")
    parser.add_argument("--test", type=Path, required=True, help="a directory with the same names, held out")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--threshold", type=float, default=0.9, help="of --min-confidence")
    parser.add_argument("--json", action="store_true", help="one object a row")
    arguments = parser.parse_args()
    domains = sorted(path.stem for path in arguments.train.glob("*.jsonl"))
    learned, asked = read_domains(arguments.train, domains), read_domains(arguments.test, domains)
    embedder = load_embedder(arguments.embedder)
    if not arguments.json:
        print(f"{'left out':<16}{'accuracy':>10}{'ECE':>8}{'served below':>14}{'out of scope below':>20}")
    for left_out in ["", *domains]:
        row = measure(learned, asked, left_out, embedder, arguments.threshold)
        if arguments.json:
            print(json.dumps(asdict(row)))
            continue
        outside = f"{row.out_of_scope_below:.1%}" if left_out else "-"
        error = f"{row.expected_calibration_error:.2%}"
        print(f"{left_out or '-':<16}{row.balanced_accuracy:>10.2%}{error:>8}{row.below:>14.1%}{outside:>20}")


if __name__ == "__main__":
    main()
