"""Recommenders that predict ratings, on logs with known answers."""

import numpy as np
import pytest

from personagym_env.conformance.recommender import check_recommender
from personagym_recommenders.models.rating_models import GenreTaste, MatrixFactorisation, UserKNN

MODELS = {
    "mf": lambda: MatrixFactorisation(rank=2, regularisation=1.0),
    "knn": UserKNN,
    "genres": GenreTaste,
    "genres and quality": lambda: GenreTaste(quality=True),
}


@pytest.fixture(scope="module")
def two_tastes(make_log):
    """Even users love even items and hate odd ones, odd users the other way round; nobody rated an item of the last 6.

    Every user rated 16 of the other 24 items.
    """
    rng = np.random.default_rng(0)
    rows = [
        (user, int(item), 5.0 if (user + item) % 2 == 0 else 1.0)
        for user in range(40)
        for item in rng.choice(24, 16, replace=False)
    ]
    return make_log(rows, 40, 30)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_conforms(make, checkerboard):
    check_recommender(make(), checkerboard.log, checkerboard.catalogue)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_taste_is_found(make, two_tastes, observe):
    log, catalogue = two_tastes
    users = list(range(40))
    scores = np.asarray(make().fit(log, catalogue).score(observe(users)))[:, :24]
    loved = (np.arange(24) + np.arange(40)[:, None]) % 2 == 0
    unrated = log.matrix(np.ones(len(log))).toarray()[:, :24] == 0
    for row, (mine, new) in enumerate(zip(loved, unrated, strict=True)):
        assert scores[row, mine & new].min() > scores[row, ~mine & new].max()


def test_a_large_penalty_leaves_the_item_bias(two_tastes, observe):
    model = MatrixFactorisation(regularisation=1e9).fit(*two_tastes)
    np.testing.assert_allclose(model.score(observe([0, 1])), np.tile(model.item_bias_, (2, 1)), atol=1e-6)


def test_items_that_no_neighbour_rated_keep_their_bias(two_tastes, observe):
    model = UserKNN().fit(*two_tastes)
    np.testing.assert_array_equal(model.score(observe([0]))[0, 24:], model.item_bias_[24:])


def test_neighbours_are_the_nearest(two_tastes):
    model = UserKNN(neighbours=3).fit(*two_tastes)
    similar = model.similarity(np.arange(40))
    assert ((similar > 0).sum(axis=1) <= 3).all()
    assert (np.diag(similar) == 0).all()
    same_taste = (np.arange(40)[:, None] + np.arange(40)) % 2 == 0
    assert (similar[~same_taste] == 0).all()


def test_genres_without_quality_ignore_others(make_log, observe):
    log, catalogue = make_log([(0, 0, 5.0), (0, 1, 1.0), (1, 2, 5.0), (1, 4, 1.0)], 2, 6)
    scores = GenreTaste().fit(log, catalogue).score(observe([0]))[0]
    assert scores[0] == scores[2] == scores[4] > scores[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: MatrixFactorisation(rank=0),
        lambda: MatrixFactorisation(regularisation=0),
        lambda: UserKNN(neighbours=0),
        lambda: GenreTaste(shrinkage=0),
        lambda: GenreTaste(strength=0),
    ],
)
def test_bad_options(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_an_empty_log_teaches_no_ratings(two_tastes):
    log, catalogue = two_tastes
    with pytest.raises(ValueError, match="UserKNN learns from ratings"):
        UserKNN().fit(log.take(np.array([], np.int64)), catalogue)
