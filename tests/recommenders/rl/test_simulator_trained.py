"""Contestants that learn in sessions: they find out what users want, and learn no more once they are judged."""

import numpy as np
import pytest

from personagym_env.data.splits import temporal_split
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.evaluation.core.simulate import OnlineRecommender, SessionPlan, simulate
from personagym_env.protocols import Recommender
from personagym_env.world import make_world
from personagym_recommenders import MostPopular
from personagym_recommenders.rl.simulator_trained import SimulatorTrainedLinUCB, SimulatorTrainedPPO

MAKES = {
    "bandit": lambda users: SimulatorTrainedLinUCB(users, sessions=60),
    "policy": lambda users: SimulatorTrainedPPO(users, steps=3_000, envs=16),
}


@pytest.fixture
def world(dataset, make_agent):
    """Users who want what is best rated and nothing else, which popularity does not tell."""
    world = make_world(dataset, make_agent(rating=4), parameters={"leaving": {"intercept": -2.0}})
    log = world.train
    mean = np.bincount(log.items, log.ratings, minlength=80) / np.maximum(np.bincount(log.items, minlength=80), 1)
    world.agent.want_logit[:] = np.where(mean >= np.quantile(mean, 0.7), 2.0, -4.0)
    return world


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_it_learns_from_the_users_it_is_given(make, world):
    given = []

    def users(dataset, log):
        given.append((dataset, log))
        return world.agent

    recommender = make(users)
    assert isinstance(recommender, Recommender)
    assert not isinstance(recommender, OnlineRecommender)  # judged as it came out of the training
    with pytest.raises(ValueError, match="must be fitted"):
        recommender.recommend(opening_observation(np.arange(2), world.profiles, 5), 3)
    recommender.fit(world.train, world.dataset.catalogue)
    ((dataset, log),) = given
    assert log is dataset.interactions is world.train  # nothing but training rows
    plan = SessionPlan.draw(world.train.n_users, episodes_per_user=4, seed=1)

    def value(one):
        return simulate(one, world, plan, slate_size=5, max_episode_steps=10).returns.mean()

    popular = MostPopular().fit(world.train, world.dataset.catalogue)
    assert value(recommender) > value(popular)


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_picks_come_from_the_pool(make, world):
    split = temporal_split(world.dataset.interactions)
    recommender = make(lambda dataset, log: world.agent).fit(split.train, world.dataset.catalogue)
    rows = opening_observation(np.arange(12), world.profiles, 5)
    pool = split.test.matrix(np.ones(len(split.test))).toarray() > 0
    picks = recommender.recommend(rows, 2, candidates=pool)
    assert np.take_along_axis(pool, picks, axis=1).all()
    np.testing.assert_array_equal(picks, recommender.recommend(rows, 2, candidates=pool))


def test_what_does_not_fit_is_refused(world, make_dataset, make_agent):
    with pytest.raises(ValueError, match="sessions must be at least 1"):
        SimulatorTrainedLinUCB(lambda dataset, log: world.agent, sessions=0)
    with pytest.raises(ValueError, match="steps and envs"):
        SimulatorTrainedPPO(lambda dataset, log: world.agent, steps=0)
    small = make_dataset(n_items=24, per_user=20)
    with pytest.raises(ValueError, match="cannot be filled"):
        SimulatorTrainedLinUCB(lambda dataset, log: make_agent(n_items=24)).fit(small.interactions, small.catalogue)
