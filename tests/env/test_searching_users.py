"""Users who search: after a slate that left them with nothing, and only then, they look at what they found."""

from functools import cache
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from fixtures.planted_log import planted
from personagym_agents.variants.social import fit_social
from personagym_env.data.tables import Dataset
from personagym_env.env import PersonaRecEnv
from personagym_env.protocols import NO_ITEM
from personagym_env.world import World, make_world
from personagym_env.wrappers import SearchingUsers

USERS, ITEMS, ROWS = 30, 40, 8
SLATE = np.array([3, 8, 21])


@cache
def world() -> World:
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(ITEMS)[:ROWS] for _ in range(USERS)])
    points = rng.integers(1, 6, items.size).astype(np.float64)
    dataset = planted(np.repeat(np.arange(USERS), ROWS), items.ravel(), points, np.arange(ITEMS) % 3)
    return make_world(dataset, fit_social(dataset, dataset.interactions), train_share=0.5)


def steps(chance: float, seeds: range) -> list[list[dict[str, Any]]]:
    """Infos of episodes in which a policy always shows the same."""
    env, found = SearchingUsers(PersonaRecEnv(world(), 3, max_episode_steps=12), chance), []
    for seed in seeds:
        env.reset(seed=seed, options={"user": seed % USERS})
        infos, over = [], False
        while not over:
            *_, terminated, truncated, info = env.step(SLATE)
            infos.append(info)
            over = terminated or truncated
        found.append(infos)
    return found


def test_a_search_follows_a_slate_of_which_nothing_was_taken() -> None:
    episodes = steps(1.0, range(40))
    assert sum(info["searched"] for infos in episodes for info in infos) > 40
    for infos in episodes:
        assert not infos[0]["searched"]
        for before, info in pairwise(infos):
            idle = before["clicked_item"] == NO_ITEM and not before["searched"]
            assert info["searched"] == idle
            assert (info["slate"].tolist() != SLATE.tolist()) == info["searched"]
            assert info["clicked_item"] in (NO_ITEM, *info["slate"])


def test_nothing_that_the_user_had_is_found() -> None:
    train = world().train
    for seed, infos in enumerate(steps(1.0, range(USERS))):
        had = set(train.items[train.indptr[seed] : train.indptr[seed + 1]].tolist())
        for info in infos:
            if info["searched"]:
                assert not had & set(info["slate"].tolist())
            had.add(info["clicked_item"])


def test_who_never_searches_sees_what_is_shown_and_the_seed_decides_who_does() -> None:
    assert not any(info["searched"] for infos in steps(0.0, range(10)) for info in infos)

    def searched(seeds: range) -> list[list[bool]]:
        return [[info["searched"] for info in infos] for infos in steps(0.5, seeds)]

    assert searched(range(10)) == searched(range(10))


def test_who_has_had_nearly_everything_goes_on_with_what_is_shown() -> None:
    dataset = planted(
        np.repeat([0, 1], [6, 3]), np.array([0, 1, 2, 3, 4, 5, 0, 1, 2]), np.full(9, 3.0), np.arange(8) % 2
    )
    full = make_world(dataset, fit_social(dataset, dataset.interactions), train_share=0.99)
    env = SearchingUsers(PersonaRecEnv(full, 4, max_episode_steps=6), 1.0)
    for seed in range(10):
        env.reset(seed=seed, options={"user": 0})
        over = False
        while not over:
            *_, terminated, truncated, info = env.step(np.arange(4))
            assert not info["searched"]
            over = terminated or truncated


def test_who_can_search_is_checked(dataset: Dataset, agent: Any) -> None:
    with pytest.raises(TypeError, match="needs PersonaRec-v0"):
        SearchingUsers(gym.make("CartPole-v1"), 0.5)
    with pytest.raises(TypeError, match="users who can search, such as 'social'"):
        SearchingUsers(PersonaRecEnv(make_world(dataset, agent, train_share=0.5), 3), 0.5)
    with pytest.raises(ValueError, match=r"chance must lie in 0\.\.1, got 1\.5"):
        SearchingUsers(PersonaRecEnv(world(), 3), 1.5)
