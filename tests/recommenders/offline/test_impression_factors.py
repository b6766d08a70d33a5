"""Refits on impressions find what a slate earns, and weights undo what the logging policy chose."""

import numpy as np
import pytest

from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.logs.decisions import LoggedDecisions
from personagym_recommenders import EASE, MostPopular
from personagym_recommenders.offline.impression_factors import ImpressionFactors, Impressions


def logged(user, slate, click, reward, clicks_earn=True):
    n = len(user)
    columns = {
        "episode": np.arange(n), "user": user, "step": np.zeros(n), "slate": slate, "propensity": np.full(n, 0.1),
        "click_place": click, "rating": np.zeros(n), "reward": reward, "terminated": np.ones(n),
        "truncated": np.zeros(n),
    }  # fmt: skip
    return LoggedDecisions.from_columns(columns, clicks_earn=clicks_earn)


def fitted(checkerboard, recommender=None, **arguments):
    return ImpressionFactors(recommender or MostPopular(), **arguments).fit(checkerboard.log, checkerboard.catalogue)


def scores(model, users):
    return model.score(opening_observation(np.asarray(users), np.zeros((48, 1), np.float32), 1))


def test_impressions_are_added_up_by_user_and_item():
    log = logged(np.array([0, 0, 1]), np.array([[2, 3], [3, 2], [2, 4]]), np.array([0, -1, 1]), np.array([0.5, 0, 1.0]))
    rewards, weights, squares = Impressions.of(log, (2, 5), np.array([[1, 2], [3, 4], [5, 6.0]]))
    np.testing.assert_allclose(rewards.toarray(), [[0, 0, 0.5, 0, 0], [0, 0, 0, 0, 6]])
    np.testing.assert_allclose(weights.toarray(), [[0, 0, 5, 5, 0], [0, 0, 5, 0, 6]])
    np.testing.assert_allclose(squares.toarray(), [[0, 0, 17, 13, 0], [0, 0, 25, 0, 36]])
    twice = Impressions.of(log, (2, 5)) + Impressions.of(log, (2, 5))
    assert twice.weights.sum() == 12


def test_before_a_refit_scores_are_those_of_the_recommender_on_known_items(checkerboard):
    model = fitted(checkerboard, EASE(), unknown=(4,))
    rows = checkerboard.log.take(checkerboard.log.items != 4)
    observation = opening_observation(np.arange(48), np.zeros((48, 1), np.float32), 1)
    known = EASE().fit(rows, checkerboard.catalogue).score(observation)
    found = model.score(observation)
    np.testing.assert_array_equal(np.argsort(found, kind="stable")[:, -3:], np.argsort(known, kind="stable")[:, -3:])
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-6)


def test_an_item_that_earns_more_rises_for_everybody_and_most_for_those_who_took_it(checkerboard):
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(48), 200)
    slate = np.array([rng.choice(24, 3, replace=False) for _ in user])
    takes = (slate == 5) | ((slate == 6) & (user[:, None] % 2 == 0))
    click = np.where(takes.any(axis=1), takes.argmax(axis=1), -1)
    model = fitted(checkerboard, bias_penalty=1.0, factor_penalty=0.1)
    before = scores(model, [0, 1])
    model.refit(Impressions.of(logged(user, slate, click, (click >= 0).astype(float)), (48, 24)))
    even, odd = scores(model, [0, 1]) - model.slope_ * before
    assert even.argmax() in (5, 6)
    assert odd.argmax() == 5
    assert even[6] > odd[6] + 0.3


def test_weights_judge_items_as_if_places_had_been_random(checkerboard):
    # Whatever stands first is taken; item 1 stands there in nine decisions of ten, so without weights it seems better.
    n = 4_000
    first = np.arange(n) % 10 == 0
    slate = np.where(first[:, None], [0, 1], [1, 0])
    log = logged(np.arange(n) % 48, slate, np.zeros(n), np.ones(n))
    propensity = np.where(first[:, None], 0.1, 0.9).repeat(2, axis=1)
    gap = {}
    for name, weights in (("equal", None), ("inverse", 0.5 / propensity)):
        model = fitted(checkerboard).refit(Impressions.of(log, (48, 24), weights))
        bias = model.item_bias_ + model.slope_ * model.prior_[0]
        gap[name] = bias[1] - bias[0]
    assert gap["equal"] > 0.3
    assert abs(gap["inverse"]) < 0.05


def test_refuses_what_it_cannot_learn_from(checkerboard):
    log = logged(np.array([0]), np.array([[2, 3]]), np.array([0]), np.array([1.0]), clicks_earn=False)
    with pytest.raises(ValueError, match="rewards that belong to places"):
        Impressions.of(log, (48, 24))
    log = logged(np.array([0]), np.array([[2, 3]]), np.array([0]), np.array([1.0]))
    with pytest.raises(ValueError, match="do not belong"):
        fitted(checkerboard).refit(Impressions.of(log, (4, 24)))
    with pytest.raises(ValueError, match="without impressions"):
        fitted(checkerboard).refit(Impressions.of(log, (48, 24), np.zeros((1, 2))))
    with pytest.raises(ValueError, match="fitted"):
        ImpressionFactors(EASE()).refit(Impressions.of(log, (48, 24)))
    with pytest.raises(ValueError, match="penalties"):
        ImpressionFactors(EASE(), bias_penalty=0)
    with pytest.raises(ValueError, match="rank"):
        ImpressionFactors(EASE(), rank=0)


def test_saved_and_loaded_it_scores_alike(checkerboard, tmp_path):
    log = logged(np.array([0, 1]), np.array([[2, 3], [4, 5]]), np.array([0, 1]), np.array([1.0, 0.5]))
    model = fitted(checkerboard, unknown=(7,)).refit(Impressions.of(log, (48, 24)))
    model.save(tmp_path / "saved")
    loaded = ImpressionFactors.load(tmp_path / "saved")
    np.testing.assert_array_equal(scores(loaded, [0, 5]), scores(model, [0, 5]))
