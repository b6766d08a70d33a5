"""The ordinal link and the choice model against planted parameters, limits and densities."""

import numpy as np
import pytest

from personagym_agents.classical.choice import fit_choice, sample_unseen
from personagym_agents.classical.link import (
    SMALLEST,
    OrdinalLink,
    fit_link,
    fit_spread,
    logistic,
    summed_negative_log_likelihood,
)
from personagym_env.data.tables import Interactions

PLANTED = OrdinalLink(np.array([2.0, 4.0, 6.0, 9.0], np.float32), 1.8, np.array([0.7], np.float32))


def draw(link: OrdinalLink, n: int, rng: np.random.Generator):
    """Means, features, and ratings drawn from a link."""
    mean, features = rng.normal(3.4, 0.7, n), rng.normal(0, 0.5, (n, 1))
    probability = link.distribution(link.location(mean), link.steepness(features))
    drawn = (rng.random((n, 1)) > np.cumsum(probability, axis=1)).sum(axis=1)
    return mean, features, np.minimum(drawn, probability.shape[1] - 1), probability


def test_a_planted_distribution_is_recovered():
    rng = np.random.default_rng(0)
    mean, features, index, _ = draw(PLANTED, 20_000, rng)
    found = fit_link(mean, features, index, 5)
    np.testing.assert_allclose(found.thresholds, PLANTED.thresholds, atol=0.25)
    assert found.slope == pytest.approx(PLANTED.slope, abs=0.1)
    assert found.weights[0] == pytest.approx(0.7, abs=0.08)
    mean, features, _, truth = draw(PLANTED, 500, rng)
    answered = found.distribution(found.location(mean), found.steepness(features))
    assert np.abs(answered - truth).sum(axis=1).max() < 0.06


def test_the_gradient_is_the_slope_of_the_likelihood():
    rng = np.random.default_rng(0)
    mean, features, index, _ = draw(PLANTED, 300, rng)
    styles = rng.normal(size=(300, 2, 5))
    point = np.concatenate([PLANTED.thresholds, [PLANTED.slope, 0.7, 0.4, -0.2]]).astype(np.float64)

    def surprise(p):
        return summed_negative_log_likelihood(OrdinalLink(p[:4], p[4], p[5:6], p[6:]), mean, features, index, styles)

    _, by = surprise(point)
    gradient = np.concatenate([by.thresholds, [by.slope], by.weights, by.style])
    steps = 1e-5 * np.eye(8)
    numeric = [(surprise(point + step)[0] - surprise(point - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)


def test_far_tails_keep_their_digits():
    """Of a distribution that is sure of something else, the likelihood's gradient still points back."""
    link = OrdinalLink(PLANTED.thresholds.astype(np.float64), 1.8, np.zeros(0))
    surprise, by = summed_negative_log_likelihood(
        link, np.array([-3.0, 9.0]), np.zeros((2, 0)), np.array([4, 0]), np.zeros((2, 0, 5))
    )
    assert 25 < surprise < 2 * -np.log(1e-12) + 1e-6
    assert np.isfinite(by.thresholds).all()


def test_a_mean_that_says_nothing_leaves_the_marginal():
    rng = np.random.default_rng(1)
    index = rng.choice(5, 5_000, p=[0.1, 0.1, 0.2, 0.4, 0.2])
    found = fit_link(rng.normal(3, 1, 5_000), np.zeros((5_000, 0)), index, 5)
    answered = found.distribution(found.location(np.array([1.0, 5.0])), np.ones(2, np.float32))
    np.testing.assert_allclose(answered[0], answered[1], atol=0.06)
    np.testing.assert_allclose(answered.mean(axis=0), np.bincount(index) / 5_000, atol=0.02)


def test_limits_of_the_distribution():
    certain = PLANTED.distribution(np.array([-1e4, 1e4], np.float32), np.ones(2, np.float32))
    np.testing.assert_allclose(certain, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]], atol=1e-5)
    assert certain.min() >= SMALLEST * 0.9, "surprise must stay finite"
    means = np.linspace(1, 5, 50)
    expected = PLANTED.distribution(PLANTED.location(means), np.ones(50, np.float32)) @ np.arange(1, 6)
    assert (np.diff(expected) > 0).all()


@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4)])
def test_any_shape_sums_to_one(shape):
    location = np.random.default_rng(0).normal(5, 3, shape).astype(np.float32)
    answered = PLANTED.distribution(location, np.ones(shape, np.float32))
    assert answered.shape == (*shape, 5)
    np.testing.assert_allclose(answered.sum(axis=-1), 1, atol=1e-6)


def test_ratings_that_never_occur_stay_possible_and_rare():
    index = np.random.default_rng(0).choice([2, 3], 2_000)
    found = fit_link(np.full(2_000, 3.0), np.zeros((2_000, 0)), index, 10)
    answered = found.distribution(found.location(np.array([3.0])), np.ones(1, np.float32))[0]
    assert answered[[2, 3]].sum() > 0.97
    assert (answered > 0).all()


def test_a_link_needs_rows():
    with pytest.raises(ValueError, match="needs rows"):
        fit_link(np.zeros(0), np.zeros((0, 1)), np.zeros(0, np.int64), 5)


def test_spread_orders_users_by_their_scatter():
    rng = np.random.default_rng(0)
    users = np.repeat([0, 1], 400)
    ratings = np.where(users == 0, 3.0, rng.choice([1.0, 5.0], 800))
    items = np.tile(np.arange(400), 2)
    log = Interactions.from_columns(users, items, ratings, None, n_users=3, n_items=400, scale=(1.0, 3.0, 5.0))
    spread = fit_spread(log, np.full(800, 3.0))
    assert spread.variance == pytest.approx(2.0, abs=1e-6)
    assert spread.users[0] < -1 < 0 < spread.users[1]
    assert spread.users[1] == pytest.approx(0.5 * np.log(2), abs=0.01)
    assert spread.users[2] == pytest.approx(0, abs=1e-6), "a user without rows is average"


def test_logistic_is_exact_and_safe():
    x = np.linspace(-100, 100, 401).astype(np.float32)
    np.testing.assert_allclose(logistic(x), 1 / (1 + np.exp(-x.astype(np.float64))), atol=2e-7)


def test_choice_recovers_a_planted_log_density_ratio():
    # Positives N(1, 1) and negatives N(0, 1) at 1:1: the log odds are exactly x - 1/2.
    rng = np.random.default_rng(0)
    model = fit_choice(rng.normal(1, 1, (20_000, 1)), rng.normal(0, 1, (20_000, 1)))
    assert model.weights[0] == pytest.approx(1, abs=0.05)
    assert model.intercept == pytest.approx(-0.5, abs=0.05)


def test_a_constant_feature_does_no_harm():
    model = fit_choice(np.ones((50, 1)), np.ones((50, 1)))
    np.testing.assert_allclose(model.logit(np.ones((1, 1))), 0, atol=1e-3)


def test_unseen_items_are_unseen_and_uniform():
    users, items = np.nonzero(np.tri(20, 10, -1) > 0)
    log = Interactions.from_columns(users, items, np.ones(len(users)), None, n_users=20, n_items=10, scale=(1.0, 2.0))
    asked = np.repeat(np.arange(5), 2_000)
    drawn = sample_unseen(log, asked, np.random.default_rng(0))
    assert not log.contains(asked, drawn).any()
    np.testing.assert_allclose(np.bincount(drawn[asked == 4], minlength=10)[4:] / 2_000, 1 / 6, atol=0.04)
    sample_unseen(log, np.array([19]), np.random.default_rng(0))  # has seen everything: must end
