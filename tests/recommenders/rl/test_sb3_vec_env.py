"""The adapter to Stable-Baselines3: what `DummyVecEnv` does over single environments, step by step, in one call."""

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import FilterObservation
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from personagym_env.data.tables import Dataset
from personagym_env.env import PersonaRecEnv
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world
from personagym_env.wrappers import StepAsVector
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv, policy_observation, policy_space

N, K, STEPS = 5, 4, 60
SIZES: dict[str, Any] = {"max_episode_steps": 7, "history_length": 6}
KEYS = ("clicked_item", "rating", "places")


@pytest.fixture
def world(dataset: Dataset, agent: Any) -> World:
    """Sessions of a few steps, so that a short run meets both kinds of end."""
    return make_world(dataset, agent, parameters={"leaving": {"intercept": -1.0}})


@pytest.fixture
def make_env(world: World) -> Callable[..., SB3VecEnv]:
    def make(**options: Any) -> SB3VecEnv:
        return SB3VecEnv(PersonaRecVectorEnv(world, N, K, autoreset_mode="SameStep", **SIZES), horizon=7, **options)

    return make


def dummy(world: World, parts: tuple[str, ...] | None = None) -> DummyVecEnv:
    def make() -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = StepAsVector(PersonaRecEnv(world, K, **SIZES), horizon=7)
        return Monitor(env if parts is None else FilterObservation(env, parts))

    return DummyVecEnv([make] * N)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name, strict=True)


@pytest.mark.parametrize("parts", [None, ("step", "profile")])
def test_equals_dummy_vec_env_step_by_step(
    world: World, make_env: Callable[..., SB3VecEnv], parts: tuple[str, ...] | None
) -> None:
    ours, theirs = make_env(parts=parts, info_keys=KEYS), dummy(world, parts)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    ours.seed(31), theirs.seed(31)
    assert_same(ours.reset(), theirs.reset())
    rng, ends = np.random.default_rng(3), {True: 0, False: 0}
    for _ in range(STEPS):
        slates = rng.integers(80, size=(N, K))
        one, reward, done, infos = ours.step(slates)
        other, expected_reward, expected_done, expected_infos = theirs.step(slates)
        assert_same(one, other)
        np.testing.assert_array_equal(reward, expected_reward, strict=True)
        np.testing.assert_array_equal(done, expected_done, strict=True)
        for row in range(N):
            info, expected = infos[row], expected_infos[row]
            for key in KEYS:
                np.testing.assert_array_equal(info[key], expected[key])
            assert ("terminal_observation" in info) == ("episode" in info) == bool(done[row])
            if done[row]:
                assert_same(info["terminal_observation"], expected["terminal_observation"])
                assert info["TimeLimit.truncated"] == expected["TimeLimit.truncated"]
                assert info["episode"]["r"] == pytest.approx(expected["episode"]["r"], abs=1e-5)
                assert info["episode"]["l"] == expected["episode"]["l"]
                ends[info["TimeLimit.truncated"]] += 1
    assert min(ends.values()) > 3, "the run should meet both ends"


def test_without_a_seed_the_sequence_goes_on_and_a_seed_is_used_once(make_env: Callable[..., SB3VecEnv]) -> None:
    env = make_env()
    env.seed(5)
    first, second = env.reset()["user"], env.reset()["user"]
    env.seed(5)
    np.testing.assert_array_equal(env.reset()["user"], first)
    assert (first != second).any()


def test_reset_forgets_the_returns_so_far(make_env: Callable[..., SB3VecEnv]) -> None:
    env = make_env()
    env.seed(1)
    env.reset()
    env.step(np.tile(np.arange(K), (N, 1)))
    env.seed(1)
    env.reset()
    lengths = []
    for _ in range(7):
        *_, infos = env.step(np.tile(np.arange(K), (N, 1)))
        lengths += [info["episode"]["l"] for info in infos if "episode" in info]
    assert max(lengths) == 7


def test_options_choose_users_once(make_env: Callable[..., SB3VecEnv]) -> None:
    env = make_env()
    env.set_options({"user": 3})
    assert (env.reset()["user"] == 3).all()
    env.set_options([{"user": user} for user in range(N)])
    np.testing.assert_array_equal(env.reset()["user"], np.arange(N))
    env.seed(2)
    assert len(set(env.reset()["user"].tolist())) > 1
    env.set_options([{"user": 1}, *[{}] * (N - 1)])
    with pytest.raises(ValueError, match="same names"):
        env.reset()


def test_attributes_and_methods_are_those_of_the_shared_environment(
    world: World, make_env: Callable[..., SB3VecEnv]
) -> None:
    env = make_env()
    assert env.get_attr("world", [0, 2]) == [world, world]
    assert not env.has_attr("nothing")
    env.set_attr("note", 7)
    assert env.get_attr("note") == [7] * N
    with pytest.raises(ValueError, match="share one environment"):
        env.set_attr("note", 7, indices=0)
    with pytest.raises(ValueError, match="share one environment"):
        env.env_method("close", indices=[1])
    assert env.env_is_wrapped(Monitor) == [True] * N
    assert env.env_is_wrapped(StepAsVector, 0) == [False]
    texts = SB3VecEnv(PersonaRecVectorEnv(world, 2, K, autoreset_mode="SameStep", render_mode="ansi"))
    texts.set_options([{"user": 0}, {"user": 1}])
    texts.reset()
    first, second = texts.env_method("render")
    assert isinstance(first, str)
    assert first != second


def test_what_does_not_fit_is_refused(world: World, make_env: Callable[..., SB3VecEnv]) -> None:
    with pytest.raises(ValueError, match="SameStep"):
        SB3VecEnv(PersonaRecVectorEnv(world, N, K))
    with pytest.raises(ValueError, match=r"no parts \['mood'\]"):
        make_env(parts=("mood",))
    with pytest.raises(TypeError, match="Dict"):
        policy_space(gym.spaces.Discrete(2))
    with pytest.raises(RuntimeError, match="step_async"):
        make_env().step_wait()
    env = make_env(info_keys=("mood",))
    env.reset()
    with pytest.raises(KeyError, match="mood"):
        env.step(np.zeros((N, K), np.int64))


def test_steps_beyond_the_horizon_count_as_one() -> None:
    seen = policy_observation({"step": np.array([0, 10, 90])}, ["step"], horizon=20)
    np.testing.assert_array_equal(seen["step"], np.array([[0], [0.5], [1]], np.float32), strict=True)


def test_learning_and_evaluating_report_episodes(make_env: Callable[..., SB3VecEnv]) -> None:
    env = make_env(parts=("profile", "step"))
    model = PPO("MultiInputPolicy", env, n_steps=16, batch_size=40, n_epochs=1, seed=0, device="cpu")
    model.learn(160)
    assert model.ep_info_buffer
    assert 1 <= np.mean([episode["l"] for episode in model.ep_info_buffer]) <= 7
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an environment without reports makes `evaluate_policy` warn
        mean, _ = evaluate_policy(model, env, n_eval_episodes=10)
    assert 0 <= mean <= 7
