"""Recommenders that predict ratings, and the line-up of the agreement study, on logs with known answers."""

import numpy as np
import pytest

from personagym_env.conformance.recommender import check_recommender
from personagym_recommenders.line_up import LINE_UP, Means, Recent, line_up
from personagym_recommenders.models.rating_models import GenreTaste, MatrixFactorisation, UserKNN
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.rl.trained import LearnsInSessions

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
    similar = model._similarity(np.arange(40))
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
        lambda: Recent(half_life=0),
    ],
)
def test_bad_options(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_an_empty_log_teaches_no_ratings(two_tastes):
    log, catalogue = two_tastes
    with pytest.raises(ValueError, match="UserKNN learns from ratings"):
        UserKNN().fit(log.take(np.array([], np.int64)), catalogue)


def test_recent_rows_count_more(make_dataset, observe):
    dataset = make_dataset()
    log = dataset.interactions
    newest = log.items[np.argmax(log.timestamps)]
    scores = Recent(half_life=1e-3).fit(log, dataset.catalogue).score(observe([0]))[0]
    assert np.argmax(scores) == newest
    forever = Recent(half_life=1e9).fit(log, dataset.catalogue).score(observe([0]))[0]
    np.testing.assert_allclose(forever, np.bincount(log.items, minlength=80), rtol=1e-6)
    with pytest.raises(ValueError, match="needs timestamps"):
        Recent().fit(make_dataset(timed=False).interactions, dataset.catalogue)


def test_the_line_up_asks_for_what_the_data_has(make_dataset):
    rich, poor = make_dataset(), make_dataset(timed=False)
    chosen, left_out = line_up(rich.interactions, rich.catalogue)
    assert len(chosen) >= 16
    assert len({entry.model_class for entry in chosen.values()}) >= 7
    assert set(left_out) == {"LightGCN", "NeuMF", "SASRec", "GRU4Rec", "LinUCB", "PPO"}
    assert left_out["LinUCB"] == "needs users to learn with"
    assert line_up(rich.interactions, rich.catalogue, slow=True, users=True)[1] == {}
    assert line_up(poor.interactions, poor.catalogue)[1]["recent"] == "needs timestamps"


def test_everybody_in_the_line_up_can_be_made(dataset):
    """RecBole's models and those who learn in sessions are trained in their own tests."""
    means = Means(liked=4.0, users=lambda dataset, known: pytest.fail("nobody learns here"))
    for entry in LINE_UP.values():
        recommender = entry.make(means)
        if not isinstance(recommender, (RecBole, LearnsInSessions)):
            recommender.fit(dataset.interactions, dataset.catalogue)
