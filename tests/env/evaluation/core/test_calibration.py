"""Calibration error of forecasters whose calibration is known."""

import numpy as np
import pytest

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.calibration import BINS, reliability, threshold_error, top_label_error

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
N, U = 6_000, 30


def log_of(index: np.ndarray) -> Interactions:
    users = np.repeat(np.arange(U), len(index) // U)
    items = np.tile(np.arange(len(index) // U), U)
    return Interactions.from_columns(users, items, 1.0 + index, None, n_users=U, n_items=len(index) // U, scale=SCALE)


def value(error: object) -> float:
    return float(error.resampled(np.ones((1, U)))[0])


@pytest.fixture(scope="module")
def honest() -> tuple[np.ndarray, Interactions]:
    """Distributions, and ratings that are drawn from them."""
    rng = np.random.default_rng(0)
    distributions = rng.dirichlet(np.ones(5), N)
    index = (rng.random(N)[:, None] > np.cumsum(distributions, axis=1)).sum(axis=1)
    return distributions, log_of(index)


@pytest.mark.parametrize("error", [threshold_error, top_label_error])
def test_certain_and_right_has_none(honest: tuple[np.ndarray, Interactions], error: object) -> None:
    _, test = honest
    assert value(error(np.eye(5)[test.rating_index], test)) == 0


def test_certain_and_wrong_has_all_there_is() -> None:
    test = log_of(np.zeros(N, np.int64))
    worst = np.broadcast_to(np.eye(5)[4], (N, 5))
    assert value(threshold_error(worst, test)) == pytest.approx(1)
    assert value(top_label_error(worst, test)) == pytest.approx(1)


@pytest.mark.parametrize("error", [threshold_error, top_label_error])
def test_ratings_drawn_from_the_forecast_leave_little(honest: tuple[np.ndarray, Interactions], error: object) -> None:
    distributions, test = honest
    sharper = distributions**3 / (distributions**3).sum(axis=1, keepdims=True)
    assert value(error(distributions, test)) < 0.025
    assert value(error(sharper, test)) > 4 * value(error(distributions, test))


def test_the_marginal_is_calibrated_and_a_shift_of_it_is_off_by_the_shift(
    honest: tuple[np.ndarray, Interactions],
) -> None:
    _, test = honest
    marginal = np.bincount(test.rating_index, minlength=5) / N
    forecast = np.broadcast_to(marginal, (N, 5))
    assert value(threshold_error(forecast, test)) == pytest.approx(0, abs=1e-9)
    shifted = marginal + np.array([0.1, 0, 0, 0, -0.1])
    assert value(threshold_error(np.broadcast_to(shifted, (N, 5)), test)) == pytest.approx(0.1)


def test_resampling_a_user_equals_repeating_the_users_rows(honest: tuple[np.ndarray, Interactions]) -> None:
    distributions, test = honest
    weights = np.zeros((1, U))
    weights[0, 3], weights[0, 7] = 2, 1
    rows = np.concatenate([np.flatnonzero(test.users == user) for user in (3, 3, 7)])
    chance = np.cumsum(distributions[rows][:, ::-1], axis=1)[:, ::-1][:, 1:]
    happened = test.rating_index[rows][:, None] >= np.arange(1, 5)
    expected = []
    for step in range(4):
        place = np.minimum((np.clip(chance[:, step], 0, 1) * BINS).astype(int), BINS - 1)
        gaps = [abs((chance[place == b, step] - happened[place == b, step]).sum()) for b in range(BINS)]
        expected.append(sum(gaps) / len(rows))
    got = threshold_error(distributions, test).resampled(weights)
    assert got[0] == pytest.approx(np.mean(expected))
    assert np.isnan(threshold_error(distributions, test).resampled(np.zeros((1, U))))[0]


def test_reliability_lies_on_the_diagonal_of_an_honest_forecast(honest: tuple[np.ndarray, Interactions]) -> None:
    distributions, test = honest
    chance, happened, size = reliability(distributions, test.rating_index)
    assert sum(size) == 4 * N
    assert np.average(np.abs(np.subtract(chance, happened)), weights=size) < 0.015
    assert all(np.diff(chance) > 0)
