"""Laws of the pooled feature map: agreement with rows made token by token, exactness, and shares that add up."""

import numpy as np
import numpy.typing as npt
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import WORDS, toy_embedder

from ridgeway.calibration import BINS, CANDIDATES, UNCALIBRATED, Calibration, calibrate, count_confidence, softmax
from ridgeway.contribution_check import check_contribution
from ridgeway.feature_map import accumulator, ready_router
from ridgeway.manifest import (
    FRACTION_BITS,
    POOLED_SOLVER,
    FeatureMap,
    Manifest,
    ManifestError,
    MassRule,
    PooledSettings,
)
from ridgeway.pooled import pooled_rows, weigh
from ridgeway.pooled_routing import NoTokenVotes, PooledRouter
from ridgeway.projection import packed_signs, signs
from ridgeway.ridge import solve
from ridgeway.router import RouterWeights
from ridgeway.routing import NoKnownToken
from ridgeway.statistics import encode_contribution
from ridgeway.sums import FederationSum
from ridgeway.vote_table import EmbedderMismatch

EMBEDDER = toy_embedder()
SETTINGS = PooledSettings(columns=16, seed=7)
MANIFEST = Manifest("test", EMBEDDER.fingerprint, FeatureMap.POOLED, SETTINGS, solver=POOLED_SOLVER)

words = st.sampled_from([*WORDS, "unheard", "[CLS]"])
prompts = st.lists(words, max_size=12).map(" ".join)
corpora = st.lists(prompts, min_size=1, max_size=6).filter(
    lambda made: any(w in WORDS for p in made for w in p.split())
)
contributions = st.lists(st.tuples(st.sampled_from(["law", "math", "code"]), corpora), min_size=1, max_size=5)


def contribution(corpus: list[str], rule: MassRule = MassRule.OWNER) -> tuple[npt.NDArray[np.int64], int]:
    rows = accumulator(MANIFEST, EMBEDDER)
    rows.add(EMBEDDER.encode_batch(corpus))
    statistics = rows.statistics()
    return encode_contribution(statistics, rule, FRACTION_BITS[rule]), statistics.rows


def trained(made: list[tuple[str, list[str]]]) -> PooledRouter:
    total = FederationSum(MANIFEST.layout)
    for domain, corpus in made:
        total.add(domain, *contribution(corpus))
    a, b = total.normal_equations()
    solution = solve(a, b, total.masses, total.rows, MANIFEST.solver)
    router = ready_router(RouterWeights(1, total.domains, solution.weights, 0.01, b"", b""), EMBEDDER, MANIFEST)
    assert isinstance(router, PooledRouter)
    return router


@given(corpora)
def test_the_rows_are_those_of_the_definition(corpus: list[str]) -> None:
    tokens = weigh([EMBEDDER.encode(prompt) for prompt in corpus], EMBEDDER)
    rows = pooled_rows(tokens, EMBEDDER, SETTINGS)[tokens.known]
    np.testing.assert_allclose(rows, oracle.pooled_rows(EMBEDDER, corpus, SETTINGS), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows[:, : EMBEDDER.dimension], axis=1), 1.0, atol=1e-5)


@given(corpora)
def test_the_gram_matrix_is_that_of_the_rows(corpus: list[str]) -> None:
    rows = accumulator(MANIFEST, EMBEDDER)
    for prompt in corpus:
        rows.add(EMBEDDER.encode_batch([prompt]))
    statistics, x = rows.statistics(), oracle.pooled_rows(EMBEDDER, corpus, SETTINGS)
    assert statistics.rows == len(x)
    np.testing.assert_allclose(np.triu(statistics.gram), np.triu(x.T @ x), atol=1e-4)


@given(corpora, st.sampled_from(list(MassRule)))
def test_every_honest_contribution_passes_its_check(corpus: list[str], rule: MassRule) -> None:
    vector, rows = contribution(corpus, rule)
    check_contribution(vector, MANIFEST.dimension, rule, FRACTION_BITS[rule], rows)


