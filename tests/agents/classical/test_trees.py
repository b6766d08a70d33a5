"""Boosted trees and the evidence they read: nothing of a row's own answer, and what genres say of unrated items."""

from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.classical.cross_fitting import cross_fitted_evidence, known_before
from personagym_agents.classical.rating_evidence import fit_evidence
from personagym_agents.classical.trees import TreeSettings, fit_trees
from personagym_env.data.tables import Catalogue, Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
N_USERS, OWN, UNRATED = 40, 10, 4
N_ITEMS = N_USERS * OWN + UNRATED
SETTINGS = TreeSettings(rounds=40, learning_rate=0.2, leaf_rows=10, columns=1.0)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Items are comedies and dramas in turns."""
    genres = np.arange(N_ITEMS)[:, None] % 2 == np.arange(2)
    titles = tuple(f"Film {item}" for item in range(N_ITEMS))
    return Catalogue(titles, titles, np.full(N_ITEMS, 1990), ("Comedy", "Drama"), genres)


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Users of even number love comedies, the others dramas; all rate items of their own, so genres alone tell."""
    users = np.repeat(np.arange(N_USERS), OWN)
    items = np.arange(N_USERS * OWN)
    ratings = np.where(users % 2 == items % 2, 5.0, 2.0)
    return Interactions.from_columns(
        users, items, ratings, np.arange(len(users)), n_users=N_USERS, n_items=N_ITEMS, scale=SCALE
    )


def test_no_rows_evidence_depends_on_its_own_rating(log, catalogue):
    row = 77
    ratings = log.ratings.copy()
    ratings[row] = 6 - ratings[row]
    twisted = replace(log, ratings=ratings)
    before, after = (cross_fitted_evidence(one, catalogue, rng=np.random.default_rng(3)) for one in (log, twisted))
    np.testing.assert_array_equal(before[row], after[row])
    assert not np.allclose(before, after, equal_nan=True)


def test_pairs_read_what_whole_users_read(log, catalogue):
    evidence = fit_evidence(log, catalogue)
    users, items = np.array([3, 0, 39]), np.array([5, N_ITEMS - 1, 7])
    whole = evidence.features(users)[np.arange(3), items]
    np.testing.assert_allclose(evidence.at(users, items, evidence.mood[users]), whole, rtol=1e-5)


def test_genres_tell_of_items_that_nobody_rated(log, catalogue):
    expected = fit_trees(log, catalogue, SETTINGS).predict(np.arange(N_USERS)).mean[:, -UNRATED:]
    same = np.arange(N_USERS)[:, None] % 2 == np.arange(UNRATED) % 2
    assert expected[same].min() > expected[~same].max() + 1.5


def test_few_rows_grow_no_tree(log):
    few = log.take(np.arange(len(log)) < 12)
    model = fit_trees(few)
    users = np.array([0, 5])
    factors = np.mean([one.predict(users).mean for one in model.evidence.factors], axis=0)
    np.testing.assert_allclose(model.predict(users).mean, factors, atol=0.1)


def test_what_was_known_lags_behind(log):
    known = known_before(log, np.random.default_rng(0))
    assert (known <= log.rank_in_user).all()
    assert (known >= np.floor(log.rank_in_user / 1.25)).all()


def test_an_untimed_log_has_no_mood(log, catalogue):
    assert (fit_evidence(log, catalogue).mood != 0).any()
    assert (fit_evidence(replace(log, timestamps=None), catalogue).mood == 0).all()


def test_odd_settings_and_empty_logs_are_named(log):
    with pytest.raises(ValueError, match="rounds must be at least 1, got 0"):
        TreeSettings(rounds=0)
    with pytest.raises(ValueError, match=r"columns must lie in \(0, 1\], got 1.5"):
        TreeSettings(columns=1.5)
    with pytest.raises(ValueError, match="empty log"):
        fit_trees(log.take(np.zeros(len(log), np.bool_)))
