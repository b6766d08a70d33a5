"""Ways to know real value, each on a log in which the right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from personagym_env.data.splits import Split, temporal_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.agreement.ground_truth import closed_pool, dense_users, random_exposure
from personagym_env.evaluation.core.data_overlap import deal_rows, unknown_items
from personagym_env.evaluation.core.offline import opening_slates
from personagym_recommenders.models.heuristics import MostPopular

PROFILES = np.zeros((24, 1), np.float32)
DENSE = np.arange(10)


def test_the_pool_holds_those_who_take_part_alone(make_dataset):
    split = temporal_split(make_dataset(per_user=20).interactions, 0.5)
    split = split._replace(test=split.test.take(np.arange(5, len(split.test))))  # the first user has 5 left
    truth = closed_pool(split, k=3, least=10)
    assert 0 not in truth.pool.users
    assert not (truth.pool.held_out.users == 0).any()
    assert len(truth.pool.users) == split.test.n_users - 1


def test_each_truth_picks_as_its_own_rows_allow(dataset):
    """Held-out rows of six and more, and two rows of each user that were shown at random."""
    split = temporal_split(dataset.interactions, 0.4)
    log = dataset.interactions
    few = replace(dataset, interactions=split.test.take(np.flatnonzero(split.test.rank_in_user < 2)))
    assert len(log) > len(few.interactions)
    closed, shown = closed_pool(split), random_exposure(dataset, split, few)
    assert closed.pool.k == min(5, int(np.median(split.test.counts)) // 2) > 1
    assert (shown.pool.k, shown.pool.least) == (1, 2)
    assert shown.description.startswith("1 picks from items shown to each user at random, at least 2")
    assert random_exposure(dataset, split, few, k=2, least=2).pool.k == 2


def test_dense_users_rated_enough(make_dataset):
    split = temporal_split(make_dataset(n_items=40, per_user=40).interactions, 0.5)
    assert len(dense_users(split, 1.0).pool.users) == 12
    sparse = temporal_split(make_dataset(n_items=80, per_user=40).interactions, 0.5)
    with pytest.raises(ValueError, match=r"no user rated 60% of the 80 items; at most 50.0% were rated"):
        dense_users(sparse, 0.6)
    with pytest.raises(ValueError, match="share of the catalogue"):
        dense_users(sparse, 0.0)


@pytest.fixture(scope="module")
def block():
    """Ratings (24, 40) of which ten users tell all and the others about a third, and the split of what is told."""
    rng = np.random.default_rng(3)
    ratings = rng.choice(5, (24, 40)) + 1.0
    told = np.isin(np.arange(24), DENSE)[:, None] | (rng.random((24, 40)) < 1 / 3)
    users, items = np.nonzero(told)
    log = Interactions.from_columns(
        users,
        items,
        ratings[users, items],
        rng.permutation(len(users)),
        n_users=24,
        n_items=40,
        scale=(1.0, 2.0, 3.0, 4.0, 5.0),
    )
    return ratings, temporal_split(log, 0.5)


@pytest.fixture
def catalogue(make_dataset):
    return make_dataset(n_items=40).catalogue


def test_any_slate_that_dense_users_may_be_shown_has_a_known_value(block, catalogue):
    """A recommender with the whole catalogue before it shows what it picks from the pools, and no known item."""
    ratings, split = block
    truth = dense_users(split, 1.0, k=4)
    np.testing.assert_array_equal(truth.pool.users, DENSE)
    assert truth.description.endswith("100.0% of what they may be shown")
    recommender = MostPopular().fit(split.train, catalogue)
    picks = truth.pool.picks(recommender, PROFILES, history_length=3)
    np.testing.assert_array_equal(picks, opening_slates(recommender, DENSE, PROFILES, 4, history_length=3))
    real = np.take_along_axis(ratings[DENSE], picks, axis=1).mean(axis=1)
    np.testing.assert_allclose(truth.pool.value(picks).per_user[DENSE], real)
    assert not split.train.contains(DENSE[:, None], picks).any()


def test_a_recommender_of_one_half_may_not_show_dense_users_the_other_half(block, catalogue):
    """Who knows one half of the training rows would show the other, which is no held-out choice."""
    _, split = block
    truth = dense_users(split, 1.0, k=4)
    allowed = unknown_items(split.train)
    np.testing.assert_array_equal(truth.pool.candidates(DENSE), allowed(DENSE))
    recommender = MostPopular().fit(
        deal_rows(split.train, "alternate", np.random.default_rng(0)).recommenders, catalogue
    )
    picks = truth.pool.picks(recommender, PROFILES, history_length=3)
    shown = opening_slates(recommender, DENSE, PROFILES, 4, history_length=3, candidates=allowed)
    np.testing.assert_array_equal(picks, shown)
    freely = opening_slates(recommender, DENSE, PROFILES, 4, history_length=3)
    assert split.train.contains(DENSE[:, None], freely).any()


def test_of_nearly_dense_users_it_is_told_how_much_is_known(block):
    _, (train, test) = block
    keep = (test.users != 0) | (test.items % 2 == 0)
    truth = dense_users(Split(train, test.take(keep)), 0.6, k=4, least=5)
    np.testing.assert_array_equal(truth.pool.users, DENSE)
    known = 1 - (~keep).sum() / (10 * 20)
    assert 0.9 < known < 1
    assert truth.description.endswith(f"{known:.1%} of what they may be shown")


def test_randomly_shown_rows_find_their_users_and_items(dataset):
    """A test file in another order, with a stranger, and with rows that are known: these are left out."""
    split = temporal_split(dataset.interactions, 0.4)
    shown = replace(
        dataset,
        users=replace(dataset.users, ids=(*dataset.users.ids[1:], "stranger"), attributes={}),
        interactions=replace(dataset.interactions, users=dataset.interactions.users),
    )
    moved = random_exposure(dataset, split, dataset, k=3, least=10).pool.held_out
    assert len(moved) == len(split.test)
    assert moved.contains(split.test.users, split.test.items).all()
    other = random_exposure(dataset, split, shown, k=3, least=5).pool.held_out
    assert other.users.min() == 1  # what was user 0 is user 1 here
    assert not split.train.contains(other.users, other.items).any()


def test_strangers_alone_are_no_test(dataset):
    strangers = replace(dataset, users=replace(dataset.users, ids=tuple(f"x{i}" for i in range(12)), attributes={}))
    with pytest.raises(ValueError, match="shares no user and item"):
        random_exposure(dataset, temporal_split(dataset.interactions), strangers)
