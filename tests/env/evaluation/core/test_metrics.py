"""Offline metrics: values worked out by hand, limits, and RecBole's own code on the same lists."""

import importlib
import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core import metrics
from personagym_recommenders.recbole.process import contained_recbole

HITS = np.array([[True, False, True], [False, False, False], [False, True, False]])
RELEVANT = np.array([2, 3, 5])


def test_values_by_hand() -> None:
    discount = 1 / np.log2([2, 3, 4])
    np.testing.assert_allclose(metrics.recall(HITS, RELEVANT), [1, 0, 1 / 5])
    np.testing.assert_allclose(metrics.reciprocal_rank(HITS), [1, 0, 1 / 2])
    np.testing.assert_allclose(metrics.hit(HITS), [1, 0, 1])
    ideal = [discount[0] + discount[1], discount.sum(), discount.sum()]
    np.testing.assert_allclose(metrics.ndcg(HITS, RELEVANT), [(1 + 1 / 2) / ideal[0], 0, discount[1] / ideal[2]])


def test_novelty_and_popularity_by_hand() -> None:
    counts = np.array([8, 4, 1, 0])
    slates = np.array([[0, 1], [2, 3]])
    np.testing.assert_allclose(metrics.novelty(slates, counts, 8), [(0 + 1) / 2, 3])
    np.testing.assert_allclose(metrics.average_popularity(slates, counts), [6, 0.5])


def test_coverage_counts_each_item_once_and_follows_the_drawn_users() -> None:
    coverage = metrics.ItemCoverage.of_slates(np.array([[0, 1], [1, 2]]), np.array([0, 2]), (3, 10))
    weights = np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]], np.float64)
    np.testing.assert_allclose(coverage.resampled(weights), [0.3, 0.2, 0])


def test_hits_are_looked_up_per_user() -> None:
    log = Interactions.from_columns(
        np.array([0, 1]), np.array([2, 0]), np.array([5.0, 1.0]), None, n_users=2, n_items=3, scale=(1, 5)
    )
    found = metrics.find_hits(np.array([[2, 0], [2, 0]]), np.array([0, 1]), log)
    np.testing.assert_array_equal(found, [[True, False], [False, True]])


def test_users_without_relevant_items_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one relevant item"):
        metrics.recall(HITS, np.array([1, 0, 1]))
    with pytest.raises(ValueError, match="shape"):
        metrics.ndcg(HITS, np.array([1, 2]))


@given(st.integers(0, 2**32 - 1))
def test_moving_a_hit_forward_never_hurts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random((1, 8)) < 0.4
    relevant = hits.sum(axis=1) + rng.integers(1, 4)
    front = -np.sort(-hits.astype(int), axis=1) > 0
    assert metrics.ndcg(front, relevant) >= metrics.ndcg(hits, relevant) - 1e-12
    assert metrics.reciprocal_rank(front) >= metrics.reciprocal_rank(hits)
    assert metrics.recall(front, relevant) == metrics.recall(hits, relevant)
    assert 0 <= metrics.ndcg(hits, relevant) <= 1 + 1e-12


@pytest.mark.skipif(importlib.util.find_spec("recbole") is None, reason="RecBole is not installed")
def test_equal_to_recbole() -> None:
    """RecBole's own metric classes on the same lists; its numpy needs the aliases that NumPy 2 has dropped."""
    rng = np.random.default_rng(0)
    n, k, m = 200, 10, 60
    relevant = rng.integers(1, 25, n)
    hits = rng.random((n, k)) < 0.2
    slates = np.argsort(rng.random((n, m)), axis=1)[:, :k]
    counts = rng.integers(0, 50, m)
    config = {"metric_decimal_place": 12, "topk": [k]}
    with contained_recbole():
        theirs = importlib.import_module("recbole.evaluator.metrics")
        popularity = theirs.AveragePopularity(config)
        expected = {
            "recall": theirs.Recall(config).metric_info(hits, relevant),
            "ndcg": theirs.NDCG(config).metric_info(hits, relevant),
            "mrr": theirs.MRR(config).metric_info(hits),
            "hit": theirs.Hit(config).metric_info(hits),
            "popularity": popularity.metric_info(popularity.get_pop(slates, dict(enumerate(counts)))),
        }
        covered = theirs.ItemCoverage(config).get_coverage(slates, m)
    ours = {
        "recall": metrics.recall(hits, relevant),
        "ndcg": metrics.ndcg(hits, relevant),
        "mrr": metrics.reciprocal_rank(hits),
        "hit": metrics.hit(hits),
        "popularity": metrics.average_popularity(slates, counts),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values[:, -1], rtol=1e-12, err_msg=name)
    coverage = metrics.ItemCoverage.of_slates(slates, np.arange(n), (n, m)).resampled(np.ones((1, n)))[0]
    assert coverage == pytest.approx(covered)
