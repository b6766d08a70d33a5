"""Bandits: the regression that they are, the exploration that they do, and learning what users like."""

import numpy as np
import pytest

from personagym_env.conformance.recommender import check_recommender
from personagym_env.evaluation.core.simulate import OnlineRecommender, SessionPlan, simulate
from personagym_env.protocols import NO_ITEM
from personagym_env.world import make_world
from personagym_recommenders import CandidateFeatures, LeastPopular, LinearThompson, LinUCB, MostPopular, Random
from personagym_recommenders.bandits.linear import with_intercept

BANDITS = [LinUCB, LinearThompson]


def features():
    return CandidateFeatures([MostPopular(), LeastPopular()])


def contexts_of(bandit, rows, slates):
    choice = bandit.features.of(rows)
    contexts = with_intercept(choice)
    return np.stack(
        [[contexts[i, choice.items[i].tolist().index(item)] for item in slate] for i, slate in enumerate(slates)]
    )


@pytest.fixture(params=BANDITS)
def bandit(request, checkerboard):
    return request.param(features()).fit(checkerboard.log, checkerboard.catalogue)


@pytest.mark.parametrize("make", BANDITS)
def test_conforms(make, checkerboard):
    check_recommender(make(), checkerboard.log, checkerboard.catalogue)


def test_conforms_with_experience(bandit, observe, tmp_path):
    assert isinstance(bandit, OnlineRecommender)
    rows = observe([0, 1, 2])
    slates = bandit.recommend(rows, 3)
    bandit.learn_from(rows, slates, slates[:, 1], np.array([5.0, 1.0, 3.0]))
    taught = bandit.recommend(rows, 3)
    np.testing.assert_array_equal(bandit.recommend(rows, 3), taught)
    bandit.save(tmp_path)
    loaded = type(bandit).load(tmp_path)
    np.testing.assert_array_equal(loaded.weights, bandit.weights)
    np.testing.assert_array_equal(loaded.recommend(rows, 3), taught)


def test_learning_is_ridge_regression_under_the_cascade(bandit, observe):
    """Row 0 takes place 1, row 1 nothing: places 0 and 1 of row 0 and all of row 1 were looked at."""
    rows = observe([0, 1])
    slates = bandit.recommend(rows, 3)
    bandit.learn_from(rows, slates, np.array([slates[0, 1], NO_ITEM]), np.array([4.0, 0.0]))
    contexts = contexts_of(bandit, rows, slates)
    design = np.concatenate([contexts[0, :2], contexts[1]])
    normalised_rating = np.array([0, 0.75, 0, 0, 0])
    expected = np.linalg.solve(design.T @ design + np.eye(4), design.T @ normalised_rating)
    np.testing.assert_allclose(bandit.weights, expected)


def test_learning_in_two_calls_is_learning_in_one(checkerboard, observe):
    one, two = (LinUCB(features()).fit(checkerboard.log, checkerboard.catalogue) for _ in range(2))
    rows = observe([0, 1])
    slates = one.recommend(rows, 3)
    ratings = np.array([2.0, 5.0])
    one.learn_from(rows, slates, slates[:, 0], ratings)
    for row in range(2):
        two.learn_from(observe([row]), slates[row : row + 1], slates[row : row + 1, 0], ratings[row : row + 1])
    np.testing.assert_allclose(one.weights, two.weights)


def test_it_recovers_the_weights_of_a_linear_world(checkerboard, observe):
    bandit = LinUCB(features(), alpha=0.0).fit(checkerboard.log, checkerboard.catalogue)
    truth = np.array([0.5, 0.0, 0.1, 0.0])
    rng = np.random.default_rng(0)
    users = np.arange(48)
    for _ in range(30):
        slates = np.stack([rng.permutation(checkerboard.left[user])[:1] for user in users])
        rows = observe(users.tolist())
        normalised_rating = np.clip(contexts_of(bandit, rows, slates)[:, 0] @ truth, 0, 1)
        bandit.learn_from(rows, slates, slates[:, 0], 1 + 4 * normalised_rating)
    predicted = contexts_of(bandit, rows, slates)[:, 0] @ bandit.weights
    np.testing.assert_allclose(predicted, normalised_rating, atol=0.01)


