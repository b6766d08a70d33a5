"""What opening slates earn, without simulation: as the kernel draws it, and as policies show them."""

from typing import Any

import numpy as np
import pytest

from personagym_env.data.tables import Dataset
from personagym_env.evaluation.core.simulate import SessionPlan, simulate
from personagym_env.evaluation.off_policy.opening import OpeningTable, opening_rewards
from personagym_env.evaluation.off_policy.pseudo_inverse import all_slates
from personagym_env.world import World, make_world
from personagym_recommenders import EASE, MostPopular
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

P, K = 6, 3


@pytest.fixture(scope="module")
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, agent)


@pytest.fixture(scope="module")
def policy(world: World) -> PlackettLuce:
    return PlackettLuce(EASE(), 0.8, candidates=P, retrieval=MostPopular()).fit(world.train, world.dataset.catalogue)


def test_the_value_of_opening_slates_is_what_sessions_of_one_step_earn(world: World, policy: PlackettLuce) -> None:
    slates = all_slates(P, K)
    users = np.arange(world.train.n_users)
    table = OpeningTable.of(policy, world.profiles, policy.items_, slates)
    earned = opening_rewards(world, users, policy.items_, slates)
    exact = (table.joint * earned.sum(axis=2)).sum(axis=1)
    plan = SessionPlan.draw(len(users), episodes_per_user=1_500, seed=1)
    played = simulate(policy, world, plan, slate_size=K, max_episode_steps=1, rows=4_096)
    mean, error = played.returns.mean(), played.returns.std() / np.sqrt(len(played.returns))
    assert exact.mean() == pytest.approx(mean, abs=4 * error)
    assert error < 0.005


def test_a_table_holds_probabilities(world: World, policy: PlackettLuce) -> None:
    slates = all_slates(P, K)
    table = OpeningTable.of(policy, world.profiles, policy.items_, slates)
    np.testing.assert_allclose(table.joint.sum(axis=1), 1)
    first = np.eye(P)[slates[:, 0]]  # (s, p)
    np.testing.assert_allclose(table.expectation(np.broadcast_to(first, (len(policy.items_), *first.shape))).sum(1), 1)


def test_expectations_of_the_next_place_are_conditional(world: World, policy: PlackettLuce) -> None:
    slates = all_slates(P, K)
    table = OpeningTable.of(policy, world.profiles, policy.items_, slates)
    items = np.broadcast_to(np.eye(P)[slates], (len(policy.items_), *slates.shape, P))  # one feature per candidate
    expected = table.next_place(slates, items)
    user, slate = 3, 17
    for place in range(K):
        same = (slates[:, :place] == slates[slate, :place]).all(axis=1)
        shares = np.zeros(P)
        np.add.at(shares, slates[same, place], table.joint[user, same])
        np.testing.assert_allclose(expected[user, slate, place], shares / shares.sum(), atol=1e-12)


def test_rewards_for_leaving_have_no_opening_value(world: World, policy: PlackettLuce) -> None:
    parameters = world.parameters.updated({"reward": {"leave": -1.0}})
    other = World(world.dataset, world.train, world.agent, parameters, world.fit)
    with pytest.raises(ValueError, match="rewards for what is taken alone"):
        opening_rewards(other, np.arange(2), policy.items_[:2], all_slates(P, K))
