"""One federation in one process, along the same path as the daemons': count, encode, add, solve, decide."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ridgeway.ahead import THREADS, encode_ahead
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import Embedder
from ridgeway.evaluation import Evaluation, evaluate
from ridgeway.feature_map import Accumulator, Router, accumulator
from ridgeway.manifest import Manifest
from ridgeway.node.counting import add_prompts
from ridgeway.node.prompts import PromptSource, batches, read_prompts
from ridgeway.routing import Decision
from ridgeway.training import train


def evaluate_directories(
    train_folder: Path, test: Path, domains: list[str], embedder: Embedder, wishes: Wishes
) -> tuple[Evaluation, float]:
    """Train on DOMAIN.jsonl of one directory, test on those of another; the evaluation and the ridge that was used.

    Raises:
        RidgewayError: files are missing or bad, or a domain has no token.
    """
    manifest = wishes.manifest("evaluation", embedder.fingerprint)
    router = train_router({d: PromptSource(str(train_folder / f"{d}.jsonl")) for d in domains}, embedder, manifest)
    true: list[str] = []
    chosen: list[str | None] = []
    with ThreadPoolExecutor(max_workers=THREADS) as executor:
        for domain in domains:
            prompts = batches(read_prompts(PromptSource(str(test / f"{domain}.jsonl"))))
            for _, encodings in encode_ahead(prompts, embedder, executor.submit):
                for outcome in router.route_encodings(encodings):
                    true.append(domain)
                    chosen.append(outcome.domain if isinstance(outcome, Decision) else None)
    return evaluate(true, chosen, sorted(domains)), router.router.ridge


def train_router(sources: dict[str, PromptSource], embedder: Embedder, manifest: Manifest) -> Router:
    """The router of a federation in which every domain has one owner."""

    def added(source: PromptSource) -> Accumulator:
        rows = accumulator(manifest, embedder)
        add_prompts(source, embedder, rows)
        return rows

    return train(((domain, added(source)) for domain, source in sources.items()), embedder, manifest)
