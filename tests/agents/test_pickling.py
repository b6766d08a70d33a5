"""Environments with every kind of users survive pickling and copying, at any moment, and go on as the original does."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from fixtures.user_names import ANY_LOG
from personagym_env.wrappers import StepAsVector

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "copy": copy.deepcopy,
}
K = 3


def play(env: gym.Env[Any, Any], rng: np.random.Generator, steps: int) -> list[Any]:
    """What happens in some steps, through the ends of sessions."""
    seen: list[Any] = []
    for _ in range(steps):
        seen.append(env.step(rng.integers(0, 60, K)))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


def play_vector(env: gym.vector.VectorEnv[Any, Any, Any], rng: np.random.Generator, steps: int) -> list[Any]:
    """What happens in some steps; `final_obs` is an array of dictionaries, which numpy cannot compare."""
    seen = [env.step(rng.integers(0, 60, (env.num_envs, K))) for _ in range(steps)]
    for *_, info in seen:
        if "final_obs" in info:
            info["final_obs"] = info["final_obs"].tolist()
    return seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ANY_LOG)
def test_single_environments(name: str, way: str, small_folder: Path, shipped_small_bundle: Path) -> None:
    """Before the first reset, right after one, and in the middle of an episode."""
    env = gym.make("PersonaRec-v0", dataset=str(small_folder), agent=name, slate_size=K)
    again = WAYS[way](env)
    np.testing.assert_equal(env.reset(seed=5), again.reset(seed=5))
    again = WAYS[way](env)
    np.testing.assert_equal(*(play(one, np.random.default_rng(0), 3) for one in (env, again)))
    again = WAYS[way](env)
    np.testing.assert_equal(*(play(one, np.random.default_rng(1), 25) for one in (env, again)))
    assert again.spec == env.spec


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["persona", "frozen:persona", "mf"])
def test_vector_environments(name: str, way: str, mode: str, small_folder: Path, shipped_small_bundle: Path) -> None:
    env = gym.make_vec(
        "PersonaRec-v0", num_envs=4, dataset=str(small_folder), agent=name, slate_size=K, autoreset_mode=mode
    )
    again = WAYS[way](env)
    np.testing.assert_equal(env.reset(seed=2), again.reset(seed=2))
    play_vector(env, np.random.default_rng(0), 4)
    again = WAYS[way](env)
    np.testing.assert_equal(*(play_vector(one, np.random.default_rng(1), 15) for one in (env, again)))


@pytest.mark.parametrize("way", WAYS)
def test_wrapped_environments(way: str, small_folder: Path, shipped_small_bundle: Path) -> None:
    wrapped: Any = gym.make("PersonaRec-v0", dataset=str(small_folder), agent="persona", slate_size=K)
    env = StepAsVector(gym.wrappers.RecordEpisodeStatistics(gym.wrappers.Autoreset(wrapped)))
    env.reset(seed=0)
    env.step(np.arange(K))
    again = WAYS[way](env)
    for _ in range(10):
        one, other = env.step(np.arange(K)), again.step(np.arange(K))
        for info in (one[4], other[4]):
            info.get("episode", {}).pop("t", None)  # the time that it took
        np.testing.assert_equal(one, other)


def test_a_copy_is_apart_from_the_original(small_folder: Path, shipped_small_bundle: Path) -> None:
    env = gym.make("PersonaRec-v0", dataset=str(small_folder), agent="persona", slate_size=K)
    first, _ = env.reset(seed=1)
    again = copy.deepcopy(env)
    play(env, np.random.default_rng(3), 10)
    observation = again.step(np.arange(K))[0]
    assert observation["user"] == first["user"]
    assert observation["step"] == 1


@pytest.mark.parametrize("adapted", [False, True])
def test_users_between_question_and_answer(adapted: bool, make_language_agent: Callable[..., Any]) -> None:
    """A copy made before the user is told what was consumed answers as the original does, up to rounding."""
    sessions = make_language_agent(adapted=adapted).open(2)
    rows, slates = np.arange(2), np.array([[1, 2, 3], [4, 5, 6]])
    sessions.start(rows, np.array([3, 8]))
    sessions.react(rows, slates)
    again = pickle.loads(pickle.dumps(sessions))
    for one in (sessions, again):
        one.consume(rows, slates[:, 1], np.array([4, 0]))
    expected, found = sessions.react(rows, slates + 10), again.react(rows, slates + 10)
    np.testing.assert_allclose(found.choice_probability, expected.choice_probability, atol=1e-5)
    np.testing.assert_allclose(found.rating, expected.rating, atol=1e-5)
