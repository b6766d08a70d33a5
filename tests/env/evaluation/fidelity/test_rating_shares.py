"""Distances of rating distributions, against known answers and SciPy."""

import numpy as np
import pytest
from scipy import stats

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.fidelity.rating_shares import RatingShares, share_fidelity

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
U, PER_USER = 10, 40


@pytest.fixture(scope="module")
def test_rows() -> Interactions:
    index = np.random.default_rng(0).choice(5, U * PER_USER, p=[0.06, 0.11, 0.27, 0.34, 0.22])
    users, items = np.repeat(np.arange(U), PER_USER), np.tile(np.arange(PER_USER), U)
    return Interactions.from_columns(users, items, 1.0 + index, None, n_users=U, n_items=PER_USER, scale=SCALE)


def figures(distributions: np.ndarray, test: Interactions) -> dict[str, float]:
    found = share_fidelity(RatingShares.count(distributions, test))
    return {name: float(figure.resampled(np.ones((1, U)))[0]) for name, figure in found.items()}


def test_the_truth_has_no_distance(test_rows: Interactions) -> None:
    assert figures(np.eye(5)[test_rows.rating_index], test_rows) == pytest.approx({"ks": 0, "wasserstein": 0, "low": 1})


def test_the_right_marginal_has_no_distance_however_wrong_each_pair_is(test_rows: Interactions) -> None:
    wrong = np.eye(5)[np.random.default_rng(1).permutation(test_rows.rating_index)]
    assert figures(wrong, test_rows) == pytest.approx({"ks": 0, "wasserstein": 0, "low": 1}, abs=1e-12)


def test_one_star_too_kind_costs_one_point(test_rows: Interactions) -> None:
    everybody = test_rows.take(test_rows.rating_index < 4)
    kind = np.eye(5)[everybody.rating_index + 1]
    assert figures(kind, everybody)["wasserstein"] == pytest.approx(1)


def test_distances_equal_scipys(test_rows: Interactions) -> None:
    sampled = np.random.default_rng(2).integers(0, 5, len(test_rows))
    got = figures(np.eye(5)[sampled], test_rows)
    assert got["ks"] == pytest.approx(stats.ks_2samp(sampled, test_rows.rating_index).statistic)
    assert got["wasserstein"] == pytest.approx(stats.wasserstein_distance(sampled, test_rows.rating_index))
    assert got["low"] == pytest.approx((sampled < 2).sum() / (test_rows.rating_index < 2).sum())


def test_the_published_run_of_agent4rec_has_its_published_distances() -> None:
    """Shares of Agent4Rec's ratings against those of ML-1M."""
    real = np.array([5.6, 10.8, 26.1, 34.9, 22.6]) / 100
    theirs = np.array([0, 0, 7.8, 75.3, 16.9]) / 100
    shares = RatingShares(1000 * theirs[None], 1000 * real[None], SCALE)
    found = share_fidelity(shares)
    one = np.ones((1, 1))
    assert found["ks"].resampled(one)[0] == pytest.approx(0.347, abs=5e-4)
    assert found["wasserstein"].resampled(one)[0] == pytest.approx(0.623, abs=5e-3)
    assert found["low"].resampled(one)[0] == 0


def test_low_ratings_are_the_lower_two_fifths_of_any_scale() -> None:
    halves = tuple(np.arange(0.5, 5.1, 0.5))
    shares = RatingShares(np.ones((1, 10)), np.ones((1, 10)), halves)
    assert np.asarray(halves)[shares.low_ratings].max() == 2.0
