"""One federation in one process, along the same path as the daemons': count, encode, add, solve, decide."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ridgeway.ahead import encode_ahead
from ridgeway.contribution_check import check_contribution
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import Embedder
from ridgeway.evaluation import Evaluation, evaluate
from ridgeway.feature_map import Router, accumulator, ready_router
from ridgeway.manifest import Manifest
from ridgeway.node.counting import add_prompts
from ridgeway.node.prompts import PromptSource, batches, read_prompts
from ridgeway.ridge import solve
from ridgeway.router import RouterWeights
from ridgeway.routing import Decision
from ridgeway.statistics import encode_contribution
from ridgeway.sums import FederationSum


def evaluate_directories(
    train: Path, test: Path, domains: list[str], embedder: Embedder, wishes: Wishes
) -> tuple[Evaluation, float]:
    """Train on DOMAIN.jsonl of one directory, test on those of another; the evaluation and the ridge that was used.

    Raises:
        RidgewayError: files are missing or bad, or a domain has no token.
    """
    manifest = wishes.manifest("evaluation", embedder.fingerprint)
    router = train_router({d: PromptSource(str(train / f"{d}.jsonl")) for d in domains}, embedder, manifest)
    true: list[str] = []
    chosen: list[str | None] = []
    with ThreadPoolExecutor(max_workers=1) as executor:
        for domain in domains:
            prompts = batches(read_prompts(PromptSource(str(test / f"{domain}.jsonl"))))
            for _, encodings in encode_ahead(prompts, embedder, executor.submit):
                for outcome in router.route_encodings(encodings):
                    true.append(domain)
                    chosen.append(outcome.domain if isinstance(outcome, Decision) else None)
    return evaluate(true, chosen, sorted(domains)), router.router.ridge


def train_router(sources: dict[str, PromptSource], embedder: Embedder, manifest: Manifest) -> Router:
    """The router of a federation in which every domain has one owner."""
    total = FederationSum(manifest.dimension, manifest.fraction_bits)
    for domain, source in sources.items():
        rows = accumulator(manifest, embedder)
        add_prompts(source, embedder, rows)
        statistics = rows.statistics()
        vector = encode_contribution(statistics, manifest.mass, manifest.fraction_bits)
        check_contribution(vector, manifest.dimension, manifest.mass, manifest.fraction_bits, statistics.rows)
        total.add(domain, vector, statistics.rows)
    a, b = total.normal_equations()
    solution = solve(a, b, total.masses, total.rows, manifest.solver)
    digest = manifest.digest()
    weights = RouterWeights(1, total.domains, solution.weights, solution.ridge, total.digest(digest), digest)
    return ready_router(weights, embedder, manifest)
