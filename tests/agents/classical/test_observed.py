"""Real answers as users: what they say is what was rated, and who did not rate everything has no sessions."""

from dataclasses import replace

import numpy as np
import pytest

import personagym_agents
from personagym_agents.classical.observed import LEAST_CHANCE, ObservedUsers, choice_probabilities
from personagym_env.conformance.user_agent import check_user_agent
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Interactions
from personagym_env.evaluation.fidelity.contamination import blind


@pytest.fixture(scope="module")
def whole(make_dataset):
    """Twelve users who rated all of 40 items."""
    return make_dataset(n_items=40, per_user=40)


def test_real_answers_conform(whole):
    split = temporal_split(whole.interactions)
    check_user_agent(personagym_agents.load("observed", whole, split.train))
    check_user_agent(personagym_agents.load("frozen:observed", whole, split.train))


def test_answers_are_the_ratings(whole):
    agent, log = ObservedUsers(whole.interactions), whole.interactions
    sessions = agent.open(12)
    sessions.start(np.arange(12), np.arange(12))
    reaction = sessions.react(np.arange(12), np.tile(np.arange(40), (12, 1)))
    np.testing.assert_allclose(reaction.rating @ np.asarray(log.scale), log.matrix().toarray())
    assert reaction.rating.max(axis=2).min() == 1


def test_an_item_is_chosen_with_the_chance_that_it_pleases_more_than_another():
    chance = choice_probabilities(np.array([[1, 2, 2, 5], [3, 3, 3, 3]]))
    np.testing.assert_allclose(chance, [[LEAST_CHANCE, 0.5, 0.5, 1 - LEAST_CHANCE], [0.5, 0.5, 0.5, 0.5]])


def test_a_row_that_is_hidden_is_not_answered(whole):
    split = temporal_split(whole.interactions)
    with pytest.raises(ValueError, match=r"nobody rated all 40 items: at most 32"):
        personagym_agents.load("observed", blind(whole, split.train), split.train)


def test_who_did_not_rate_everything_has_no_sessions(whole):
    log: Interactions = whole.interactions
    agent = ObservedUsers(replace(whole, interactions=log.take(np.arange(1, len(log)))).interactions)
    assert agent.complete.sum() == 11
    sessions = agent.open(2)
    sessions.start(np.array([0]), np.array([5]))
    with pytest.raises(ValueError, match=r"users \[0\] did not rate all 40 items"):
        sessions.start(np.array([1]), np.array([0]))
    with pytest.raises(ValueError, match=r"rows \[1\] have not been started"):
        sessions.react(np.array([1]), np.array([[3]]))
