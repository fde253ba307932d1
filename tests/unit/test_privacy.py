"""Refusals and known answers of differential privacy, and a whole private federation in one process."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from toy import WORDS, toy_embedder

from ridgeway import fixed_point, samples
from ridgeway.embedders import load_embedder
from ridgeway.feature_map import Accumulator, accumulator, ready_router
from ridgeway.layout import Layout
from ridgeway.manifest import (
    FRACTION_BITS,
    MANIFEST_VERSION,
    FeatureMap,
    Manifest,
    ManifestError,
    MassRule,
    PooledSettings,
    PrivacySettings,
)
from ridgeway.node.prompts import PromptSource, read_prompts
from ridgeway.noisy_moments import solve_noisy
from ridgeway.pooled import PooledGram, pooled_rows, weigh
from ridgeway.privacy.agreement import agree, check_agreed
from ridgeway.privacy.budget import Budget, affordable, deviation
from ridgeway.privacy.contribution import encode_moment, with_noise
from ridgeway.privacy.errors import PrivacyError, PrivacyLibraryMissing
from ridgeway.privacy.noise import NoiseTooLarge, noise_for
from ridgeway.privacy.solving import private_solution
from ridgeway.privacy.whitened import WhitenedEmbedder
from ridgeway.ridge import UnsolvableSystem
from ridgeway.router import RouterWeights
from ridgeway.routing import Decision
from ridgeway.statistics import NoTokens
from ridgeway.sums import FederationSum

EMBEDDER = toy_embedder()
PLAIN = PooledSettings(columns=0)


def filled(prompts: list[str]) -> Accumulator:
    rows = PooledGram(EMBEDDER, PLAIN)
    rows.add(EMBEDDER.encode_batch(prompts))
    return rows


PRIVACY = PrivacySettings(3.0, 1e-6, 1, 0.1, "")


def private(feature_map: FeatureMap, columns: int, mass: MassRule) -> Manifest:
    pooled = PooledSettings(columns)
    return Manifest("f", EMBEDDER.fingerprint, feature_map, pooled, fraction_bits=20, mass=mass, privacy=PRIVACY)


@pytest.mark.parametrize(
    ("feature_map", "columns"), [(FeatureMap.TOKENS, 0), (FeatureMap.POOLED, 8), (FeatureMap.TOKENS, 8)]
)
def test_rows_without_a_bound_are_refused(feature_map: FeatureMap, columns: int) -> None:
    with pytest.raises(ManifestError, match="--columns 0"):
        private(feature_map, columns, MassRule.TOKENS)


def test_mass_one_is_refused() -> None:
    with pytest.raises(ManifestError, match="--mass tokens"):
        private(FeatureMap.POOLED, 0, MassRule.OWNER)


def test_a_private_manifest_comes_back_and_an_older_release_would_refuse_it() -> None:
    manifest = private(FeatureMap.POOLED, 0, MassRule.TOKENS)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json())["manifest"] == MANIFEST_VERSION + 1
    assert manifest.layout.moments_only


def test_a_manifest_without_privacy_does_not_mention_it() -> None:
    assert b"privacy" not in Manifest("f", EMBEDDER.fingerprint).to_json()


def test_a_newcomer_checks_that_the_noise_is_what_it_should_be() -> None:
    agreed = agree(3.0, 1e-6, 4)
    check_agreed(agreed)
    for changed, why in (
        (replace(agreed, cost=agreed.cost * 1.01), "too small"),
        (replace(agreed, epsilon=2.9), "too small"),
        (replace(agreed, contributions=5), "too small"),
        (replace(agreed, public_prompts_sha256="0" * 64), "public prompts"),
    ):
        with pytest.raises(PrivacyError, match=why):
            check_agreed(changed)


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-6), (-1, 1e-6), (float("nan"), 1e-6), (1, 0), (1, 1), (1, 2)])
def test_no_privacy_for_these(epsilon: float, delta: float) -> None:
    with pytest.raises(PrivacyError):
        affordable(epsilon, delta)


@pytest.mark.parametrize("cost", [0.0, -1.0, float("inf"), float("nan")])
def test_a_contribution_must_cost_something(cost: float) -> None:
    with pytest.raises(PrivacyError, match="cost"):
        Budget(1.0).spend(cost)


def test_what_is_left_of_a_budget() -> None:
    assert Budget(1.0).spend(0.25).left == 0.75
    assert Budget(1.0, 2.0).left == 0.0


def test_known_multipliers() -> None:
    """Balle and Wang's exact multipliers at delta 1e-6 are 4.2247 and 1.5439; Renyi divergences cost a few per cent."""
    assert 4.2247 < deviation(1.0, affordable(1.0, 1e-6)) < 4.6
    assert 1.5439 < deviation(1.0, affordable(3.0, 1e-6)) < 1.67


