"""Inverse propensities undo a selection of known propensities."""

import numpy as np
import pytest

from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.propensity import LARGEST_WEIGHT, inverse_weights, margin_propensities
from personagym_env.data.tables import Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def make_log(ratings, kept):
    users, items = np.nonzero(kept)
    n_users, n_items = ratings.shape
    return Interactions.from_columns(
        users, items, ratings[users, items], None, n_users=n_users, n_items=n_items, scale=SCALE
    )


def test_weights_recover_what_selection_hid():
    """Good ratings are kept eight times as often as bad ones: the mean of every item is off, and weights mend it."""
    rng = np.random.default_rng(0)
    quality = rng.uniform(1.8, 4.2, 30)
    ratings = np.clip(np.round(quality + rng.normal(0, 1.2, (800, 30))), 1, 5)
    chance = np.where(ratings >= 4, 0.8, 0.1)
    log = make_log(ratings, rng.random(ratings.shape) < chance)
    weights = inverse_weights(chance[log.users, log.items])
    settings = FactorSettings(rank=0)
    real = ratings.mean(axis=0)
    plain, mended = (fit_factors(log, settings, weights=one) for one in (None, weights))
    errors = [model.global_mean + model.item_bias - real for model in (plain, mended)]
    assert errors[0].mean() > 0.5
    assert abs(errors[1].mean()) < 0.1
    assert np.abs(errors[1]).mean() < 0.15 < np.abs(errors[0]).mean()


def test_equal_weights_change_nothing(dataset):
    log = dataset.interactions
    plain, weighed = (fit_factors(log, weights=one) for one in (None, np.ones(len(log))))
    np.testing.assert_allclose(plain.users, weighed.users, atol=1e-5)
    assert plain.noise == pytest.approx(weighed.noise)
    with pytest.raises(ValueError, match="one for each row"):
        fit_factors(log, weights=np.ones(3))


def test_margins_are_the_chances_where_only_margins_select():
    rng = np.random.default_rng(1)
    chance = rng.uniform(0.1, 0.6, (300, 1)) * rng.uniform(0.2, 1.0, (1, 80))
    log = make_log(np.full(chance.shape, 3.0), rng.random(chance.shape) < chance)
    told = margin_propensities(log)
    assert np.corrcoef(told, chance[log.users, log.items])[0, 1] > 0.85
    assert (told / chance[log.users, log.items]).mean() == pytest.approx(1, abs=0.15)


def test_weights_are_cut_and_have_mean_one():
    weights = inverse_weights(np.array([1e-6, *[0.5] * 999]))
    assert weights.mean() == pytest.approx(1)
    assert weights.max() / weights.min() <= LARGEST_WEIGHT * 510
    for wrong in (np.zeros(3), np.array([1.5])):
        with pytest.raises(ValueError, match="above 0 and up to 1"):
            inverse_weights(wrong)
