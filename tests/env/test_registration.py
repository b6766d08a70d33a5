"""`gym.make`, `gym.make_vec`, the checkers of Gymnasium and Stable-Baselines3, and time limits."""

import subprocess
import sys
import types
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import personagym_env
from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, register_envs
from personagym_env.wrappers import StepAsVector

STAY = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}


def test_registering_again_changes_nothing() -> None:
    before = gym.spec("PersonaRec-v0")
    register_envs()
    assert gym.spec("PersonaRec-v0") is before


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"slate_size": "3"}, "slate_size must be an integer, got '3'"),
        ({"slate_size": True}, "slate_size must be an integer, got True"),
        ({"reasons": "yes"}, "reasons must be True or False, got 'yes'"),
        ({"agent": 3}, "agent must be a name, a path or a UserAgent .*, got 3"),
        ({"dataset": 7}, "dataset must be a name, a path or a Dataset, got 7"),
    ],
)
def test_arguments_of_another_kind_are_named(arguments: dict[str, Any], wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        gym.make("PersonaRec-v0", **(arguments | wrong))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["PersonaRec-v0", "personagym_env:PersonaRec-v0"])
def test_gymnasium_finds_nothing_to_complain_about(name: str, arguments: dict[str, Any]) -> None:
    check_env(gym.make(name, **arguments).unwrapped)


@pytest.mark.filterwarnings("error")
def test_stable_baselines3_finds_nothing_to_complain_about(arguments: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(StepAsVector(gym.make("PersonaRec-v0", **arguments)))


def test_the_wrapper_scales_and_clips_steps(arguments: dict[str, Any]) -> None:
    env = StepAsVector(gym.make("PersonaRec-v0", parameters=STAY, **arguments), horizon=2)
    steps = [env.reset(seed=0)[0]["step"]] + [env.step(np.arange(4))[0]["step"] for _ in range(3)]
    np.testing.assert_array_equal(np.stack(steps), [[0.0], [0.5], [1.0], [1.0]])


def test_specs_are_json_and_make_the_same_environment(arguments: dict[str, Any]) -> None:
    env = gym.make("PersonaRec-v0", parameters={"choice": {"outside": 1.0}}, **arguments)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.world.parameters == env.unwrapped.world.parameters
    for seed in range(3):
        one, other = env.reset(seed=seed)[0], again.reset(seed=seed)[0]
        np.testing.assert_equal(one, other)
        np.testing.assert_equal(env.step(np.arange(4))[:4], again.step(np.arange(4))[:4])


@pytest.mark.parametrize("limit", [3, 70])
def test_the_limit_of_make_is_the_limit_of_sessions(arguments: dict[str, Any], limit: int) -> None:
    single = gym.make("PersonaRec-v0", max_episode_steps=limit, parameters=STAY, **arguments)
    vector = gym.make_vec("PersonaRec-v0", num_envs=2, max_episode_steps=limit, parameters=STAY, **arguments)
    single.reset(seed=0)
    vector.reset(seed=0)
    rng = np.random.default_rng(0)
    for t in range(limit):
        slates = rng.integers(80, size=(2, 4))
        observation, reward, terminated, truncated, _ = single.step(slates[0])
        observations, rewards, terminations, truncations, _ = vector.step(slates)
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        assert truncated == (t == limit - 1)
        np.testing.assert_equal(observation, {key: value[0] for key, value in observations.items()})


def test_the_default_limit_is_fifty_for_both_and_minus_one_is_none(arguments: dict[str, Any]) -> None:
    for limit, expected in (({}, [49]), ({"max_episode_steps": -1}, [])):
        single = gym.make("PersonaRec-v0", parameters=STAY, **limit, **arguments)
        vector = gym.make_vec("PersonaRec-v0", num_envs=1, parameters=STAY, **limit, **arguments)
        single.reset(seed=0)
        vector.reset(seed=0)
        assert [t for t in range(50) if single.step(np.arange(4))[3]] == expected
        assert [t for t in range(50) if vector.step(np.arange(4)[None])[3].any()] == expected


def test_make_vec_gives_the_native_environment_or_singles_as_asked(arguments: dict[str, Any]) -> None:
    native = gym.make_vec("PersonaRec-v0", num_envs=3, autoreset_mode="SameStep", **arguments)
    assert isinstance(native.unwrapped, PersonaRecVectorEnv)
    assert native.metadata["autoreset_mode"] is gym.vector.AutoresetMode.SAME_STEP
    sync = gym.make_vec("PersonaRec-v0", num_envs=3, vectorization_mode="sync", **arguments)
    np.testing.assert_equal(native.reset(seed=4)[0], sync.reset(seed=4)[0])


def test_recording_statistics_works_on_both(arguments: dict[str, Any]) -> None:
    vector = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec("PersonaRec-v0", num_envs=3, **arguments))
    vector.reset(seed=0)
    lengths = []
    for _ in range(120):
        *_, info = vector.step(vector.action_space.sample())
        if "episode" in info:
            lengths += info["episode"]["l"][info["_episode"]].tolist()
    assert len(lengths) > 3
    assert max(lengths) <= 50


def test_agent_names_are_left_to_the_agents_package(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], agent: Any
) -> None:
    asked: list[tuple[str, str | None]] = []
    module = types.ModuleType("personagym_agents")
    module.load = lambda name, dataset, train, device: asked.append((name, device)) or agent  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "personagym_agents", module)
    for name in ("mf", "/a/path/to/a/bundle"):
        assert isinstance(gym.make("PersonaRec-v0", **{**arguments, "agent": name}).unwrapped, PersonaRecEnv)
    gym.make_vec("PersonaRec-v0", num_envs=2, **{**arguments, "agent": "persona", "device": "cuda:1"})
    assert asked == [("mf", None), ("/a/path/to/a/bundle", None), ("persona", "cuda:1")]


def test_public_names_exist() -> None:
    assert [name for name in personagym_env.__all__ if not hasattr(personagym_env, name)] == []


def test_importing_the_world_imports_neither_users_nor_torch() -> None:
    code = (
        "import sys, personagym_env; "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'personagym_agents', 'recbole')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
