"""Laws of differential privacy: no pair of neighbours is further apart than the sensitivity, budgets only shrink."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ridgeway.layout import Layout
from ridgeway.noisy_moments import solve_noisy, without_noise
from ridgeway.privacy.budget import Budget, BudgetSpent, affordable, deviation
from ridgeway.privacy.contribution import encode_moment
from ridgeway.privacy.noise import noise_for
from ridgeway.privacy.sensitivity import moment_sensitivity
from ridgeway.statistics import DomainStatistics

DIMENSION = 5
LAYOUT = Layout(DIMENSION, 20, moments_only=True)
coordinates = st.floats(-1, 1, allow_nan=False)


def bounded(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Vectors of length at most 1, most of them of length 1, and the bias."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.hstack([rows / np.where(lengths > 1e-3, lengths, 1.0), np.ones((len(rows), 1))])


data = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (n + 1, DIMENSION - 1), elements=coordinates).map(bounded)
)


def statistics(rows: npt.NDArray[np.float64]) -> DomainStatistics:
    return DomainStatistics(np.triu(rows.T @ rows), len(rows))


@given(data)
def test_one_replaced_prompt_moves_the_moment_by_no_more_than_the_sensitivity(rows: npt.NDArray[np.float64]) -> None:
    neighbour = rows[1:].copy()
    neighbour[-1] = rows[0]
    here, there = (encode_moment(statistics(part), LAYOUT) for part in (rows[1:], neighbour))
    assert np.linalg.norm((here - there).astype(float)) <= moment_sensitivity(LAYOUT)
    assert here[-1] == there[-1]


def test_the_sensitivity_is_nearly_attained() -> None:
    u = np.zeros((1, DIMENSION))
    u[0, 0] = u[0, -1] = 1
    v = u * [-1, 1, 1, 1, 1]
    moments = [encode_moment(statistics(rows), LAYOUT).astype(float) for rows in (u, v)]
    assert np.linalg.norm(moments[0] - moments[1]) > 0.999 * moment_sensitivity(LAYOUT)


@given(st.floats(1e-3, 1e3), st.lists(st.floats(1e-6, 10), max_size=20))
def test_a_budget_is_never_overspent(limit: float, costs: list[float]) -> None:
    budget, spent = Budget(limit), 0.0
    for cost in costs:
        try:
            budget = budget.spend(cost)
            spent += cost
        except BudgetSpent:
            assert spent + cost > limit
    assert budget.spent == pytest.approx(spent)
    assert budget.spent <= limit * (1 + 1e-9)


@given(st.integers(1, 30))
def test_equal_parts_of_a_budget_spend_it_exactly(parts: int) -> None:
    budget = Budget(0.3)
    for _ in range(parts):
        budget = budget.spend(0.3 / parts)
    with pytest.raises(BudgetSpent):
        budget.spend(0.3 / parts)


@given(st.floats(0.1, 20), st.floats(1e-9, 1e-2))
def test_more_epsilon_or_delta_affords_more(epsilon: float, delta: float) -> None:
    assert affordable(epsilon, delta) < affordable(epsilon * 1.1, delta)
    assert affordable(epsilon, delta) < affordable(epsilon, delta * 2)


@given(st.floats(0.5, 8))
def test_the_calibration_is_no_looser_than_the_exact_gaussian_mechanism_allows(epsilon: float) -> None:
    multiplier = deviation(1.0, affordable(epsilon, 1e-6))
    tail = [0.5 * math.erfc((epsilon * multiplier + sign / (2 * multiplier)) / math.sqrt(2)) for sign in (-1, 1)]
    assert 0 < tail[0] - math.exp(epsilon) * tail[1] <= 1e-6


def test_the_noise_is_gaussian_with_its_deviation() -> None:
    made = noise_for(4000, 2.0**30) / 2.0**30
    assert abs(made.mean()) < 6 / math.sqrt(4000)
    assert abs(made.std() - 1) < 6 / math.sqrt(8000)
    assert abs((np.abs(made) < 1).mean() - 0.6827) < 0.05


systems = st.integers(1, 5).flatmap(
    lambda k: st.tuples(
        hnp.arrays(np.float64, (8, k), elements=st.floats(-3, 3)),
        hnp.arrays(np.float64, k, elements=st.floats(0.5, 8)),
        hnp.arrays(np.float64, k, elements=st.floats(0, 4)),
    )
)


@given(systems)
def test_a_router_comes_out_of_any_noise(
    system: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    solution = solve_noisy(*system)
    assert np.isfinite(solution.weights).all()
    assert solution.weights.shape == system[0].shape
    assert solution.ridge > 0


@given(systems)
def test_without_noise_it_is_the_ridge_regression_of_the_model(
    system: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    moments, masses, _ = system
    solution = solve_noisy(moments, masses, np.zeros(len(masses)))
    means = moments[:-1] / masses
    weights = np.linalg.solve(means @ means.T + solution.ridge * np.eye(len(means)), means)
    np.testing.assert_allclose(solution.weights[:-1], weights, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(solution.weights[-1], -(weights.T @ means).mean(axis=1), atol=1e-6, rtol=1e-6)


@given(systems)
def test_products_keep_no_negative_eigenvalue(
    system: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    moments, _, deviations = system
    made = without_noise(moments.T @ moments, deviations)
    assert np.linalg.eigvalsh(made)[0] > -1e-9
