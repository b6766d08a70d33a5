"""The value of what is shown, where it is known what the odds are worth."""

import numpy as np
import pytest

from personagym_env.evaluation.core.pair_reactions import PairReactions
from personagym_env.evaluation.core.shown_value import choice_logit, choice_odds, fit_shown_weight, shown_value

N_USERS = 200


def rows(slope, seed=0):
    """Users, ratings, expectations and chances of rows whose rating falls by `slope` with each lost log odd."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 20)
    expected, logit = rng.normal(3, 0.7, len(users)), rng.normal(-1, 1.5, len(users))
    ratings = 0.3 + 0.8 * expected + slope * logit + rng.normal(0, 1, len(users))
    return users, ratings, expected, 1 / (1 + np.exp(-logit))


def fit(*columns):
    return fit_shown_weight(*columns, n_users=N_USERS, rng=np.random.default_rng(1), resamples=200)


def test_the_weight_is_recovered_in_points_of_the_expectation():
    found = fit(*rows(0.2))
    assert found.weight.low < 0.25 < found.weight.high
    assert found.weight.high - found.weight.low < 0.12
    assert found.by_half == pytest.approx((0.25, 0.25), abs=0.08)


def test_odds_that_say_nothing_and_odds_that_mislead_weigh_nothing():
    assert fit(*rows(0.0)).weight.value == pytest.approx(0, abs=0.04)
    assert fit(*rows(-0.5)).weight == (0, 0, 0)


def test_nobodys_rows_weigh_their_own_values():
    users, ratings, expected, chance = rows(0.2)
    first = fit(users, ratings, expected, chance).of_users(np.array([0]))
    changed = np.where(users % 2 == 0, 5 - ratings, ratings)
    assert fit(users, changed, expected, chance).of_users(np.array([0])) == first
    assert fit(users, changed, expected, chance).of_users(np.array([1])) != first


def test_value_is_expectation_and_odds():
    reaction = PairReactions(np.array([0.5, 0.9]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(shown_value(reaction, (1.0, 2.0), 0.0), [2, 1])
    np.testing.assert_allclose(shown_value(reaction, (1.0, 2.0), 0.5), [2, 1 + 0.5 * np.log(9)])
    assert np.isfinite(choice_logit(np.array([0.0, 1.0]))).all()


def test_a_few_rows_are_refused():
    few = (column[:2] for column in rows(0.2))
    with pytest.raises(ValueError, match="three held-out rows in each half, got 2 rows"):
        fit(*few)


def test_odds_order_lists_as_recall_does_and_probabilities_need_not():
    """Who tells consumed items from random ones perfectly: one favourite finds more than ten items of average."""
    density = np.concatenate([[30.0], np.full(9, 0.1), np.ones(10), np.full(80, 59.1 / 80)]) / 100  # sums up to 1
    chance = density / (density + 1 / 100)
    consumed = np.random.default_rng(0).choice(100, 200_000, p=density)
    lists = np.arange(10), np.arange(10, 20)
    found = [np.isin(consumed, items).mean() for items in lists]
    assert found[0] > 2 * found[1]
    assert [choice_odds(chance[items]).sum() / 100 for items in lists] == pytest.approx(found, abs=0.005)
    assert chance[lists[0]].mean() < chance[lists[1]].mean()
