"""Distances have known answers, and their intervals cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse, stats

from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.validation.distances import (
    Concentration,
    Distribution,
    Lifetimes,
    Trend,
    distance_interval,
    distance_samples,
)

ONE = np.ones((1, 1))


def _shares(counts: list[float], support: list[float]) -> Distribution:
    return Distribution(np.array(support), np.array([counts]))


def test_distances_of_two_distributions_agree_with_scipy() -> None:
    support = [1.0, 2.0, 4.0]
    left, right = _shares([5, 3, 2], support), _shares([2, 3, 5], support)
    samples = np.repeat(support, [5, 3, 2]), np.repeat(support, [2, 3, 5])
    assert distance_samples("ks", left, ONE, right, ONE)[0] == pytest.approx(stats.ks_2samp(*samples).statistic)
    assert distance_samples("w1", left, ONE, right, ONE)[0] == pytest.approx(stats.wasserstein_distance(*samples))
    assert distance_samples("tv", left, ONE, right, ONE)[0] == pytest.approx(0.3)
    assert left.level(ONE)[0] == pytest.approx(samples[0].mean())


@given(arrays(np.float64, (2, 5), elements=st.floats(0, 100)).filter(lambda counts: (counts.sum(axis=1) > 1e-3).all()))
def test_distances_are_metrics(counts: np.ndarray) -> None:
    support = np.array([0.0, 1.0, 2.0, 5.0, 7.0])
    left, right = (Distribution(support, row[None]) for row in counts)
    for name in ("ks", "w1", "tv"):
        there = distance_samples(name, left, ONE, right, ONE)[0]
        assert there == pytest.approx(distance_samples(name, right, ONE, left, ONE)[0], abs=1e-9)
        assert distance_samples(name, left, ONE, left, ONE)[0] == pytest.approx(0, abs=1e-12)
        assert 0 <= there <= (7 if name == "w1" else 1) + 1e-9
    assert distance_samples("ks", left, ONE, right, ONE)[0] <= distance_samples("tv", left, ONE, right, ONE)[0] + 1e-9


def test_supports_must_agree() -> None:
    with pytest.raises(ValueError, match="one support, got 2 and 3 points"):
        distance_samples("ks", _shares([1, 1], [0, 1]), ONE, _shares([1, 1, 1], [0, 1, 2]), ONE)


def test_nothing_to_compare_is_nan_and_not_zero() -> None:
    empty = _shares([0, 0], [0, 1])
    assert np.isnan(distance_samples("tv", empty, ONE, _shares([1, 1], [0, 1]), ONE)).all()


def test_lifetimes_are_those_of_kaplan_and_meier() -> None:
    # Sessions of 1, 2 and 3 rows that ended, one cut off after 2, and one that was seen from its 2nd row to its 3rd.
    at_risk = np.array([[4.0, 4.0, 2.0]])
    ends = np.array([[1.0, 1.0, 2.0]])
    shares = Lifetimes(at_risk, ends).curve(ONE)[0]
    assert shares == pytest.approx([1 / 4, 3 / 4 * 1 / 4, 3 / 4 * 3 / 4, 0])
    assert shares.sum() == pytest.approx(1)


def test_lifetimes_find_a_geometric_law_in_a_window_of_it() -> None:
    rng = np.random.default_rng(0)
    horizon = 12
    at_risk, ends = np.zeros((1, horizon)), np.zeros((1, horizon))
    for length in rng.geometric(0.2, 4000):
        begin = rng.integers(0, 6)  # the window opens after so many rows, and closes after eight more
        close = min(begin + 8, horizon)
        at_risk[0, begin : min(length, close)] += 1
        if begin < length <= close:
            ends[0, length - 1] += 1
    law = Lifetimes(at_risk, ends)
    assert law.support[-1] == horizon + 1
    assert law.level(ONE)[0] == pytest.approx((1 - 0.8**13) / 0.2, rel=0.03)


def test_concentration_of_equal_and_of_single_items() -> None:
    support = np.array([0.0, 0.5, 1.0])
    equal = Concentration(sparse.csr_array(np.full((1, 10), 3.0)), support)
    assert equal.level(ONE)[0] == pytest.approx(0)
    assert equal.curve(ONE)[0] == pytest.approx([0, 0.5, 1])
    single = Concentration(sparse.csr_array(np.eye(10)[:1]), support)
    assert single.level(ONE)[0] == pytest.approx(0.9)
    assert distance_samples("largest gap", equal, ONE, single, ONE)[0] == pytest.approx(0.5)


def test_trend_counts_only_where_both_have_rows() -> None:
    left = Trend(np.array([1.0, 2.0]), np.array([[1.0, 4.0]]), np.array([[2.0, 2.0]]), np.array([1.0]), np.array([2.0]))
    right = Trend(np.array([1.0, 2.0]), np.array([[2.0, 0]]), np.array([[2.0, 0]]), np.array([0.0]), np.array([0.0]))
    assert left.level(ONE)[0] == 0.5
    assert np.isnan(right.level(ONE)).all()
    assert distance_samples("mean gap", left, ONE, right, ONE)[0] == pytest.approx(0.5)


def test_intervals_of_distances_reach_down_as_far_as_up() -> None:
    found = distance_interval(np.array([0.1, *np.linspace(0.1, 0.18, 1001)]))
    assert found.high == pytest.approx(0.178)
    assert found.low == pytest.approx(0.022)
    assert distance_interval(np.array([0.0, *np.linspace(0, 0.2, 1001)])) == pytest.approx((0, 0, 0.195))


@pytest.mark.parametrize(("shift", "least"), [(0.0, 36), (0.02, 42), (0.15, 42)])
def test_intervals_of_a_distance_cover_the_truth(shift: float, least: int) -> None:
    """Percentile intervals would never hold a true distance of 0."""
    rng = np.random.default_rng(3)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.5 - shift, 0.3, 0.2 + shift])
    covered = 0
    for _ in range(50):
        left, right = (Distribution(np.arange(3.0), rng.multinomial(5, law, 150).astype(float)) for law in (p, q))
        weights = user_resamples(150, 200, rng)
        found = distance_interval(distance_samples("tv", left, weights, right, weights))
        covered += found.low <= shift <= found.high
    assert covered >= least
