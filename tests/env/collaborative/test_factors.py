"""The factor model against planted biases and planted factors."""

import numpy as np
import pytest

from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.data.splits import random_split
from personagym_env.data.tables import FloatArray, Interactions

HALVES = tuple(np.arange(1, 21) / 2)


def log_of(means: FloatArray, share: float, rng: np.random.Generator, noise: float = 0.3) -> Interactions:
    """Half-point ratings of a random share of all pairs around the means (u, m)."""
    users, items = np.nonzero(rng.random(means.shape) < share)
    ratings = means[users, items] + rng.normal(0, noise, len(users))
    return Interactions.from_columns(
        users,
        items,
        np.clip(np.round(ratings * 2) / 2, 0.5, 10),
        None,
        n_users=means.shape[0],
        n_items=means.shape[1],
        scale=HALVES,
    )


def rmse(means: FloatArray, log: Interactions) -> float:
    return float(np.sqrt(np.mean((means[log.users, log.items] - log.ratings) ** 2)))


def test_planted_biases_are_recovered():
    rng = np.random.default_rng(0)
    user, item = rng.normal(0, 0.7, 80), rng.normal(0, 0.5, 60)
    model = fit_factors(log_of(5 + user[:, None] + item, 0.5, rng), FactorSettings(rank=0))
    assert np.abs((model.user_bias - model.user_bias.mean()) - (user - user.mean())).max() < 0.25
    assert np.corrcoef(model.user_bias, user)[0, 1] > 0.98
    assert np.corrcoef(model.item_bias, item)[0, 1] > 0.98
    assert model.noise == pytest.approx(0.3**2 + 0.5**2 / 12, rel=0.15)


def test_planted_factors_beat_bias_and_reach_the_noise():
    rng = np.random.default_rng(1)
    means = 5 + rng.normal(0, 1, (120, 2)) @ rng.normal(0, 1, (2, 80))
    train, test = random_split(log_of(means, 0.4, rng), 0.8, rng=rng)
    everyone = np.arange(120)
    bias = rmse(fit_factors(train, FactorSettings(rank=0)).predict(everyone).mean, test)
    factors = rmse(fit_factors(train, FactorSettings(rank=2)).predict(everyone).mean, test)
    spare = rmse(fit_factors(train, FactorSettings(rank=6)).predict(everyone).mean, test)
    assert factors < 0.4 * bias
    assert factors < 0.45
    assert spare < 1.1 * factors, "superfluous factors must be regularised away"


def test_pure_noise_is_not_learned():
    rng = np.random.default_rng(2)
    log = log_of(np.full((60, 50), 5.0), 0.3, rng, noise=1.5)
    predicted = fit_factors(log, FactorSettings(rank=6)).predict(np.arange(60)).mean
    assert np.abs(predicted - log.ratings.mean()).mean() < 0.25


def test_users_and_items_without_rows_stay_at_the_mean():
    rng = np.random.default_rng(3)
    full = log_of(5 + rng.normal(0, 0.8, (40, 1)) + rng.normal(0, 0.8, (1, 30)), 0.6, rng)
    log = full.take((full.users != 7) & (full.items != 4))
    model = fit_factors(log)
    opinion = model.predict(np.arange(40))
    assert model.user_bias[7] == pytest.approx(0, abs=1e-6)
    assert model.item_bias[4] == pytest.approx(0, abs=1e-6)
    assert opinion.mean[7, 4] == pytest.approx(model.global_mean, abs=1e-5)
    assert opinion.variance[7, 4] > 5 * np.median(opinion.variance), "nothing is known about the pair"


def test_variance_shrinks_with_evidence():
    rng = np.random.default_rng(4)
    means = 5 + rng.normal(0, 1, (100, 1)) + rng.normal(0, 1, (1, 50))
    little = fit_factors(log_of(means, 0.1, rng), FactorSettings(rank=0)).predict(np.arange(100)).variance.mean()
    much = fit_factors(log_of(means, 0.9, rng), FactorSettings(rank=0)).predict(np.arange(100)).variance.mean()
    assert much < 0.3 * little


def test_same_seed_same_model():
    log = log_of(np.full((20, 20), 5.0), 0.5, np.random.default_rng(5))
    first, second = (fit_factors(log, rng=np.random.default_rng(9)).predict(np.arange(20)) for _ in range(2))
    np.testing.assert_array_equal(first.mean, second.mean)


@pytest.mark.parametrize(
    ("field", "value", "message"), [("rank", -1, "rank"), ("sweeps", 0, "sweeps"), ("init_scale", 0.0, "init_scale")]
)
def test_settings_name_the_bad_value(field, value, message):
    with pytest.raises(ValueError, match=f"{message}.*got {value}"):
        FactorSettings(**{field: value})


def test_an_empty_log_is_refused():
    log = log_of(np.full((3, 3), 5.0), 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one rating"):
        fit_factors(log.take(np.zeros(len(log), np.bool_)))
