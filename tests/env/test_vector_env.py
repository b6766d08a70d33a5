"""The vector environment: equal to single environments row by row, through resets, in every autoreset mode."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, World, make_world
from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM
from personagym_env.session.kernel import Place

N, K, STEPS = 5, 4, 80
LIMIT = 7
MODES = list(AutoresetMode)


@pytest.fixture
def world(dataset: Dataset, agent: Any) -> World:
    """Sessions of a few steps, so that a short run meets both kinds of end."""
    return make_world(dataset, agent, parameters={"leaving": {"intercept": -1.0}})


def slates(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(80, size=(N, K)) for _ in range(STEPS)]


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Equal in type, shape, dtype and every number."""
    if isinstance(one, dict):
        assert set(one) == set(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(one, other, err_msg=where, strict=isinstance(one, np.ndarray))


def sync_env(world: World, mode: AutoresetMode, limit: int | None = LIMIT) -> SyncVectorEnv:
    return SyncVectorEnv(
        [lambda: PersonaRecEnv(world, K, max_episode_steps=limit, history_length=6)] * N, autoreset_mode=mode
    )


def vector_env(world: World, mode: AutoresetMode | str, limit: int | None = LIMIT, n: int = N) -> PersonaRecVectorEnv:
    return PersonaRecVectorEnv(world, n, K, max_episode_steps=limit, history_length=6, autoreset_mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_vector_equals_sync_vector_of_singles_to_the_last_info(world: World, mode: AutoresetMode) -> None:
    sync, vector = sync_env(world, mode), vector_env(world, mode)
    assert sync.observation_space == vector.observation_space
    assert sync.action_space == vector.action_space
    for one, other in zip(sync.reset(seed=17), vector.reset(seed=17), strict=True):
        assert_same(one, other, "reset")
    ends = np.zeros((2, N), int)
    for t, actions in enumerate(slates()):
        expected, got = sync.step(actions), vector.step(actions)
        for name, one, other in zip(("obs", "reward", "terminated", "truncated", "info"), expected, got, strict=True):
            assert_same(one, other, f"step {t}: {name}")
        ends += [got[2], got[3]]
        done = got[2] | got[3]
        if mode is AutoresetMode.DISABLED and done.any():
            both = [env.reset(options={"reset_mask": done.copy()}) for env in (sync, vector)]
            for one, other in zip(*both, strict=True):
                assert_same(one, other, f"reset after step {t}")
    assert ends.sum(axis=0).min() >= 4, "every row must have been reset several times"
    assert ends.sum(axis=1).min() >= 2, "both kinds of end must have happened"


def test_vector_equals_singles_that_are_reset_by_hand(world: World) -> None:
    singles = [PersonaRecEnv(world, K, max_episode_steps=LIMIT, history_length=6) for _ in range(N)]
    vector = vector_env(world, "SameStep")
    observation, _ = vector.reset(seed=3)
    for i, env in enumerate(singles):
        assert_same(env.reset(seed=3 + i)[0], {key: value[i] for key, value in observation.items()})
    for actions in slates(4):
        observation, reward, terminated, truncated, info = vector.step(actions)
        for i, env in enumerate(singles):
            alone, alone_reward, alone_terminated, alone_truncated, _ = env.step(actions[i])
            assert (alone_reward, alone_terminated, alone_truncated) == (reward[i], terminated[i], truncated[i])
            if alone_terminated or alone_truncated:
                assert_same(alone, info["final_obs"][i])
                alone, _ = env.reset()
            assert_same(alone, {key: value[i] for key, value in observation.items()})


def test_a_row_does_not_depend_on_how_many_others_there_are(world: World) -> None:
    many, few = vector_env(world, "NextStep"), vector_env(world, "NextStep", n=2)
    many.reset(seed=1)
    few.reset(seed=1)
    for actions in slates(9):
        for whole, part in zip(many.step(actions)[1:4], few.step(actions[:2])[1:4], strict=True):
            np.testing.assert_array_equal(whole[:2], part)


@pytest.mark.parametrize("mode", MODES)
def test_observations_lie_in_the_space(world: World, mode: AutoresetMode) -> None:
    env = vector_env(world, mode)
    assert env.reset(seed=0)[0] in env.observation_space
    for actions in slates():
        observation, _, terminated, truncated, _ = env.step(actions)
        assert observation in env.observation_space
        if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated})


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_the_instances_own(world: World, mode: AutoresetMode) -> None:
    assert vector_env(world, mode).metadata["autoreset_mode"] is mode
    assert vector_env(world, mode.value).metadata["autoreset_mode"] is mode
    assert "autoreset_mode" not in PersonaRecVectorEnv.metadata


