"""How fast prompts are routed, against the tokeniser alone on the same prompts."""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench_report import Row, at_least, at_most, report

from ridgeway.ahead import THREADS, encode_ahead
from ridgeway.cli.evaluation_run import train_router
from ridgeway.embedder import Embedder
from ridgeway.embedders import load_embedder
from ridgeway.feature_map import Router
from ridgeway.manifest import POOLED_SOLVER, DecisionRule, FeatureMap, Manifest, RoutingSettings
from ridgeway.node.prompts import PromptSource, batches, read_prompts
from ridgeway.routing import TokenRouter

# An even number, so that each comes first as often.
SINGLE_PROMPTS = 2000
BATCH_GOAL = 0.85
POOLED_BATCH_GOAL = 0.7


def seconds_of_routing(made: list[list[str]], router: Router) -> float:
    """Tokenise and decide, one batch ahead."""
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=THREADS) as executor:
        for _, encodings in encode_ahead(made, router.embedder, executor.submit):
            router.route_encodings(encodings)
    return time.perf_counter() - started


def seconds_of_tokeniser(made: list[list[str]], embedder: Embedder) -> float:
    """The tokeniser alone."""
    started = time.perf_counter()
    for batch in made:
        embedder.encode_batch(batch)
    return time.perf_counter() - started


def medians_of_one(prompts: list[str], router: Router) -> tuple[float, float]:
    """Median microseconds for one prompt: routed, and tokenised alone.

    In turn, prompt by prompt. Who comes second finds in the caches what the first has read there, so every other prompt
    is tokenised first.
    """
    tokenise = partial(router.embedder.tokenizer.encode, add_special_tokens=False)
    pair: list[tuple[Callable[[str], object], list[float]]] = [(router.route, []), (tokenise, [])]
    for prompt in prompts[:SINGLE_PROMPTS]:
        for do, taken in pair:
            begin = time.perf_counter_ns()
            do(prompt)
            taken.append((time.perf_counter_ns() - begin) / 1000)
        pair.reverse()
    routed, tokenised = (statistics.median(taken) for _, taken in pair)
    return routed, tokenised


def in_batches(router: Router, name: str, prompts: list[str], repeats: int, goal: float) -> Row:
    """Routing in batches; the runs of ours and the tokeniser's in turn."""
    made = list(batches(prompts))
    pairs = [(seconds_of_routing(made, router), seconds_of_tokeniser(made, router.embedder)) for _ in range(repeats)]
    ours, peer = (len(prompts) / statistics.median(column) for column in zip(*pairs, strict=True))
    return at_least(f"routing in batches by {name}, prompts/s", ours, peer, goal)


def one_by_one(router: Router, name: str, prompts: list[str]) -> Row:
    """Routing one prompt at a time."""
    return at_most(f"routing one prompt by {name}, median us", *medians_of_one(prompts, router), 1.3)


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    parser.add_argument("--train", type=Path, default=beside / "train", help="a directory with DOMAIN.jsonl")
    parser.add_argument("--test", type=Path, default=beside / "test", help="a directory of prompts to route")
    parser.add_argument("--embedder", default="builtin")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--all-rules", action="store_true", help="measure the rule `scores` too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    embedder = load_embedder(arguments.embedder)
    sources = {path.stem: PromptSource(str(path)) for path in sorted(arguments.train.glob("*.jsonl"))}
    prompts = list(read_prompts(PromptSource(str(arguments.test)))) * 3
    rows: list[Row] = []
    tokens = train_router(sources, embedder, Manifest("benchmark", embedder.fingerprint))
    for rule in DecisionRule if arguments.all_rules else [DecisionRule.VOTES]:
        router = TokenRouter(tokens.router, embedder, RoutingSettings(rule, 10))
        rows += [
            in_batches(router, rule, prompts, arguments.repeats, BATCH_GOAL),
            one_by_one(router, rule, prompts),
        ]
    manifest = Manifest("benchmark", embedder.fingerprint, FeatureMap.POOLED, solver=POOLED_SOLVER)
    pooled = train_router(sources, embedder, manifest)
    rows.append(in_batches(pooled, "pooled", prompts, arguments.repeats, POOLED_BATCH_GOAL))
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
