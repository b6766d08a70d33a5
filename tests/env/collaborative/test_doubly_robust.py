"""Doubly robust fits are right where either the propensities or what is imputed is."""

import numpy as np
import pytest

from personagym_env.collaborative.doubly_robust import fit_doubly_robust
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.propensity import (
    co_consumption_propensities,
    inverse_weights,
    margin_propensities,
    propensities_of,
)
from personagym_env.data.tables import FloatArray, Interactions

BIAS = FactorSettings(rank=0)
USERS, ITEMS = 300, 50


def keep(ratings: FloatArray, kept: FloatArray) -> Interactions:
    users, items = np.nonzero(kept)
    return Interactions.from_columns(
        users, items, ratings[users, items], None, n_users=USERS, n_items=ITEMS, scale=(1.0, 2.0, 3.0, 4.0, 5.0)
    )


@pytest.fixture(scope="module")
def camps() -> tuple[FloatArray, FloatArray, Interactions]:
    """Users and items of two camps: who meets the own camp's items five times as often rates them a point higher."""
    rng = np.random.default_rng(0)
    own = rng.integers(2, size=USERS)[:, None] == rng.integers(2, size=ITEMS)
    ratings = np.clip(np.round(rng.uniform(2, 3.5, ITEMS) + own + rng.normal(0, 0.7, own.shape)), 1, 5)
    chance = np.where(own, 0.5, 0.1)
    return ratings, chance, keep(ratings, rng.random(own.shape) < chance)


def test_known_propensities_recover_what_selection_by_rating_hid() -> None:
    """Plain means are off by .4; what is imputed is as wrong, and is put right, nearer than by weights alone."""
    rng = np.random.default_rng(1)
    ratings = np.clip(np.round(rng.uniform(1.8, 4.2, ITEMS) + rng.normal(0, 1, (USERS, ITEMS))), 1, 5)
    chance = np.where(ratings >= 4, 0.6, 0.15)
    log = keep(ratings, rng.random(ratings.shape) < chance)
    weights = inverse_weights(chance[log.users, log.items])
    everybody = np.arange(USERS)
    for settings in (BIAS, FactorSettings(rank=2)):
        models = (
            fit_factors(log, settings),
            fit_factors(log, settings, weights=weights),
            fit_doubly_robust(log, weights, settings),
        )
        plain, weighed, robust = (float((one.predict(everybody).mean - ratings).mean()) for one in models)
        assert plain > 0.35
        assert abs(robust) < 0.05
        assert abs(robust) < abs(weighed) + 0.01
        by_item = models[2].predict(everybody).mean.mean(axis=0) - ratings.mean(axis=0)
        assert np.abs(by_item).mean() < 0.15


def test_what_is_imputed_rightly_needs_no_propensities() -> None:
    """Users who rate high rate six times as much. Biases know it; weights that are all alike shift nothing."""
    rng = np.random.default_rng(2)
    habit = rng.choice([-1.0, 1.0], USERS)
    ratings = np.clip(np.round(3 + habit[:, None] + rng.normal(0, 0.5, (USERS, ITEMS))), 1, 5)
    log = keep(ratings, rng.random(ratings.shape) < np.where(habit > 0, 0.6, 0.1)[:, None])
    assert log.ratings.mean() - ratings.mean() > 0.6
    robust = fit_doubly_robust(log, np.ones(len(log)), BIAS)
    assert abs((robust.predict(np.arange(USERS)).mean - ratings).mean()) < 0.05
    np.testing.assert_allclose(
        robust.means_at(log.users, log.items),
        robust.predict(np.arange(USERS)).mean[log.users, log.items],
        atol=1e-5,
    )


def test_co_consumption_tells_propensities_that_margins_do_not(
    camps: tuple[FloatArray, FloatArray, Interactions],
) -> None:
    ratings, chance, log = camps
    real = chance[log.users, log.items]
    told = co_consumption_propensities(log)
    assert np.corrcoef(told, real)[0, 1] > 0.85
    assert abs(np.corrcoef(margin_propensities(log), real)[0, 1]) < 0.1
    assert told.mean() == pytest.approx(real.mean(), abs=0.05)
    errors = []
    for kind in ("margins", "co-consumption"):
        model = fit_doubly_robust(log, inverse_weights(propensities_of(kind, log)), BIAS)
        errors.append(np.abs(model.predict(np.arange(USERS)).mean.mean(axis=0) - ratings.mean(axis=0)).mean())
    assert errors[0] > 0.25
    assert errors[1] < 0.1


def test_a_correction_of_the_mean_is_the_inversely_weighted_error(
    camps: tuple[FloatArray, FloatArray, Interactions],
) -> None:
    log = camps[2]
    rng = np.random.default_rng(3)
    errors, weights = rng.normal(0.3, 1, len(log)), rng.uniform(0.5, 2, len(log))
    correction = fit_factors(log, BIAS, weights=weights, values=errors)
    assert correction.global_mean == pytest.approx(float(weights @ errors / weights.sum()))
    with pytest.raises(ValueError, match="values must be"):
        fit_factors(log, BIAS, values=errors[1:])


def test_propensities_of_nothing_are_refused(camps: tuple[FloatArray, FloatArray, Interactions]) -> None:
    log = camps[2]
    with pytest.raises(ValueError, match=r"got 0 rows"):
        co_consumption_propensities(log.take(np.zeros(len(log), np.bool_)))
    with pytest.raises(ValueError, match="margins or co-consumption, got 'stars'"):
        propensities_of("stars", log)  # type: ignore[arg-type]
