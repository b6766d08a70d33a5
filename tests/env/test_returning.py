"""Episodes of several sessions, and forgotten history, as the environments tell them."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, World, make_world
from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM, ForgetfulSessions
from personagym_env.session.kernel import Place

CHANGES = {
    "leaving": {"intercept": -0.5},
    "returning": {"max_sessions": 4, "horizon": 20.0},
    "drift": {"scale": 0.3},
    "reward": {"retention": 2.0, "leave": -1.0},
}
N, K, LIMIT = 4, 3, 9


@pytest.fixture
def world(dataset: Dataset, agent: Any) -> World:
    """Short sessions of users whose taste drifts and who may return."""
    return make_world(dataset, agent, parameters=CHANGES)


def slates(steps: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(80, size=(N, K)) for _ in range(steps)]


def assert_same(one: Any, other: Any, where: str) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for a, b in zip(one, other, strict=True):
            assert_same(a, b, where)
    else:
        np.testing.assert_array_equal(one, other, err_msg=where)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector_equals_singles_through_returns_and_drift(world: World, mode: AutoresetMode) -> None:
    sync = SyncVectorEnv([lambda: PersonaRecEnv(world, K, max_episode_steps=LIMIT)] * N, autoreset_mode=mode)
    vector = PersonaRecVectorEnv(world, N, K, max_episode_steps=LIMIT, autoreset_mode=mode)
    assert_same(sync.reset(seed=17)[0], vector.reset(seed=17)[0], "reset")
    returns, ends = 0, 0
    for t, actions in enumerate(slates(80)):
        expected, got = sync.step(actions), vector.step(actions)
        for one, other in zip(expected, got, strict=True):
            assert_same(one, other, f"step {t}")
        returns += int((got[4].get("gap_days", np.zeros(N)) > 0).sum())
        ends += int((got[2] | got[3]).sum())
    assert returns > 20
    assert ends > 20


def test_sessions_of_an_episode_follow_each_other(world: World) -> None:
    env = PersonaRecEnv(world, K, max_episode_steps=None)
    sessions = []
    for seed in range(30):
        env.reset(seed=seed)
        expected, day, ended = 0, 0.0, False
        for actions in slates(300, seed):
            _, reward, ended, _, info = env.step(actions[0])
            parts = info["reward_components"]
            assert info["session"] == expected
            returned = info["gap_days"] > 0
            assert parts["retention"] == returned
            assert ended == (parts["leave"] == 1 and not returned)
            assert reward == pytest.approx(parts["rating"] + 2 * parts["retention"] - parts["leave"])
            expected, day = expected + int(returned), day + float(info["gap_days"])
            if ended:
                break
        assert ended
        assert expected < 4
        assert day <= 20 + 1e-3
        sessions.append(expected + 1)
    assert set(sessions) >= {1, 2, 4}


def test_an_agent_keeps_its_memory_over_sessions(world: World) -> None:
    env = PersonaRecEnv(world, K, max_episode_steps=None)
    rows: Any = env._sessions._sessions
    for seed in range(20):
        env.reset(seed=seed)
        consumed, back = 0, False
        for actions in slates(300, seed):
            *_, terminated, _, info = env.step(actions[0])
            consumed += int(info["clicked_item"] >= 0)
            assert rows.consumed[0] == consumed
            back |= bool(info["gap_days"] > 0)
            if terminated:
                break
        if back and consumed > 3:
            return
    pytest.fail("nobody returned after consuming")


def test_drift_off_gives_the_same_trajectory_as_a_world_without_it(dataset: Dataset, agent: Any) -> None:
    plain = make_world(dataset, agent)
    off = make_world(dataset, agent, parameters={"drift": {"scale": 0.0}})
    on = make_world(dataset, agent, parameters={"drift": {"scale": 2.0}})
    trails = []
    for world in (plain, off, on):
        env = PersonaRecVectorEnv(world, N, K, max_episode_steps=LIMIT)
        trails.append([env.reset(seed=3), *(env.step(actions) for actions in slates(60))])
    for one, other in zip(trails[0][1:], trails[1][1:], strict=True):
        assert_same(dict(enumerate(one)), dict(enumerate(other)), "off")
    taken = [np.array([entry[4].get("clicked_item", np.zeros(N)) for entry in trail[1:]]) for trail in trails]
    assert (taken[0] != taken[2]).any()


def test_the_checker_finds_nothing(world: World) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(PersonaRecEnv(world, K), skip_render_check=True)


def test_rendering_tells_of_returns(dataset: Dataset, agent: Any) -> None:
    changes = {"leaving": {"intercept": 1000.0}, "returning": {"max_sessions": 2, "horizon": 1e6}}
    env = PersonaRecEnv(make_world(dataset, agent, parameters=changes), K, render_mode="ansi")
    env.reset(seed=0)
    env.step(np.arange(K))
    text = env.render()
    assert text is not None
    assert "the user leaves and is back after" in text
    assert ", session 2, step 1" in text
    env.step(np.arange(K))
    text = env.render()
    assert text is not None
    assert text.endswith("the user leaves")


class _ForgetfulSessions:
    """Sessions that forget two lines with every item consumed."""

    def __init__(self, sessions: Any, n: int) -> None:
        self.sessions = sessions
        self.dropped_lines = np.zeros(n, np.int64)

    def start(self, rows: np.ndarray, users: np.ndarray) -> None:
        self.sessions.start(rows, users)
        self.dropped_lines[rows] = 0

    def react(self, rows: np.ndarray, slates: np.ndarray) -> Any:
        return self.sessions.react(rows, slates)

    def consume(self, rows: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> None:
        self.sessions.consume(rows, items, ratings)
        self.dropped_lines[rows] += 2


class _ForgetfulAgent:
    """Another agent's users with little memory."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agent, name)

    def open(self, n: int) -> _ForgetfulSessions:
        return _ForgetfulSessions(self.agent.open(n), n)


