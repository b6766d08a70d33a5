"""Alternating least squares: what it recovers and what its penalty does."""

import numpy as np
import pytest

from personagym_env.collaborative.least_squares import fit_least_squares
from personagym_env.collaborative.moments import packed_outer, packed_symmetric, twice_off_diagonal, unpacked
from personagym_env.data.tables import Interactions


@pytest.fixture(scope="module")
def log() -> Interactions:
    users, items = np.nonzero(np.random.default_rng(0).random((60, 40)) < 0.6)
    ratings = np.full(len(users), 3.0)
    return Interactions.from_columns(users, items, ratings, None, n_users=60, n_items=40, scale=(1.0, 3.0, 5.0))


def fit(log, values, rank, penalty, sweeps):
    rng = np.random.default_rng(0)
    return fit_least_squares(log.matrix(values), log.matrix(np.ones(len(log))), rank, penalty, sweeps, rng)


def test_planted_factors_are_recovered(log):
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40))
    found = fit(log, truth[log.users, log.items], 2, 0.1, 30)
    unseen = log.matrix().toarray() == 0
    left = (found.users @ found.items.T - truth)[unseen]
    assert left.std() < 0.1 * truth[unseen].std()


def test_each_side_solves_its_ridge_regression(log):
    values = np.random.default_rng(2).normal(size=len(log))
    users, items = fit(log, values, 3, 2.0, 4)
    rows = log.items == 7
    own = users[log.users[rows]]
    np.testing.assert_allclose(items[7], np.linalg.solve(own.T @ own + 2 * np.eye(3), own.T @ values[rows]))


def test_a_value_of_weight_two_counts_like_two_values(log):
    values, weights = np.random.default_rng(5).normal(size=len(log)), 1.0 + (np.arange(len(log)) % 2)
    totals, counts = log.matrix(values * weights), log.matrix(weights)
    found = fit_least_squares(totals, counts, 2, 1.0, 3, np.random.default_rng(0))
    rows = np.flatnonzero(log.items == 7)
    twice = np.repeat(rows, weights[rows].astype(int))
    own = found.users[log.users[twice]]
    np.testing.assert_allclose(found.items[7], np.linalg.solve(own.T @ own + np.eye(2), own.T @ values[twice]))


def test_a_large_penalty_leaves_nothing(log):
    found = fit(log, np.ones(len(log)), 2, 1e9, 2)
    assert np.abs(found.users @ found.items.T).max() < 1e-9


def test_packed_moments_say_all_of_symmetric_matrices():
    rows = np.random.default_rng(3).normal(size=(5, 4))
    full = rows[:, :, None] * rows[:, None, :]
    packed = packed_outer(rows)
    np.testing.assert_array_equal(unpacked(packed, 4), full)
    np.testing.assert_array_equal(packed_symmetric(full), packed)
    np.testing.assert_allclose((packed * twice_off_diagonal(4) * packed).sum(axis=1), (full**2).sum(axis=(1, 2)))
