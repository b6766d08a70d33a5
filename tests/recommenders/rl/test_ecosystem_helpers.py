"""Helpers of Stable-Baselines3 and Gymnasium pass defaults of their own, such as `rgb_array`; none needs a hint."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_checker import check_env as check_sb3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from personagym_env.wrappers import StepAsVector

ID = "personagym_env:PersonaRec-v0"


@pytest.fixture
def kwargs(small_log):
    """What every environment here is made with."""
    return {"dataset": str(small_log), "agent": "bias", "slate_size": 3}


@pytest.mark.parametrize("render_mode", ["default", None, "ansi", "rgb_array"])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("horizon", [None, 10])
def test_make_vec_env_works_without_a_hint(kwargs, render_mode, n_envs, horizon):
    given = {} if render_mode == "default" else {"render_mode": render_mode}
    envs = make_vec_env(
        ID,
        n_envs=n_envs,
        seed=3,
        wrapper_class=StepAsVector,
        wrapper_kwargs=None if horizon is None else {"horizon": horizon},
        env_kwargs={**kwargs, **given},
    )
    assert envs.num_envs == n_envs
    assert envs.get_attr("render_mode") == [given.get("render_mode", "rgb_array")] * n_envs
    observation = envs.reset()
    assert observation["step"].shape == (n_envs, 1)
    observation, _, _, infos = envs.step(np.array([envs.action_space.sample() for _ in range(n_envs)]))
    assert observation["step"].max() == pytest.approx(1 / (horizon or 50))
    assert len(infos) == n_envs
    if render_mode in ("default", "rgb_array"):
        image = envs.render(mode="rgb_array") if n_envs == 1 else envs.get_images()[0]
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
    envs.close()


@pytest.mark.parametrize("algorithm", [partial(PPO, batch_size=16), A2C], ids=["PPO", "A2C"])
@pytest.mark.parametrize("wrap", [None, lambda envs: VecNormalize(envs, norm_obs=False)], ids=["bare", "normalised"])
def test_algorithms_learn_on_what_the_helper_made(kwargs, algorithm, wrap):
    envs = make_vec_env(ID, n_envs=2, wrapper_class=StepAsVector, env_kwargs=kwargs, vec_env_cls=DummyVecEnv)
    envs = envs if wrap is None else wrap(envs)
    model = algorithm("MultiInputPolicy", envs, n_steps=8, device="cpu", seed=0).learn(32)
    assert model.num_timesteps == 32
    assert np.isfinite(evaluate_policy(model, envs, 2, warn=False)[0])


@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
def test_checkers_find_nothing(kwargs, render_mode):
    env = gym.make(ID, render_mode=render_mode, **kwargs)
    check_gymnasium(env.unwrapped, skip_render_check=render_mode is None)
    check_sb3(StepAsVector(env), skip_render_check=render_mode is None)
    if render_mode is not None:
        env.reset(seed=0)
        env_render_passive_checker(env.unwrapped)


@pytest.mark.parametrize("wrapper", [gym.wrappers.RecordEpisodeStatistics, gym.wrappers.RenderCollection])
def test_wrappers_of_gymnasium_take_it(kwargs, wrapper):
    env = wrapper(gym.make(ID, render_mode="rgb_array", **kwargs))
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_make_vec_passes_its_defaults(kwargs, mode, render_mode):
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode=mode, render_mode=render_mode, **kwargs)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    if render_mode is not None:
        assert len(envs.render()) == 2
    envs.close()