def test_rows_being_reset_cost_no_inference(world: World) -> None:
    env = vector_env(world, "NextStep")
    env.reset(seed=0)
    sessions: Any = env._sessions._sessions
    done = np.zeros(N, np.bool_)
    for actions in slates():
        before = sessions.asked
        _, reward, terminated, truncated, info = env.step(actions)
        assert sessions.asked - before == N - done.sum()
        assert (reward[done] == 0).all()
        assert info["_clicked_item"].all()
        assert (info["places"][done] == Place.NO_SLATE).all()
        done = terminated | truncated


def test_returned_arrays_are_not_touched_by_later_steps(world: World) -> None:
    env = vector_env(world, "NextStep")
    observation, _ = env.reset(seed=0)
    copies = {key: value.copy() for key, value in observation.items()}
    for actions in slates()[:10]:
        env.step(actions)
    assert_same(observation, copies)


def test_asked_users_come_and_later_sessions_are_drawn(world: World) -> None:
    env = vector_env(world, "NextStep")
    observation, _ = env.reset(seed=0, options={"user": np.array([3, 1, 4, 1, 5])})
    np.testing.assert_array_equal(observation["user"], [3, 1, 4, 1, 5])
    observation, _ = env.reset(options={"user": 7})
    np.testing.assert_array_equal(observation["user"], [7] * N)
    users = {tuple(env.step(actions)[0]["user"].tolist()) for actions in slates()}
    assert len(users) > 5


def test_a_mask_resets_its_rows_alone(world: World) -> None:
    env = vector_env(world, "Disabled", limit=None)
    env.reset(seed=0)
    before = env.step(slates()[0])[0]
    mask = np.array([False, True, False, True, False])
    after, _ = env.reset(options={"reset_mask": mask, "user": 2})
    np.testing.assert_array_equal(after["step"], np.where(mask, 0, before["step"]))
    np.testing.assert_array_equal(after["user"], np.where(mask, 2, before["user"]))


def test_a_list_of_seeds_seeds_rows_one_by_one(world: World) -> None:
    env = vector_env(world, "NextStep")
    by_number, _ = env.reset(seed=20)
    by_list, _ = env.reset(seed=[20, 21, 22, 23, 24])
    assert_same(by_number, by_list)
    with pytest.raises(ValueError, match="one seed or 5 seeds, got 2"):
        env.reset(seed=[1, 2])


def test_misuse_is_an_error_that_says_what_to_do(world: World) -> None:
    env = vector_env(world, "Disabled", limit=1)
    with pytest.raises(gym.error.ResetNeeded, match=r"rows \[0, 1, 2, 3, 4\]"):
        env.step(slates()[0])
    env.reset(seed=0)
    env.step(slates()[0])
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(slates()[0])
    env.reset()
    with pytest.raises(ValueError, match=r"shape \(5, 4\), got \(5, 3\)"):
        env.step(slates()[0][:, :3])
    for mask in ([True] * N, np.ones(N), np.ones(2, np.bool_)):
        with pytest.raises(ValueError, match="bool array of shape"):
            env.reset(options={"reset_mask": mask})
    with pytest.raises(ValueError, match="at least one True"):
        env.reset(options={"reset_mask": np.zeros(N, np.bool_)})
    with pytest.raises(ValueError, match="unknown options"):
        env.reset(options={"users": 1})


def test_taken_items_and_satisfied_users_add_up(dataset: Dataset, make_agent: Callable[..., Any]) -> None:
    """Users who want everything, rate it best and never leave: one consumption a step, return equals steps."""
    stay = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}
    world = make_world(
        dataset, make_agent(choice_probability=1 - 1e-9, rating=4), parameters={**stay, "choice": {"outside": -1000.0}}
    )
    env = PersonaRecVectorEnv(world, 3, 1, max_episode_steps=10)
    observation, _ = env.reset(seed=0)
    total = np.zeros(3)
    for _ in range(10):
        rated = world.train.contains(observation["user"][:, None], np.arange(80)[None])
        for row in range(3):
            rated[row, observation["history_items"][row][observation["history_items"][row] != NO_ITEM]] = True
        observation, reward, _, truncated, _ = env.step(rated.argmin(axis=1)[:, None])
        total += reward
    np.testing.assert_array_equal(total, 10)
    assert truncated.all()


def test_the_same_user_again_in_the_same_row_has_other_luck(world: World) -> None:
    env = vector_env(world, "Disabled", limit=None)
    seen = []
    for seed in (5, None, 5):
        env.reset(seed=seed, options={"user": 3})
        seen.append(env.step(slates()[0])[4]["examined"])
    np.testing.assert_array_equal(seen[0], seen[2])
    assert (seen[0] != seen[1]).any()
