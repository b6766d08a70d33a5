"""The annotated reward: its mean is that of what happens, it follows users who change, and slates of known worth."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from personagym_env.data.tables import Dataset
from personagym_env.env import PersonaRecEnv
from personagym_env.world import World, make_world
from personagym_env.wrappers import AnnotatedReward

SLATE = np.array([3, 8, 21])


@pytest.fixture(scope="module")
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, agent, train_share=0.5)


def made(world: World, **options: Any) -> AnnotatedReward:
    return AnnotatedReward(PersonaRecEnv(world, 3, max_episode_steps=8), **options)


def test_the_mean_of_a_step_is_that_of_what_happens(world: World) -> None:
    env, clicks, satisfied = made(world, quantity="click"), [], []
    for seed in range(700):
        env.reset(seed=seed, options={"user": 4})
        _, annotated, *_, info = env.step(SLATE)
        clicks.append(info["clicked_item"] >= 0)
        satisfied.append(info["latent"]["satisfaction"])
    assert annotated == pytest.approx(np.mean(clicks), abs=0.06)
    other = made(world)
    other.reset(seed=0, options={"user": 4})
    assert other.step(SLATE)[1] == pytest.approx(np.mean(satisfied), abs=0.015)


def test_users_who_change_in_a_session_are_followed(world: World) -> None:
    env = made(world, quantity="click")
    env.reset(seed=5, options={"user": 4})
    sessions = world.agent.open(1)
    sessions.start(np.zeros(1, np.int64), np.array([4]))
    told = 0
    for begin in range(0, 15, 3):
        slate = np.arange(begin, begin + 3)
        _, annotated, terminated, _, info = env.step(slate)
        assert 0 <= annotated <= 1
        if info["clicked_item"] >= 0:
            told += 1
        if terminated:
            break
    assert env._users.consumed[0] == told  # type: ignore[attr-defined]
    assert "own_reward" in info


def test_a_slate_of_what_is_liked_earns_more(make_agent: Callable[..., Any], dataset: Dataset) -> None:
    liked = make_world(dataset, make_agent(choice_probability=0.9, rating=4), train_share=0.5)
    hated = make_world(dataset, make_agent(choice_probability=0.9, rating=0), train_share=0.5)
    rewards = []
    for world in (liked, hated):
        env = made(world)
        env.reset(seed=1, options={"user": 0})
        rewards.append(env.step(SLATE)[1])
    assert rewards[0] > rewards[1]


def test_only_this_environment_can_be_annotated(world: World) -> None:
    with pytest.raises(TypeError, match="needs PersonaRec-v0"):
        AnnotatedReward(gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match="must be 'satisfaction' or 'click'"):
        made(world, quantity="joy")
