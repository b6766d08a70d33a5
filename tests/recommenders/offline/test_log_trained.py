"""Policies trained on a log that `fit` makes."""

import numpy as np
import pytest

from personagym_env.env import SLATE_SIZE
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.protocols import Recommender
from personagym_env.world import make_world
from personagym_recommenders.offline.behaviour_cloning import BehaviourCloning
from personagym_recommenders.offline.log_trained import LogTrained


def test_it_learns_from_users_who_know_the_training_rows_alone(dataset, make_agent):
    world = make_world(dataset, make_agent(rating=4), parameters={"leaving": {"intercept": -2.0}})
    given = []

    def users(dataset, log):
        given.append((dataset, log))
        return world.agent

    recommender = LogTrained(users, BehaviourCloning, episodes=40, steps=3)
    assert isinstance(recommender, Recommender)
    assert recommender.name == "BC, trained on a log"
    rows = opening_observation(np.arange(4), world.profiles, 5)
    with pytest.raises(ValueError, match="must be fitted"):
        recommender.recommend(rows, 3)
    slates = recommender.fit(world.train, world.dataset.catalogue).recommend(rows, 3)
    ((known, log),) = given
    assert log is known.interactions is world.train
    again = LogTrained(users, BehaviourCloning, episodes=40, steps=3).fit(world.train, world.dataset.catalogue)
    np.testing.assert_array_equal(slates, again.recommend(rows, 3))


def test_small_catalogues_have_short_sessions_and_nothing_else_is_refused(make_dataset, make_agent):
    small = make_dataset(n_items=SLATE_SIZE + 14, per_user=12)
    recommender = LogTrained(lambda dataset, log: make_agent(n_items=SLATE_SIZE + 14), BehaviourCloning, 20, 2)
    recommender.fit(small.interactions, small.catalogue)
    with pytest.raises(ValueError, match="episodes must be at least 1"):
        LogTrained(lambda dataset, log: make_agent(), BehaviourCloning, episodes=0)
