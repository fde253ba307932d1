"""Compare Ridgeway with what it could be replaced by, on the same prompts in one run."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ridgeway.baselines.chance import Chance
from ridgeway.baselines.encoders import sentence_encoder, static_encoder
from ridgeway.baselines.federated import Federated
from ridgeway.baselines.method import Method, NotInstalled
from ridgeway.baselines.over_vectors import frozen_encoder, nearest_neighbours
from ridgeway.baselines.tfidf import TfidfRegression
from ridgeway.coordinator.founding import Wishes
from ridgeway.embedder import Embedder
from ridgeway.evaluation import Evaluation, evaluate
from ridgeway.manifest import FeatureMap, MassRule
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.routing import Decision

SENTENCE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TOP_KS = (1, 2, 3, 5, 10, 20, 40, 80, 160)
POOLED = "Ridgeway, pooled"
VOTES = "Ridgeway, token votes"

Prompts = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Compared:
    """One method's result, or why there is none.

    Attributes:
        name: of the method.
        evaluation: on the test prompts; None if it was left out.
        prompts_per_s: chosen, from text to domain.
        router_bytes: what has to be at hand to choose.
        sent_bytes: what each owner gave away.
        left_out: why it was left out; otherwise empty.
    """

    name: str
    evaluation: Evaluation | None = None
    prompts_per_s: float = 0.0
    router_bytes: int = 0
    sent_bytes: dict[str, int] | None = None
    left_out: str = ""


def read_domains(folder: Path, domains: list[str]) -> Prompts:
    """The prompts of DOMAIN.jsonl for each domain."""
    return {domain: list(read_prompts(PromptSource(str(folder / f"{domain}.jsonl")))) for domain in domains}


def methods(embedder: Embedder, model: str = SENTENCE_MODEL) -> dict[str, Callable[[], Method]]:
    """Every method, by its name; calling one may find that its library is missing."""

    def federated(name: str, wishes: Wishes) -> Callable[[], Method]:
        return lambda: Federated(name, embedder, wishes.manifest("comparison", embedder.fingerprint))

    tokens = Wishes(features=FeatureMap.TOKENS)
    paper = Wishes(features=FeatureMap.TOKENS, mass=MassRule.TOKENS, ridge=0.01, prior_correction=False)
    scores = Wishes(features=FeatureMap.TOKENS, rule="scores")
    static, sentence = "k nearest neighbours, static embeddings", "k nearest neighbours, sentence embeddings"
    classifier = "frozen encoder + logistic regression"
    return {
        POOLED: federated(POOLED, Wishes()),
        "Ridgeway, token scores": federated("Ridgeway, token scores", scores),
        VOTES: federated(VOTES, tokens),
        "token votes, the paper's setting": federated("token votes, the paper's setting", paper),
        TfidfRegression.name: TfidfRegression,
        static: lambda: nearest_neighbours(static, static_encoder(embedder)),
        sentence: lambda: nearest_neighbours(sentence, sentence_encoder(model)),
        classifier: lambda: frozen_encoder(classifier, sentence_encoder(model)),
        Chance.name: Chance,
    }


def compare(
    train: Prompts, test: Prompts, embedder: Embedder, on_method: Callable[[str], None] = lambda _: None
) -> Iterator[Compared]:
    """Train and try one method after the other.

    Args:
        train: by domain.
        test: by domain.
        embedder: Ridgeway's.
        on_method: told the name of each method before it runs.
    """
    for name, make in methods(embedder).items():
        on_method(name)
        try:
            method = make()
        except NotInstalled as missing:
            yield Compared(name, left_out=str(missing))
            continue
        method.train(train)
        asked = [prompt for part in test.values() for prompt in part]
        started = time.perf_counter()
        chosen = method.choose(asked)
        seconds = time.perf_counter() - started
        true = [domain for domain, part in test.items() for _ in part]
        outcome = evaluate(true, chosen, sorted(test))
        yield Compared(name, outcome, len(asked) / seconds, method.router_bytes(), method.sent_bytes())


def accuracy_by_top_k(train: Prompts, test: Prompts, embedder: Embedder) -> list[tuple[int, float]]:
    """Balanced accuracy of token votes for each number of voting tokens (the paper's figure 5)."""
    manifest = Wishes(features=FeatureMap.TOKENS).manifest("comparison", embedder.fingerprint)
    method = Federated(VOTES, embedder, manifest)
    method.train(train)
    encodings = {domain: embedder.encode_batch(part) for domain, part in test.items()}
    true = [domain for domain, part in test.items() for _ in part]
    made = []
    for top_k in TOP_KS:
        outcomes = [outcome for part in encodings.values() for outcome in method.router.route_encodings(part, top_k)]
        chosen = [outcome.domain if isinstance(outcome, Decision) else None for outcome in outcomes]
        made.append((top_k, evaluate(true, chosen, sorted(test)).balanced_accuracy))
    return made
