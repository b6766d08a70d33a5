"""Candidates and their features: ranks that can be counted by hand, and what a session changes."""

import numpy as np
import pytest
from scipy.special import ndtri

from personagym_env.protocols import NO_ITEM
from personagym_recommenders import BestRated, CandidateFeatures, LeastPopular, MostPopular
from personagym_recommenders.models.candidates import recent_genres


@pytest.fixture
def log(make_log):
    """User 0 has item 0; of the other five, popularity falls with the id and mean rating rises."""
    rows = [(0, 0, 5)]
    for item in range(1, 6):
        rows += [(user, item, item) for user in range(1, 8 - item)]
    return make_log(rows, 7, 6)


def fit(log, recommenders=None, **options):
    chosen = [MostPopular(), BestRated()] if recommenders is None else recommenders
    return CandidateFeatures(chosen, **options).fit(*log)


def test_features_are_normal_scores_of_ranks_among_unconsumed_items(log, observe):
    choice = fit(log).of(observe([0]))
    by_item = choice.features[0, np.argsort(choice.items[0])]  # (6, 3) in the order of ids
    expected = -ndtri((np.arange(1, 6) - 0.5) / 5)
    np.testing.assert_allclose(by_item[1:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(by_item[1:, 1], expected[::-1], atol=1e-6)
    assert fit(log).names == ("MostPopular", "BestRated", "repetition")


def test_candidates_come_in_turns_and_consumed_items_last(log, observe):
    choice = fit(log).of(observe([0]))
    assert choice.items[0].tolist() == [1, 5, 2, 4, 3, 0]
    assert choice.allowed[0].tolist() == [True] * 5 + [False]
    assert fit(log, pool=2).of(observe([0])).items[0].tolist() == [1, 5]


def test_the_session_takes_items_away_and_counts_their_genres(log, observe):
    features = fit(log, forgetting=0.5)
    choice = features.of(observe([0], items=[[1, 2]]))
    assert set(choice.items[0][~choice.allowed[0]]) == {0, 1, 2}
    # Item 1 is odd and two steps old, item 2 is even and the latest; items alternate between two genres.
    np.testing.assert_allclose(choice.features[0, :, 2], np.where(choice.items[0] % 2, 0.5, 1.0))
    fresh = features.of(observe([0]))
    np.testing.assert_array_equal(fresh.features[0, :, :2], choice.features[0, :, :2])


def test_recent_genres_are_the_satiation_of_the_environment(make_log, observe):
    _, catalogue = make_log([(0, 0, 3)], 1, 4)
    share = catalogue.genre_shares
    level = np.zeros(2)
    items = [1, NO_ITEM, 2, 3]
    for item in items:
        level = 0.8 * level + (share[item] if item != NO_ITEM else 0)
    np.testing.assert_allclose(recent_genres(observe([0], items=[items]), share, 0.8)[0], level, rtol=1e-6)


def test_a_pool_is_judged_like_the_candidates(checkerboard, observe):
    features = fit((checkerboard.log, checkerboard.catalogue), pool=8)
    rows = observe([3, 4, 5], items=[[1, 2], [NO_ITEM, 3], [5, 7]])
    own = features.of(rows)
    pool = np.zeros((3, 24), bool)
    np.put_along_axis(pool, own.items, own.allowed, axis=1)
    everything = features.of(rows, pool)
    assert everything.items.shape == (3, 24)
    for row in range(3):
        places = [everything.items[row].tolist().index(item) for item in own.items[row]]
        np.testing.assert_allclose(everything.features[row, places], own.features[row], rtol=1e-5)
        np.testing.assert_array_equal(everything.allowed[row, places], own.allowed[row])
        assert everything.allowed[row].sum() == own.allowed[row].sum()
        assert places == sorted(places)


def test_features_do_not_depend_on_the_block_of_users(checkerboard, observe, monkeypatch):
    rows = observe(list(range(48)))
    whole = fit((checkerboard.log, checkerboard.catalogue)).of(rows)
    monkeypatch.setattr("personagym_recommenders.models.candidates._BLOCK", 7)
    for one, other in zip(whole, fit((checkerboard.log, checkerboard.catalogue)).of(rows), strict=True):
        np.testing.assert_array_equal(one, other)


def test_saved_and_loaded(checkerboard, observe, tmp_path):
    features = fit((checkerboard.log, checkerboard.catalogue), pool=8, forgetting=0.5)
    features.save(tmp_path)
    loaded = CandidateFeatures.load(tmp_path)
    assert (loaded.names, loaded.pool, loaded.forgetting) == (features.names, 8, 0.5)
    rows = observe([1, 2], items=[[3, 4], [5, 6]])
    for pool in (None, np.ones((2, 24), bool)):
        for one, other in zip(features.of(rows, pool), loaded.of(rows, pool), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recommenders": []}, "at least one"),
        ({"recommenders": [LeastPopular()], "pool": 0}, "pool"),
        ({"recommenders": [LeastPopular()], "forgetting": 1.5}, "forgetting"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CandidateFeatures(**options)


def test_unfitted_and_unknown_users_are_errors(log, observe):
    with pytest.raises(ValueError, match="fitted"):
        CandidateFeatures([MostPopular()]).of(observe([0]))
    with pytest.raises(ValueError, match="known are"):
        fit(log).of(observe([7]))
