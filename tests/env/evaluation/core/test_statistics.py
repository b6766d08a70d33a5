"""Resampling, intervals, tau and regret against SciPy, known answers and coverage of the truth."""

import numpy as np
import pytest
from scipy import stats

from personagym_env.evaluation.core.statistics import (
    RatioOfSums,
    RootMeanSquare,
    interval,
    kendall_tau,
    point,
    top_regret,
    user_resamples,
)


def test_resamples_draw_as_many_users_as_there_are() -> None:
    weights = user_resamples(20, 50, np.random.default_rng(0))
    assert weights.shape == (51, 20)
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights.sum(axis=1), 20)
    np.testing.assert_array_equal(weights, user_resamples(20, 50, np.random.default_rng(0)))


def test_interval_of_a_mean_equals_scipys() -> None:
    values = np.random.default_rng(1).exponential(size=300)
    weights = user_resamples(300, 4000, np.random.default_rng(2))
    ours = interval(RatioOfSums.of_users(np.arange(300), values, 300).resampled(weights))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        values = rng.normal(3.0, 1.0, 80)
        low, high = interval(RatioOfSums.of_users(np.arange(80), values, 80).resampled(user_resamples(80, 400, rng)))[
            1:
        ]
        covered += low <= 3.0 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_ratio_weighs_users_by_their_counts() -> None:
    clicks = RatioOfSums.of_users(np.array([0, 0, 0, 2]), np.array([1.0, 1, 1, 0]), 4)
    np.testing.assert_allclose(
        clicks.resampled(np.array([[1.0, 1, 1, 1], [1, 1, 2, 0], [0, 1, 0, 3]])), [0.75, 0.6, np.nan]
    )
    np.testing.assert_allclose(clicks.per_user, [1, np.nan, 0, np.nan])
    squares = RootMeanSquare(RatioOfSums(np.array([1.0, 7.0]), np.array([1.0, 1.0])))
    np.testing.assert_allclose(squares.resampled(np.ones((1, 2))), [2.0])
    with pytest.raises(ValueError, match="one shape"):
        RatioOfSums(np.ones(3), np.ones(2))


def test_paired_difference_is_sharper_than_either_value() -> None:
    rng = np.random.default_rng(5)
    random_draw = rng.normal(0, 10, 200)
    users = np.arange(200)
    a = RatioOfSums.of_users(users, random_draw + 1, 200)
    b = RatioOfSums.of_users(users, random_draw + rng.normal(0, 0.1, 200), 200)
    weights = user_resamples(200, 500, rng)
    alone = interval(a.resampled(weights))
    paired = interval(a.resampled(weights) - b.resampled(weights))
    assert paired.low > 0.9
    assert paired.high - paired.low < 0.1 * (alone.high - alone.low)


def test_tau_equals_scipys_with_and_without_ties() -> None:
    rng = np.random.default_rng(6)
    for x, y in (
        (rng.random((40, 7)), rng.random((40, 7))),
        (rng.integers(0, 4, (40, 7)), rng.integers(0, 4, (40, 7))),
    ):
        expected = [stats.kendalltau(a, b).statistic for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(kendall_tau(x.astype(float), y.astype(float)), expected, atol=1e-12)


def test_tau_limits() -> None:
    x = np.array([[1.0, 2, 3]])
    assert kendall_tau(x, x) == 1
    assert kendall_tau(x, -x) == -1
    assert kendall_tau(x, np.zeros((1, 3))) == 0
    with pytest.raises(ValueError, match="shape"):
        kendall_tau(x, x[:, :2])
    with pytest.raises(ValueError, match="at least 2"):
        kendall_tau(x[:, :1], x[:, :1])


def test_regret_by_hand() -> None:
    real = np.array([[3.0, 4.0, 2.0]])
    np.testing.assert_allclose(top_regret(np.array([[0.0, 1.0, 0.0]]), real), [0])
    np.testing.assert_allclose(top_regret(np.array([[0.0, 0.0, 1.0]]), real), [2])
    np.testing.assert_allclose(top_regret(np.array([[1.0, 0.0, 1.0]]), real), [1.5])


def test_interval_without_any_defined_resample() -> None:
    assert np.isnan(interval(np.array([np.nan, np.nan])).low)
    assert str(point(np.array([0.5, 0.4]))) == "0.500"
    with pytest.raises(ValueError, match="resamples"):
        user_resamples(0, 10, np.random.default_rng(0))
