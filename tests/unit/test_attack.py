"""The attack works where it should, and where it should not it does not: on toy embeddings, in milliseconds."""

import numpy as np
import pytest
from gram_inversion import GramInversion, bordered
from masked_round import masked_round
from pooled_attack import moments_from, recognised, rows_of, tokens_by_likelihood
from sum_splitting import decompositions, even_shares, split
from toy import WORDS, toy_embedder

from ridgeway.manifest import POOLED_SOLVER, MassRule, PooledSettings
from ridgeway.ridge import solve
from ridgeway.statistics import TokenHistogram, encode_contribution, gram

EMBEDDER = toy_embedder(dimension=14)
# The toy embedding holds w5 to w9 to be one word.
TELLABLE = [word for word in WORDS if word not in {"w5", "w6", "w7", "w8", "w9"}]
SETTINGS = PooledSettings(columns=64, seed=3)


def prompts(seed: int, words: list[str], count: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(words, size=5)) for _ in range(count)]


def test_the_solver_reads_the_histogram_off_a_plain_gram_matrix() -> None:
    histogram = TokenHistogram.empty(EMBEDDER)
    histogram.add(EMBEDDER.encode_batch(prompts(0, TELLABLE[:12], 30)))
    upper = gram(histogram, EMBEDDER).gram
    found = GramInversion(bordered(EMBEDDER)).counts(np.triu(upper) + np.triu(upper, 1).T)
    np.testing.assert_array_equal(np.rint(found), histogram.counts)


def test_the_solver_finds_nothing_where_the_trace_is_negative() -> None:
    assert not GramInversion(bordered(EMBEDDER)).counts(-np.eye(15)).any()


@pytest.mark.parametrize("rows", [(101, 113, 127, 131), (97, 211), (40, 41, 43)])
def test_row_counts_tell_rare_tokens_of_a_sum_apart(rows: tuple[int, ...]) -> None:
    counts = np.random.default_rng(1).integers(0, 3, size=(len(rows), 20))
    total = (counts / np.array(rows)[:, None]).sum(axis=0)
    np.testing.assert_array_equal(split(total, rows, 1e-12), counts)
    assert not np.array_equal(even_shares(total, rows), counts)


def test_owners_of_one_size_cannot_be_told_apart() -> None:
    assert len(decompositions(2 / 50, (50, 50), 1e-12)) == 3


def test_the_masks_cancel_in_the_sum_and_hide_everything_else() -> None:
    histogram = TokenHistogram.empty(EMBEDDER)
    histogram.add(EMBEDDER.encode_batch(prompts(0, WORDS, 30)))
    vector = encode_contribution(gram(histogram, EMBEDDER), MassRule.OWNER, 36)
    made = masked_round([vector, vector, 2 * vector], np.random.default_rng(4).bytes)
    np.testing.assert_array_equal(made.sum, 4 * vector)
    assert all(abs(np.mean(masked < 0) - 0.5) < 0.2 for masked in made.masked)


def test_pooled_statistics_of_few_prompts_confirm_a_guessed_prompt() -> None:
    held, other = (rows_of(prompts(seed, WORDS, 20), EMBEDDER, SETTINGS) for seed in (1, 2))
    assert recognised(held.T @ held / 20, held, 1 / 20).all()
    assert not recognised(held.T @ held / 20, other, 1 / 20).any()


def test_pooled_statistics_of_many_prompts_confirm_whatever_is_guessed() -> None:
    settings = PooledSettings(columns=8)
    held, other = (rows_of(prompts(seed, WORDS, 400), EMBEDDER, settings) for seed in (1, 2))
    assert recognised(held.T @ held / 400, other, 1 / 400).mean() > 0.9


def test_the_tokens_of_few_pooled_prompts_rank_first() -> None:
    words = WORDS[:8]
    rows = rows_of(prompts(1, words, 12), EMBEDDER, SETTINGS)
    first = tokens_by_likelihood(rows.T @ rows, EMBEDDER, SETTINGS)[:8]
    assert {EMBEDDER.tokenizer.id_to_token(int(i)) for i in first} == set(words)


def test_router_and_sums_give_the_moments_in_spite_of_the_prior_correction() -> None:
    rows = [rows_of(prompts(seed, WORDS, 30), EMBEDDER, SETTINGS) for seed in (1, 2, 3)]
    grams = [part.T @ part / len(part) for part in rows]
    a, b = np.sum(grams, axis=0), np.array([g[-1] for g in grams]).T
    solution = solve(a, b, np.ones(3), [30] * 3, POOLED_SOLVER)
    np.testing.assert_allclose(moments_from(a, solution.weights, solution.ridge), b, atol=1e-9)
