"""Laws of the choice among experts: what the weights mean, and that nothing but them decides."""

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from toy import toy_embedder

from ridgeway.expert_choice import MARGIN, BadObjective, Objective
from ridgeway.feature_map import Router, ready_router
from ridgeway.manifest import FeatureMap, Manifest, PooledSettings
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.experts import expert_message, expert_of
from ridgeway.router import Expert, RouterWeights
from ridgeway.routing import Decision

EMBEDDER = toy_embedder()
DOMAINS = ("law", "math", "medicine")
quantities = st.none() | st.sampled_from([0.0, 1.0, 2.5, 40.0]) | st.floats(0, 1e6)
experts = st.builds(
    Expert,
    st.sampled_from(["alpha", "beta"]),
    st.sampled_from([*DOMAINS, "general"]),
    st.sampled_from(["http://a/v1", "http://b/v1"]),
    st.sampled_from(["m", "n"]),
    quantities,
    quantities,
)
weights = st.just(0.0) | st.floats(1e-6, 10)
objectives = st.tuples(weights, weights, weights).filter(any).map(lambda w: Objective(*w))


def router_of(offered: list[Expert], feature_map: FeatureMap = FeatureMap.POOLED) -> Router:
    manifest = Manifest("test", EMBEDDER.fingerprint, feature_map, PooledSettings(columns=8))
    made = np.random.default_rng(3).normal(size=(manifest.dimension, 3)) / 20
    router = RouterWeights(1, DOMAINS, made, 0.01, b"", b"", experts=tuple(offered))
    return ready_router(router, EMBEDDER, manifest)


@given(objectives, st.lists(experts, max_size=6, unique=True), st.randoms(), st.sampled_from(list(FeatureMap)))
def test_the_order_of_the_experts_does_not_matter(
    objective: Objective, offered: list[Expert], order: random.Random, feature_map: FeatureMap
) -> None:
    decision = router_of(offered, feature_map).route("w1 w2")
    chosen = objective.applied(decision, router_of(offered, feature_map))
    shuffled = list(offered)
    order.shuffle(shuffled)
    assert objective.applied(decision, router_of(shuffled, feature_map)) == chosen
    if chosen.expert is not None and not objective.is_accuracy_alone:
        assert chosen.expert.domain == chosen.domain
        chances = router_of(offered, feature_map).probabilities(decision)
        assert chances[chosen.domain] >= chances[decision.domain] - MARGIN
        assert chosen.confidence == chances[chosen.domain]


@pytest.mark.parametrize("objective", [Objective(), Objective(0.0, 1.0, 0.0)])
def test_one_expert_offered_with_and_without_a_latency_is_chosen_the_same_in_any_order(objective: Objective) -> None:
    twice = [Expert("beta", "math", "http://b/v1", "m", None, latency) for latency in (None, 0.0)]
    chosen = [
        objective.applied(decision, router)
        for router in (router_of(twice, FeatureMap.TOKENS), router_of(twice[::-1], FeatureMap.TOKENS))
        for decision in [router.route("w1 w2")]
    ]
    assert chosen[0] == chosen[1]


@given(objectives, st.lists(experts, min_size=1, max_size=6, unique=True), st.sampled_from([0.5, 2.0, 8.0]))
def test_only_the_proportions_of_the_weights_count(objective: Objective, offered: list[Expert], factor: float) -> None:
    chances = {"law": 0.5, "math": 0.45, "medicine": 0.03, "general": 0.02}
    scaled = Objective(objective.accuracy * factor, objective.price * factor, objective.latency * factor)
    assert objective.best(offered, chances) == scaled.best(offered, chances)


@given(objectives, st.lists(experts, min_size=1, max_size=5, unique=True))
def test_an_expert_that_is_worse_in_everything_is_never_chosen(objective: Objective, offered: list[Expert]) -> None:
    best = offered[0]
    assume(best.price is not None and best.latency_ms is not None)
    assert best.price is not None
    assert best.latency_ms is not None
    worse = Expert("zeta", best.domain, "http://z/v1", "z", best.price + 1, best.latency_ms + 1)
    chances = dict.fromkeys([*DOMAINS, "general"], 0.25)
    assert objective.best([*offered, worse], chances) != worse


def test_the_names_mean_the_likeliest_the_cheapest_and_the_quickest() -> None:
    likely = Expert("a", "law", "http://a", "", 9.0, 900.0)
    cheap = Expert("b", "math", "http://b", "", 0.0, 500.0)
    quick = Expert("c", "math", "http://c", "", 5.0, 20.0)
    unknown = Expert("d", "law", "http://d", "")
    chances = {"law": 0.52, "math": 0.48}
    offered = [unknown, quick, cheap, likely]
    assert Objective.parse("cost").best(offered, chances) == cheap
    assert Objective.parse("latency").best(offered, chances) == quick
    assert Objective.parse("1,0,0").best(offered, chances) == likely
    assert Objective.parse("1,0.1,0.2").best(offered, chances) == quick
    assert Objective.parse("").is_accuracy_alone
    for wrong in ("fast", "1,2", "1,-1,0", "0,0,0", "nan,1,1", "1,2,3,4", "inf,1,1"):
        with pytest.raises(BadObjective, match="no objective"):
            Objective.parse(wrong)


def test_accuracy_leaves_the_decision_and_a_fallback_stays_one() -> None:
    router = router_of([Expert("a", "math", "http://a", "", 0.0, 1.0)])
    decision = router.route("w1 w2")
    assert Objective().applied(decision, router) is decision
    unsure = decision._replace(fallback=True)
    assert Objective.parse("cost").applied(unsure, router) is unsure
    empty = Decision("law", 1.0, dict(zip(DOMAINS, (9.0, 0.0, 0.0), strict=True)), None, 1)
    assert Objective.parse("cost").applied(empty, router) is empty


@given(experts)
def test_price_and_latency_travel_and_free_is_not_unknown(expert: Expert) -> None:
    assert expert_of(decode(m.Expert, encode(expert_message(expert)))) == expert
