"""Item-kNN and EASE against hand-made numbers, the closed form and the checkerboard."""

import numpy as np
import pytest

from personagym_recommenders import EASE, ItemKNN

ROWS = [(0, 0, 5), (0, 1, 4), (1, 0, 2), (1, 1, 5), (1, 2, 4), (2, 2, 1), (3, 3, 3)]
"""Users of item 0: {0, 1}; of 1: {0, 1}; of 2: {1, 2}; of 3: {3}."""


@pytest.mark.parametrize("recommender", [ItemKNN(), ItemKNN(neighbours=11), EASE(1.0), EASE(100.0)])
def test_checkerboard_is_completed(checkerboard, observe, recommender):
    recommender.fit(checkerboard.log, checkerboard.catalogue)
    slates = recommender.recommend(observe(list(range(48))), 3)
    np.testing.assert_array_equal(np.sort(slates, axis=1), checkerboard.left)


def test_cosines_by_hand(make_log, observe):
    log, catalogue = make_log(ROWS, 4, 4)
    weights = ItemKNN().fit(log, catalogue).weights_.toarray()
    expected = [[0, 1, 0.5, 0], [1, 0, 0.5, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    scores = ItemKNN().fit(log, catalogue).score(observe([1, 2, 3]))
    np.testing.assert_allclose(scores, [[1.5, 1.5, 1, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]], atol=1e-6)


def test_neighbours_limit_the_votes(make_log):
    log, catalogue = make_log(ROWS, 4, 4)
    nearest = ItemKNN(neighbours=1).fit(log, catalogue).weights_.toarray()
    # Items 0 and 1 are equally near to item 2: the lower id is kept.
    np.testing.assert_allclose(nearest, [[0, 1, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 0]], atol=1e-6)


def test_blocks_change_nothing(checkerboard, monkeypatch):
    whole = ItemKNN(neighbours=4).fit(checkerboard.log, checkerboard.catalogue).weights_
    monkeypatch.setattr("personagym_env.collaborative.similarity.BLOCK", 5)
    blocks = ItemKNN(neighbours=4).fit(checkerboard.log, checkerboard.catalogue).weights_
    np.testing.assert_array_equal(whole.toarray(), blocks.toarray())


def test_ease_minimises_its_objective(make_log):
    rng = np.random.default_rng(3)
    X = (rng.random((12, 5)) < 0.5).astype(float)
    log, catalogue = make_log([(u, i, 3) for u, i in np.argwhere(X)], 12, 5)
    B = EASE(regularisation=2.0).fit(log, catalogue).weights_.astype(float)
    # |X - X B|^2 + lambda |B|^2 under diag(B) = 0: column j is a ridge regression on the other columns.
    for j in range(5):
        others = np.delete(np.arange(5), j)
        A = X[:, others]
        ridge = np.linalg.solve(A.T @ A + 2.0 * np.eye(4), A.T @ X[:, j])
        np.testing.assert_allclose(B[others, j], ridge, atol=1e-5)
        assert B[j, j] == 0


def test_ease_tends_to_co_occurrence(make_log):
    log, catalogue = make_log(ROWS, 4, 4)
    weights = EASE(regularisation=1e5).fit(log, catalogue).weights_ * 1e5
    np.testing.assert_allclose(weights, [[0, 2, 1, 0], [2, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], atol=1e-3)


@pytest.mark.parametrize("model", [ItemKNN, EASE])
def test_the_session_moves_the_scores(checkerboard, observe, model):
    recommender = model().fit(checkerboard.log, checkerboard.catalogue)
    empty, odd = recommender.score(observe([0, 0], [[-1, -1], [1, 3]]))
    assert odd[5::2].mean() > empty[5::2].mean() + 0.01, "odd items in the session speak for odd items"
    np.testing.assert_allclose(odd[::2], empty[::2], atol=1e-6)


@pytest.mark.parametrize("model", [ItemKNN, EASE])
def test_min_rating_leaves_disliked_rows_out(make_log, observe, model):
    rows = [(u, i, 5.0) for u in range(6) for i in (0, 1)] + [(u, 2, 1.0) for u in range(6)]
    log, catalogue = make_log(rows, 7, 4)
    recommender = model(min_rating=4).fit(log, catalogue)
    liked, disliked = recommender.score(observe([6, 6], [[-1, 0], [-1, 0]], [[0, 4], [0, 3]]))
    assert liked[1] > 0.01
    assert liked[2] == 0
    assert (disliked == 0).all()


@pytest.mark.parametrize("make", [lambda: ItemKNN(neighbours=0), lambda: EASE(regularisation=0.0)])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="got 0"):
        make()
