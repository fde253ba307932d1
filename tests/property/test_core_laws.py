"""Laws of the mathematics: exactness, order, and agreement of every fast path with its oracle."""

import random
from itertools import combinations

import numpy as np
import numpy.typing as npt
import oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy import WORDS, toy_embedder

from ridgeway import fixed_point, triangle
from ridgeway.contribution_check import check_contribution
from ridgeway.layout import Layout
from ridgeway.manifest import FRACTION_BITS, DecisionRule, MassRule, RoutingSettings, SolverSettings
from ridgeway.ridge import (
    chosen_ridge,
    effective_rows,
    generalised_cross_validation,
    prior_correction,
    ridge_regression,
    solve,
)
from ridgeway.router import RouterWeights
from ridgeway.routing import NoKnownToken, TokenRouter
from ridgeway.statistics import TokenHistogram, encode_contribution, gram
from ridgeway.sums import FederationSum

EMBEDDER = toy_embedder()
D = EMBEDDER.dimension + 1
BITS = FRACTION_BITS[MassRule.OWNER]

words = st.sampled_from([*WORDS, "unheard", "[CLS]"])
prompts = st.lists(words, max_size=12).map(" ".join)
corpora = st.lists(prompts, min_size=1, max_size=6).filter(
    lambda made: any(w in WORDS for p in made for w in p.split())
)
domains = st.sampled_from(["law", "math", "code"])
contributions = st.lists(st.tuples(domains, corpora), min_size=1, max_size=5)


def contribution(corpus: list[str], rule: MassRule = MassRule.OWNER) -> tuple[npt.NDArray[np.int64], int]:
    histogram = TokenHistogram.empty(EMBEDDER)
    histogram.add(EMBEDDER.encode_batch(corpus))
    statistics = gram(histogram, EMBEDDER)
    return encode_contribution(statistics, rule, FRACTION_BITS[rule]), statistics.rows


def total_of(made: list[tuple[str, list[str]]]) -> FederationSum:
    total = FederationSum(Layout(D, BITS))
    for domain, corpus in made:
        total.add(domain, *contribution(corpus))
    return total


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-2000, 2000)), st.integers(8, 36))
def test_decoding_gives_back_each_value_within_half_a_unit(values: npt.NDArray[np.float64], bits: int) -> None:
    decoded = fixed_point.decode(fixed_point.encode(values, bits), bits)
    assert np.abs(decoded - values).max() <= 2.0**-bits / 2 + 1e-12


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_a_packed_triangle_unpacks_to_the_matrix(dimension: int, seed: int) -> None:
    half = np.random.default_rng(seed).normal(size=(dimension, dimension))
    matrix = half + half.T
    packed = triangle.pack(matrix)
    assert packed.size == triangle.length(dimension)
    np.testing.assert_array_equal(triangle.unpack(packed, dimension), matrix)
    np.testing.assert_array_equal(triangle.diagonal(packed, dimension), np.diag(matrix))
    np.testing.assert_array_equal(triangle.last_column(packed, dimension), matrix[:, -1])


@given(corpora)
def test_the_gram_matrix_is_that_of_the_explicit_rows(corpus: list[str]) -> None:
    histogram = TokenHistogram.empty(EMBEDDER)
    histogram.add(EMBEDDER.encode_batch(corpus))
    x = oracle.rows_of(EMBEDDER, corpus)
    statistics = gram(histogram, EMBEDDER)
    assert statistics.rows == histogram.rows == len(x)
    np.testing.assert_allclose(np.triu(statistics.gram), np.triu(x.T @ x), atol=1e-10)


@given(corpora, st.sampled_from(list(MassRule)))
def test_every_honest_contribution_passes_its_check(corpus: list[str], rule: MassRule) -> None:
    vector, rows = contribution(corpus, rule)
    check_contribution(vector, D, rule, FRACTION_BITS[rule], rows)
    assert vector[-1] == (1 if rule is MassRule.OWNER else rows) << FRACTION_BITS[rule]


@given(contributions, st.randoms(use_true_random=False))
def test_the_order_of_contributions_does_not_matter(made: list[tuple[str, list[str]]], order: random.Random) -> None:
    shuffled = list(made)
    order.shuffle(shuffled)
    assert total_of(shuffled).digest(b"") == total_of(made).digest(b"")


@given(contributions, domains, corpora)
def test_leaving_gives_back_the_bits_from_before_joining(
    made: list[tuple[str, list[str]]], domain: str, corpus: list[str]
) -> None:
    total = total_of(made)
    before = total.digest(b""), total.triangle.tobytes(), total.domains
    vector, rows = contribution(corpus)
    total.add(domain, vector, rows)
    assert total.digest(b"") != before[0]
    total.subtract(domain, vector, rows)
    assert (total.digest(b""), total.triangle.tobytes(), total.domains) == before


@given(contributions)
def test_the_moments_always_add_up_to_the_last_column(made: list[tuple[str, list[str]]]) -> None:
    total = total_of(made)
    total.check()
    a, b = total.normal_equations()
    np.testing.assert_array_equal(b.sum(axis=1), a[:, -1])
    np.testing.assert_array_equal(total.masses, b[-1])


