"""Odd domains: tiny, repetitive, unreadable, huge, contradictory: the router stays finite, and none swallows others."""

import numpy as np
import pytest
from toy import WORDS, toy_embedder

from ridgeway.coordinator.founding import Wishes
from ridgeway.embedders import load_embedder
from ridgeway.feature_map import Router, accumulator
from ridgeway.manifest import FeatureMap, Manifest
from ridgeway.routing import Decision, NoKnownToken
from ridgeway.samples import DOMAINS, train_path
from ridgeway.samples import test_path as held_out_path
from ridgeway.statistics import NoTokens
from ridgeway.training import train

EMBEDDER = toy_embedder(dimension=32)
MAPS = pytest.mark.parametrize("feature_map", list(FeatureMap))
LAW = [f"{WORDS[i % 12]} {WORDS[(5 * i + 1) % 12]} {WORDS[(7 * i) % 12]}" for i in range(60)]
MATH = [f"{WORDS[12 + i % 12]} {WORDS[12 + (5 * i + 1) % 12]} {WORDS[12 + (7 * i) % 12]}" for i in range(60)]


def manifest_of(feature_map: FeatureMap) -> Manifest:
    return Wishes(features=feature_map, columns=64).manifest("odd", EMBEDDER.fingerprint)


def router_of(feature_map: FeatureMap, **domains: list[str]) -> Router:
    manifest, made = manifest_of(feature_map), []
    for domain, prompts in domains.items():
        rows = accumulator(manifest, EMBEDDER)
        rows.add(EMBEDDER.encode_batch(prompts))
        made.append((domain, rows))
    router = train(made, EMBEDDER, manifest)
    assert np.isfinite(router.router.weights).all()
    assert router.router.ridge > 0
    return router


def share(router: Router, domain: str, prompts: list[str]) -> float:
    outcomes = router.route_batch(prompts)
    assert all(isinstance(o, NoKnownToken) or np.isfinite([o.confidence, *o.votes.values()]).all() for o in outcomes)
    return sum(isinstance(o, Decision) and o.domain == domain for o in outcomes) / len(prompts)


@MAPS
@pytest.mark.parametrize("tiny", [["w30"], ["w30 w31"] * 40, ["w30 w31", "w32 w33", "w34 w35"], ["unheard w30 " * 20]])
def test_a_tiny_or_repetitive_domain_swallows_nobody(feature_map: FeatureMap, tiny: list[str]) -> None:
    router = router_of(feature_map, law=LAW, math=MATH, tiny=tiny)
    assert share(router, "law", LAW) > 0.9
    assert share(router, "math", MATH) > 0.9
    assert share(router, "tiny", tiny) == 1.0


@MAPS
def test_a_thousand_times_the_data_does_not_win_by_its_size(feature_map: FeatureMap) -> None:
    small = LAW[:12]
    router = router_of(feature_map, law=small, math=MATH * 200)
    assert share(router, "law", LAW) > 0.9
    assert share(router, "math", MATH) > 0.9


@MAPS
def test_contradictory_labels_share_their_prompts_and_leave_the_rest_alone(feature_map: FeatureMap) -> None:
    router = router_of(feature_map, law=LAW, justice=LAW, math=MATH)
    assert share(router, "math", MATH) > 0.9
    assert share(router, "math", LAW) < 0.1


@MAPS
def test_empty_and_unreadable_prompts_give_no_rows_and_no_decision(feature_map: FeatureMap) -> None:
    odd = ["", "  \n", "unheard unseen", "w1 w2"]
    router = router_of(feature_map, law=[*odd, *LAW], math=MATH)
    outcomes = router.route_batch(odd)
    assert [isinstance(outcome, NoKnownToken) for outcome in outcomes] == [True, True, True, False]
    rows = accumulator(manifest_of(feature_map), EMBEDDER)
    rows.add(EMBEDDER.encode_batch(["", "  "]))
    with pytest.raises(NoTokens, match="check its files"):
        rows.statistics()


@MAPS
def test_a_prompt_of_a_megabyte_is_one_prompt(feature_map: FeatureMap) -> None:
    long = " ".join(WORDS[:12]) + " "
    megabyte = long * (1_000_000 // len(long))
    router = router_of(feature_map, law=[megabyte, *LAW], math=MATH)
    assert share(router, "law", [megabyte]) == 1.0
    assert share(router, "math", MATH) > 0.9


def test_scripts_that_the_tokeniser_does_not_know_are_refused_or_routed_but_never_crash() -> None:
    embedder = load_embedder("builtin")
    manifest = Wishes().manifest("odd", embedder.fingerprint)
    made = []
    for domain in DOMAINS[:2]:
        rows = accumulator(manifest, embedder)
        rows.add(embedder.encode_batch(train_path(domain).read_text().splitlines()))
        made.append((domain, rows))
    router = train(made, embedder, manifest)
    odd = ["ᚠᛇᚻ᛫ᛒᛦᚦ", "𒀀𒁀𒂀", "\u200b\u200b", "🦩" * 50, "\x00\x01", "a" * 5000, "٣٤٥ نص"]
    for outcome in router.route_batch(odd):
        assert isinstance(outcome, NoKnownToken) or np.isfinite(outcome.confidence)
    assert isinstance(router.route(held_out_path(DOMAINS[0]).read_text().splitlines()[0]), Decision)