@given(contributions, st.lists(prompts, min_size=1, max_size=8))
def test_one_prompt_and_a_batch_decide_alike_and_as_the_explicit_product(
    made: list[tuple[str, list[str]]], asked: list[str]
) -> None:
    router = trained(made)
    for prompt, outcome in zip(asked, router.route_batch(asked), strict=True):
        x = oracle.pooled_rows(EMBEDDER, [prompt], SETTINGS)
        if not x.size:
            assert isinstance(outcome, NoKnownToken)
            with pytest.raises(NoKnownToken):
                router.route(prompt)
            continue
        assert outcome == router.route(prompt)
        assert not isinstance(outcome, NoKnownToken)
        scores = (x @ router.router.weights)[0]
        np.testing.assert_allclose(list(outcome.votes.values()), scores, atol=1e-3)
        assert outcome.votes[outcome.domain] == max(outcome.votes.values())
        assert 1 / len(scores) - 1e-9 <= outcome.confidence <= 1.0


@given(contributions, prompts.filter(lambda prompt: any(word in WORDS for word in prompt.split())))
def test_the_tokens_shares_and_the_bias_add_up_to_the_score(made: list[tuple[str, list[str]]], prompt: str) -> None:
    router = trained(made)
    views, bias = router.view(EMBEDDER.encode(prompt))
    total = np.sum([view.shares for view in views], axis=0) + bias
    np.testing.assert_allclose(total, list(router.route(prompt).votes.values()), atol=1e-9)


def test_a_federation_without_the_pseudo_random_block_routes() -> None:
    manifest = Manifest("test", EMBEDDER.fingerprint, FeatureMap.POOLED, PooledSettings(columns=0))
    assert manifest.dimension == EMBEDDER.dimension + 1
    weights = np.random.default_rng(0).normal(size=(manifest.dimension, 2))
    router = ready_router(RouterWeights(1, ("law", "math"), weights, 0.01, b"", b""), EMBEDDER, manifest)
    x = oracle.pooled_rows(EMBEDDER, ["w1 w2 w2"], manifest.pooled)
    np.testing.assert_allclose(list(router.route("w1 w2 w2").votes.values()), (x @ weights)[0], atol=1e-5)


def test_weights_of_another_length_and_a_number_of_votes_are_refused() -> None:
    with pytest.raises(EmbedderMismatch, match="rows of 5"):
        PooledRouter(RouterWeights(1, ("law",), np.zeros((5, 1)), 0.01, b"", b""), EMBEDDER, SETTINGS)
    with pytest.raises(NoTokenVotes, match="leave top_k out"):
        trained([("law", ["w1"])]).route("w1", 5)
    for wrong in (12, -8, 8200):
        with pytest.raises(ManifestError, match="multiple of 8"):
            PooledSettings(columns=wrong)


def test_the_signs_are_the_same_everywhere() -> None:
    """A known answer: another one would make every member's rows another's."""
    packed = packed_signs(0, 30522, 1024)
    assert packed.shape == (30522, 128)
    assert packed[0, :8].tobytes().hex() == "18e8872b171ea40d"
    assert packed[-1, -8:].tobytes().hex() == "de9b704e8b15b871"
    numbers = signs(packed[:200])
    assert set(np.unique(numbers)) == {-1.0, 1.0}
    assert abs(float(numbers.mean())) < 0.01
    assert not np.array_equal(packed[:2], packed_signs(1, 30522, 1024)[:2])


@given(st.integers(0, 2**32), st.sampled_from([3.0, 6.0, 14.0]))
def test_calibration_finds_the_temperature_that_made_the_answers(seed: int, truth: float) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(4000, 3)) / truth * 2.0
    chances = softmax(scores * truth)
    drawn = (generator.random(4000)[:, None] > np.cumsum(chances, axis=1)).sum(axis=1)
    counts = count_confidence(scores, scores.argmax(axis=1) == drawn)
    found = calibrate(counts)
    assert 0.7 < found.inverse_temperature / truth < 1.45
    assert found.prompts == 4000
    assert found.expected_error < 0.05
    assert (counts[:, :, 0].sum(axis=1) == 4000).all()


def test_a_handful_of_right_answers_makes_nothing_certain() -> None:
    scores = np.array([[0.3, 0.0, -0.1]] * 7)
    found = calibrate(count_confidence(scores, np.ones(7, dtype=np.bool_)))
    assert found.inverse_temperature < 2 * UNCALIBRATED
    assert found.confidence(scores[:1])[0] < 0.99


def test_without_hold_outs_the_temperature_is_the_default() -> None:
    assert calibrate(np.zeros((CANDIDATES.size, BINS, 2), dtype=np.int64)) == Calibration()