@given(contributions, st.sampled_from([0.001, 0.01, 1.0]))
def test_the_ridge_solution_solves_its_equations(made: list[tuple[str, list[str]]], ridge: float) -> None:
    a, b = total_of(made).normal_equations()
    weights = ridge_regression(a, b, ridge)
    np.testing.assert_allclose((a + ridge * np.eye(D)) @ weights, b, atol=1e-9)
    np.testing.assert_allclose(weights, np.linalg.inv(a + ridge * np.eye(D)) @ b, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_cross_validation_picks_what_brute_force_over_explicit_rows_picks(seed: int) -> None:
    draw = random.Random(seed)
    made = [
        (domain, [" ".join(draw.choices(WORDS[start : start + 24], k=30))])
        for start, domain in ((0, "law"), (6, "math"), (12, "code"))
    ]
    total = total_of(made)
    a, b = total.normal_equations()
    rows = [oracle.rows_of(EMBEDDER, corpus) for _, corpus in made]
    x = np.vstack(rows)
    y = np.vstack(
        [
            np.tile([float(domain == d) for d in total.domains], (len(r), 1))
            for (domain, _), r in zip(made, rows, strict=True)
        ]
    )
    weights = np.concatenate([np.full(len(r), 1 / len(r)) for r in rows])
    picked = generalised_cross_validation(a, b, total.masses, total.rows)
    grid = np.logspace(-8, 2, 61) * (np.trace(a) / D)
    errors = np.array([oracle.leave_one_out_error(x, y, weights, float(r)) for r in grid])
    assert picked in grid
    assert errors[np.argmin(np.abs(grid - picked))] <= errors.min() * (1 + 1e-4) + 1e-9


@given(contributions)
def test_prior_correction_centres_the_scores_of_the_mean_rows(made: list[tuple[str, list[str]]]) -> None:
    total = total_of(made)
    a, b = total.normal_equations()
    means = b / total.masses
    corrected = prior_correction(ridge_regression(a, b, 0.01), means)
    np.testing.assert_allclose((corrected.T @ means).mean(axis=1), 0.0, atol=1e-9)


@pytest.mark.parametrize("rule", list(DecisionRule))
@settings(deadline=None)
@given(made=contributions, asked=st.lists(prompts, max_size=8), top_k=st.integers(1, 12), correct=st.booleans())
def test_one_prompt_a_batch_and_the_oracle_agree(
    rule: DecisionRule, made: list[tuple[str, list[str]]], asked: list[str], top_k: int, correct: bool
) -> None:
    total = total_of(made)
    a, b = total.normal_equations()
    solution = solve(a, b, total.masses, total.rows, SolverSettings(prior_correction=correct))
    # Domains with the same prompts get the same column but for rounding; which of them wins is then nobody's to say.
    columns = solution.weights.T
    assume(all(np.abs(p - q).max() > 1e-9 for p, q in combinations(columns, 2)))
    chosen = RoutingSettings(rule, top_k)
    router = TokenRouter(RouterWeights(1, total.domains, solution.weights, 0.01, b"", b""), EMBEDDER, chosen)
    batch = router.route_batch(asked)
    for prompt, outcome in zip(asked, batch, strict=True):
        expected = oracle.route(EMBEDDER, solution.weights, prompt, chosen)
        if expected is None:
            assert isinstance(outcome, NoKnownToken)
            with pytest.raises(NoKnownToken):
                router.route(prompt)
        else:
            assert not isinstance(outcome, NoKnownToken)
            assert outcome == router.route(prompt)
            assert 0.0 <= outcome.confidence <= 1.0
            assert outcome.domain == total.domains[expected]


@given(st.integers(0, 2**32), st.integers(20, 60))
def test_cross_validation_never_interpolates(seed: int, count: int) -> None:
    """With more columns than rows plain cross-validation picks next to no ridge; every residual is then zero."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(2, count, 200))
    grams = [rows.T @ rows / count for rows in x]
    b = np.stack([rows.mean(axis=0) for rows in x], axis=1)
    a = grams[0] + grams[1]
    ridge = generalised_cross_validation(a, b, np.ones(2), (count, count))
    spectrum = np.maximum(np.linalg.eigvalsh(a), 0.0)
    assert (spectrum / (spectrum + ridge)).sum() < 2 * count / 1.4


@given(st.floats(0.1, 10), st.lists(st.tuples(st.floats(0.5, 20), st.integers(1, 10_000)), min_size=1, max_size=6))
def test_pseudo_rows_are_a_ridge_on_the_plain_sum_over_rows(pseudo_rows: float, made: list[tuple[float, int]]) -> None:
    masses, rows = np.array([mass for mass, _ in made]), [count for _, count in made]
    settings = SolverSettings(ridge=None, pseudo_rows=pseudo_rows)
    ridge = chosen_ridge(np.eye(2), np.ones((2, len(made))), masses, rows, settings)
    weights = np.repeat(masses / rows, rows)
    assert ridge == pytest.approx(pseudo_rows * weights.sum() / (weights.sum() ** 2 / np.square(weights).sum()))
    assert effective_rows(np.array(rows, dtype=np.float64), rows) == pytest.approx(sum(rows))