def test_info_tells_dropped_lines_where_the_sessions_do(
    dataset: Dataset, make_agent: Callable[..., Any], world: World
) -> None:
    agent = _ForgetfulAgent(make_agent(choice_probability=0.9))
    assert isinstance(agent.open(1), ForgetfulSessions)
    assert not isinstance(make_agent().open(1), ForgetfulSessions)
    forgetful = replace(world, dataset=dataset, agent=agent)
    env: gym.Env[Any, Any] = PersonaRecEnv(forgetful, K, max_episode_steps=None)
    env.reset(seed=2)
    vector = PersonaRecVectorEnv(forgetful, 2, K, max_episode_steps=None, autoreset_mode="SameStep")
    vector.reset(seed=2)
    taken, kept = 0, []
    for actions in slates(10):
        *_, info = env.step(actions[0])
        taken += int(info["clicked_item"] >= 0)
        assert info["dropped_lines"] == 2 * taken
        _, _, terminated, _, infos = vector.step(actions[:2])
        told = infos["final_info"] if terminated[0] else infos
        assert told["dropped_lines"][0] == 2 * taken
        kept.append(info["dropped_lines"])
        if terminated[0]:
            break
    assert sorted(kept) == kept
    assert taken > 0


def test_what_was_consumed_in_an_earlier_session_stays_consumed(dataset: Dataset, agent: Any) -> None:
    """Everybody leaves after every step and comes back."""
    changes = {"leaving": {"intercept": 1000.0}, "returning": {"max_sessions": 9, "horizon": 1e6}}
    env = PersonaRecEnv(make_world(dataset, agent, parameters=changes), 10)
    env.reset(seed=3)
    taken: list[int] = []
    for _ in range(8):
        slate = np.arange(70, 80)
        _, _, _, _, info = env.step(slate)
        np.testing.assert_array_equal(info["places"] == Place.CONSUMED, np.isin(slate, taken))
        if info["clicked_item"] != NO_ITEM:
            taken.append(int(info["clicked_item"]))
    assert len(taken) > 2