@pytest.mark.parametrize("units", [0.0, -1.0, float("inf"), float("nan"), 2.0**45])
def test_noise_that_does_not_fit(units: float) -> None:
    with pytest.raises(NoiseTooLarge):
        noise_for(3, units)


def test_the_moment_is_the_sum_of_the_rows_and_the_mass_has_no_noise() -> None:
    statistics = filled([" ".join(WORDS[:5]), WORDS[7], WORDS[3]]).statistics()
    layout = Layout(EMBEDDER.dimension + 1, 20, moments_only=True)
    plain = encode_moment(statistics, layout)
    np.testing.assert_allclose(fixed_point.decode(plain, 20), statistics.gram[:, -1], atol=2.0**-20)
    noisy = with_noise(plain, layout, 0.1)
    assert noisy[-1] == plain[-1] == 3 << 20
    assert (noisy[:-1] != plain[:-1]).all()


def test_noise_differs_from_call_to_call() -> None:
    assert not np.array_equal(noise_for(20, 2.0**20), noise_for(20, 2.0**20))


def test_moments_that_make_no_router() -> None:
    nothing: npt.NDArray[np.float64] = np.zeros((4, 0))
    with pytest.raises(UnsolvableSystem):
        solve_noisy(nothing, np.zeros(0), np.zeros(0))
    with pytest.raises(UnsolvableSystem):
        solve_noisy(np.ones((4, 1)), np.zeros(1), np.zeros(1))
    with pytest.raises(UnsolvableSystem):
        solve_noisy(np.full((4, 1), np.nan), np.ones(1), np.zeros(1))


def test_whitened_rows_look_alike_from_every_side_and_keep_the_bound() -> None:
    embedder = toy_embedder(dimension=4)
    prompts = [" ".join(WORDS[i : i + 5]) for i in range(30)]
    white = WhitenedEmbedder(embedder, prompts)
    tokens = weigh([white.encode(prompt) for prompt in prompts], white)
    weights = np.asarray(tokens.weights.sum(axis=0)).ravel()
    rows = white.rows(tokens.ids)
    np.testing.assert_allclose(weights @ rows, 0, atol=1e-3)
    assert np.linalg.cond((rows.T * weights) @ rows) < np.linalg.cond(embedder.rows(tokens.ids).T @ rows)
    np.testing.assert_allclose(np.linalg.norm(pooled_rows(tokens, white, PLAIN)[:, :-1], axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([block for _, block in white.blocks(7)])[tokens.ids], rows)


def test_public_prompts_must_say_something() -> None:
    with pytest.raises(NoTokens):
        WhitenedEmbedder(EMBEDDER, ["unheard", ""])


def test_a_private_federation_over_the_sample_prompts_still_routes() -> None:
    domains = [domain for domain in samples.DOMAINS if domain != "finance"]
    public = list(read_prompts(PromptSource(str(samples.train_path("finance")))))
    embedder = WhitenedEmbedder(load_embedder("builtin"), public)
    privacy = agree(30.0, 1e-6, 1)
    mass = MassRule.TOKENS
    manifest = Manifest("f", embedder.fingerprint, FeatureMap.POOLED, PLAIN, FRACTION_BITS[mass], mass, privacy=privacy)
    total = FederationSum(manifest.layout)
    for domain in domains:
        rows = accumulator(manifest, embedder)
        rows.add(embedder.encode_batch(list(read_prompts(PromptSource(str(samples.train_path(domain)))))))
        statistics = rows.statistics()
        moment = with_noise(encode_moment(statistics, manifest.layout), manifest.layout, privacy.cost)
        total.add(domain, moment, statistics.rows)
    solution = private_solution(total, manifest, privacy)
    router = ready_router(RouterWeights(1, total.domains, solution.weights, 1.0, b"", b""), embedder, manifest)
    right = [
        isinstance(outcome, Decision) and outcome.domain == domain
        for domain in domains
        for outcome in router.route_batch(list(read_prompts(PromptSource(str(samples.test_path(domain))))))
    ]
    assert np.mean(right) > 0.7


def test_libraries_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("dp_accounting", "opendp.prelude"):
        monkeypatch.setitem(sys.modules, module, None)
    affordable.cache_clear()
    for act in (lambda: affordable(1.0, 1e-6), lambda: noise_for(3, 1e6)):
        with pytest.raises(PrivacyLibraryMissing, match=r"ridgeway\[dp\]"):
            act()


def test_the_libraries_are_imported_only_when_needed() -> None:
    modules = "agreement", "budget", "contribution", "noise", "sensitivity", "solving", "whitened"
    code = f"import sys; import {', '.join(f'ridgeway.privacy.{name}' for name in modules)}; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "opendp" not in loaded
    assert "dp_accounting" not in loaded