def test_upper_bounds_are_estimate_plus_deviation(checkerboard, observe):
    bandit = LinUCB(features(), alpha=2.0).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe([0, 1])
    slates = bandit.recommend(rows, 3)
    bandit.learn_from(rows, slates, slates[:, 0], np.array([5.0, 2.0]))
    contexts = with_intercept(bandit.features.of(rows))
    inverse = np.linalg.inv(bandit.precision_)
    deviation = np.sqrt(np.einsum("npd,de,npe->np", contexts, inverse, contexts))
    np.testing.assert_allclose(bandit.explore(contexts, rows), contexts @ bandit.weights + 2 * deviation)


def test_draws_have_the_mean_and_covariance_of_the_posterior(checkerboard, observe):
    bandit = LinearThompson(features(), deviation=0.3).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe([0, 1])
    slates = bandit.recommend(rows, 3)
    bandit.learn_from(rows, slates, slates[:, 2], np.array([5.0, 2.0]))
    n = 20_000
    many = observe([0] * n)
    many["step"] = np.arange(n)
    theta = bandit.explore(np.broadcast_to(np.eye(4), (n, 4, 4)), many)
    np.testing.assert_allclose(theta.mean(axis=0), bandit.weights, atol=0.01)
    np.testing.assert_allclose(np.cov(theta.T), 0.09 * np.linalg.inv(bandit.precision_), atol=0.005)


def test_without_exploration_both_show_the_estimate(checkerboard, observe):
    ucb = LinUCB(features(), alpha=0.0).fit(checkerboard.log, checkerboard.catalogue)
    thompson = LinearThompson(features(), deviation=0.0).fit(checkerboard.log, checkerboard.catalogue)
    rows = observe(list(range(48)))
    slates = ucb.recommend(rows, 3)
    for one in (ucb, thompson):
        one.learn_from(rows, slates, slates[:, 0], np.full(48, 5.0))
    np.testing.assert_array_equal(ucb.recommend(rows, 3), thompson.recommend(rows, 3))


@pytest.mark.parametrize("make", BANDITS)
def test_learns_what_users_like(make, dataset, make_agent):
    """Users like what is rare; a bandit that begins with nothing finds that out."""
    agent = make_agent(rating=4)
    world = make_world(dataset, agent, parameters={"leaving": {"intercept": -6.0}})
    counts = np.bincount(world.train.items, minlength=80)
    agent.want_logit[:] = np.where(counts <= np.median(counts), 2.0, -4.0)
    plan = SessionPlan.draw(12, episodes_per_user=4, seed=3)
    options = {"slate_size": 3, "max_episode_steps": 10, "history_length": 10}

    def play(recommender, **more):
        recommender.fit(world.train, world.dataset.catalogue)
        return simulate(recommender, world, plan, **options, **more)

    bandit = make(features())
    beginner = play(bandit, rows=6, in_place=True)
    later = simulate(bandit, world, plan._replace(seed=99), **options)
    assert later.returns.mean() > 1.2 * play(Random()).returns.mean()
    assert later.returns.mean() > beginner.returns[:6].mean()
    assert bandit.weights[2] > max(0, bandit.weights[1])


def test_sessions_leave_the_recommender_as_it_was_unless_told(dataset, agent):
    world = make_world(dataset, agent)
    bandit = LinUCB(features()).fit(world.train, world.dataset.catalogue)
    plan = SessionPlan.draw(12, seed=1)
    first, second = (simulate(bandit, world, plan, slate_size=3) for _ in range(2))
    np.testing.assert_array_equal(first.returns, second.returns)
    assert not bandit.response_.any()
    simulate(bandit, world, plan, slate_size=3, in_place=True)
    assert bandit.response_.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinUCB(alpha=-1), "alpha"),
        (lambda: LinUCB(ridge=0), "ridge"),
        (lambda: LinearThompson(deviation=-1), "deviation"),
        (lambda: LinearThompson(seed=-1), "seed"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unfitted_is_an_error(bandit, observe):
    with pytest.raises(ValueError, match="must be fitted"):
        type(bandit)().recommend(observe([0]), 3)


def test_slates_beyond_its_own_candidates_teach_as_well(checkerboard, observe):
    """What `recommend` was told might be shown need not be among the candidates that were kept."""
    rows = observe([0])
    bandits = [
        LinUCB(CandidateFeatures([MostPopular()], pool=pool)).fit(checkerboard.log, checkerboard.catalogue)
        for pool in (2, checkerboard.log.n_items)
    ]
    slate = bandits[1].recommend(rows, 3)
    for bandit in bandits:
        bandit.learn_from(rows, slate, slate[:, 1], np.array([5.0]))
    np.testing.assert_allclose(bandits[0].weights, bandits[1].weights)
    assert bandits[0].weights.any()
