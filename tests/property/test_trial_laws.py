"""Laws of hold-outs and trials: what is held out is stable, counts add up over owners, nonsense is refused."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import WORDS, toy_embedder

from ridgeway.feature_map import Router, ready_router
from ridgeway.hold_out import HOLD_OUT_MAX, HOLD_OUT_MIN, BadHoldOut, HoldOut
from ridgeway.manifest import DecisionRule, FeatureMap, Manifest, PooledSettings, RoutingSettings
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.trial_report import from_message, to_message
from ridgeway.router import RouterWeights
from ridgeway.routing import Decision
from ridgeway.trial import BadTrial, Counts, TrialSum, judge, try_router, ways_to_decide

EMBEDDER = toy_embedder()
OPEN = RoutingSettings(auto_rule=True, auto_top_k=True)
TOKENS = Manifest("test", EMBEDDER.fingerprint, routing=OPEN)
POOLED = Manifest("test", EMBEDDER.fingerprint, FeatureMap.POOLED, PooledSettings(columns=8))
DOMAINS = ("law", "math", "medicine")

prompts = st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=8).map(" ".join)
corpora = st.lists(prompts, min_size=1, max_size=20)
manifests = st.sampled_from([TOKENS, POOLED])


def router_of(manifest: Manifest, seed: int = 0) -> Router:
    weights = np.random.default_rng(seed).normal(size=(manifest.dimension, len(DOMAINS)))
    return ready_router(RouterWeights(1, DOMAINS, weights, 0.01, b"", b""), EMBEDDER, manifest)


def ids_of(corpus: Sequence[str]) -> list[list[int]]:
    return [EMBEDDER.encode(prompt) for prompt in corpus]


def split(hold_out: HoldOut, corpus: Sequence[str], batch: int) -> tuple[list[list[int]], list[list[int]]]:
    counted: list[list[int]] = []
    for start in range(0, len(corpus), batch):
        part = corpus[start : start + batch]
        counted += [encoding.ids for encoding in hold_out.split(part, EMBEDDER.encode_batch(part))]
    counted += [encoding.ids for encoding in hold_out.given_back()]
    return counted, hold_out.prompts()


@given(corpora, st.floats(0, 0.5), st.integers(1, 7), st.binary(min_size=16, max_size=64))
def test_every_prompt_is_counted_or_held_out(corpus: list[str], fraction: float, batch: int, key: bytes) -> None:
    counted, held = split(HoldOut(key, fraction), corpus, batch)
    assert sorted(counted + held) == sorted(ids_of(corpus))
    assert not held or len(held) >= HOLD_OUT_MIN


def numbered(count: int) -> list[str]:
    return [f"w{i % 36} w{i // 36 % 36} w{i // 1296 % 36}" for i in range(count)]


def test_the_choice_stays_when_files_grow_and_depends_on_the_key() -> None:
    corpus = numbered(600)
    _, first = split(HoldOut(b"k" * 32, 0.1), corpus[:300], 50)
    _, grown = split(HoldOut(b"k" * 32, 0.1), corpus, 50)
    _, other = split(HoldOut(b"o" * 32, 0.1), corpus, 50)
    assert {tuple(ids) for ids in first} < {tuple(ids) for ids in grown}
    assert {tuple(ids) for ids in other} != {tuple(ids) for ids in grown}
    assert 30 < len(grown) < 100


def test_equal_prompts_stay_on_one_side_and_too_few_are_given_back() -> None:
    counted, held = split(HoldOut(b"k" * 32, 0.5), ["w1 w2"] * 50, 10)
    assert (len(counted), len(held)) in {(50, 0), (0, 50)}
    counted, held = split(HoldOut(b"k" * 32, 0.5), ["w1", "w2", "w3", "w4"], 2)
    assert (len(counted), held) == (4, [])


def test_at_most_so_many_are_kept() -> None:
    counted, held = split(HoldOut(b"k" * 32, 0.5), numbered(3000), 100)
    assert len(held) == HOLD_OUT_MAX
    assert len(counted) < 2000


def test_a_share_out_of_range_is_refused() -> None:
    for wrong in (-0.1, 0.51, float("nan")):
        with pytest.raises(BadHoldOut, match="between 0 and"):
            HoldOut(b"k" * 32, wrong)


@given(manifests, corpora, st.sampled_from(DOMAINS))
def test_a_trial_counts_what_the_router_decides(manifest: Manifest, corpus: list[str], domain: str) -> None:
    router = router_of(manifest)
    made = try_router(router, manifest, domain, ids_of(corpus))
    ways = ways_to_decide(manifest)
    assert len(made) == len(ways) == (1 if manifest is POOLED else 7)
    for way, counts in zip(ways, made, strict=True):
        counts.check(len(DOMAINS))
        settled = ready_router(replace(router.router, routing=way), EMBEDDER, manifest)
        outcomes = settled.route_batch(corpus)
        chosen = [DOMAINS.index(o.domain) if isinstance(o, Decision) else len(DOMAINS) for o in outcomes]
        assert counts.chosen.tolist() == np.bincount(chosen, minlength=len(DOMAINS) + 1).tolist()
        right = sum(place == DOMAINS.index(domain) for place in chosen)
        assert (counts.confidence[..., 1].sum(axis=1) == right).all()


@given(manifests, st.lists(st.tuples(corpora, st.sampled_from(DOMAINS)), min_size=1, max_size=4), st.randoms())
def test_trials_add_up_in_any_order(
    manifest: Manifest, made: list[tuple[list[str], str]], order: random.Random
) -> None:
    router = router_of(manifest)
    trials = [{domain: try_router(router, manifest, domain, ids_of(corpus))} for corpus, domain in made]
    verdict = judge(manifest, DOMAINS, TrialSum.of(len(ways_to_decide(manifest)), DOMAINS, trials))
    order.shuffle(trials)
    again = judge(manifest, DOMAINS, TrialSum.of(len(ways_to_decide(manifest)), DOMAINS, trials))
    assert (verdict.routing, verdict.calibration) == (again.routing, again.calibration)
    np.testing.assert_array_equal(verdict.confusion, again.confusion)
    assert verdict.prompts == sum(len(corpus) for corpus, _ in made)


def test_the_way_with_the_best_balanced_accuracy_is_chosen() -> None:
    def counts(right: int) -> Counts:
        empty = np.zeros_like(try_router(router_of(TOKENS), TOKENS, "law", [])[0].confidence)
        empty[:, 0, 0], empty[:, 0, 1] = 10, right
        return Counts(np.array([right, 10 - right, 0, 0]), empty)

    ways = ways_to_decide(TOKENS)
    verdict = judge(
        TOKENS,
        DOMAINS,
        TrialSum.of(7, DOMAINS, [{"law": [counts(5), counts(7), counts(9), counts(9), *[counts(1)] * 3]}]),
    )
    assert verdict.routing == ways[2]
    assert verdict.balanced_accuracy == 0.9
    assert ways[0] == RoutingSettings(DecisionRule.VOTES, 10)


@given(manifests, corpora)
def test_a_report_travels_unchanged(manifest: Manifest, corpus: list[str]) -> None:
    router = router_of(manifest)
    trials = {domain: try_router(router, manifest, domain, ids_of(corpus)) for domain in ("law", "medicine")}
    report = decode(m.TrialReport, encode(to_message(3, DOMAINS, trials)))
    back = from_message(report, len(ways_to_decide(manifest)))
    assert back.keys() == trials.keys()
    for domain, ways in trials.items():
        for sent, came in zip(ways, back[domain], strict=True):
            np.testing.assert_array_equal(sent.chosen, came.chosen)
            np.testing.assert_array_equal(sent.confidence, came.confidence)


def test_counts_that_no_trial_gives_are_refused() -> None:
    router = router_of(POOLED)
    good = to_message(1, DOMAINS, {"law": try_router(router, POOLED, "law", ids_of(["w1", "w2 w3"]))})
    (trial,) = good.domains
    (way,) = trial.ways
    more_right = tuple(n + (i % 2) for i, n in enumerate(way.confidence))
    for wrong, sentence in (
        (replace(good, domains=(replace(trial, domain="cooking"),)), "does not know"),
        (replace(good, domains=(trial, trial)), "came before"),
        (replace(good, domains=(replace(trial, ways=(way, way)),)), "ways to decide"),
        (replace(good, domains=(replace(trial, ways=(replace(way, chosen=(1,)),)),)), "another shape"),
        (replace(good, domains=(replace(trial, ways=(replace(way, confidence=(1, 2)),)),)), "another shape"),
        (replace(good, domains=(replace(trial, ways=(replace(way, confidence=more_right),)),)), "right decisions"),
        (replace(good, domains=(replace(trial, ways=(replace(way, chosen=(5, 0, 0, 0)),)),)), "do not add up"),
        (
            replace(good, domains=(replace(trial, ways=(replace(way, chosen=(1 << 60, 0, 0, 0)),)),)),
            "than any hold-out",
        ),
    ):
        with pytest.raises(BadTrial, match=sentence):
            from_message(wrong, 1)
