"""The single environment: spaces, info, determinism, ends of episodes, rendering."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from personagym_env import PersonaRecEnv, World, make_world
from personagym_env.data.tables import Dataset
from personagym_env.protocols import NO_ITEM
from personagym_env.session.kernel import Place

STAY = {"leaving": {"intercept": -1000.0, "satisfaction_weight": 0.0, "duration_weight": 0.0}}


@pytest.fixture
def world(dataset: Dataset, agent: Any) -> World:
    return make_world(dataset, agent)


@pytest.fixture
def lasting_world(dataset: Dataset, agent: Any) -> World:
    """Users who never leave."""
    return make_world(dataset, agent, parameters=STAY)


def roll(env: gym.Env[Any, Any], seed: int, steps: int = 60) -> list[Any]:
    """Everything that an environment returns under random slates, through resets."""
    rng = np.random.default_rng(seed)
    trace: list[Any] = [env.reset(seed=seed)]
    for _ in range(steps):
        trace.append(env.step(rng.integers(80, size=4)))
        if trace[-1][2] or trace[-1][3]:
            trace.append(env.reset())
    return trace


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_array_equal(one, other)


def test_observations_lie_in_the_space_and_hold_the_session(world: World) -> None:
    env = PersonaRecEnv(world, 4, history_length=5)
    trace = roll(env, seed=3)
    taken: list[int] = []
    for entry in trace:
        observation = entry[0]
        assert observation in env.observation_space
        if len(entry) == 2:
            taken = []
        else:
            taken.append(entry[4]["clicked_item"])
        assert observation["step"] == len(taken)
        expected = ([NO_ITEM] * 5 + taken)[-5:]
        np.testing.assert_array_equal(observation["history_items"], expected)
        np.testing.assert_array_equal(observation["history_ratings"] > 0, observation["history_items"] != NO_ITEM)
        np.testing.assert_array_equal(observation["profile"], world.profiles[observation["user"]])
    assert sum(len(entry) == 2 for entry in trace) > 3


def test_the_latent_state_is_in_info_alone(world: World) -> None:
    env = PersonaRecEnv(world, 4)
    env.reset(seed=1)
    observation, *_, info = env.step(np.arange(4))
    assert set(observation) == {"user", "profile", "history_items", "history_ratings", "step"}
    assert set(info["latent"]) == {"satisfaction", "satiation", "drift", "choice_probability", "hazard"}
    assert set(info) == {
        "reward_components",
        "clicked_item",
        "clicked_place",
        "rating",
        "examined",
        "places",
        "session",
        "gap_days",
        "latent",
    }


def test_reward_and_info_tell_the_same_story(world: World) -> None:
    for entry in roll(PersonaRecEnv(world, 4), seed=8, steps=200):
        if len(entry) == 2:
            continue
        _, reward, terminated, _, info = entry
        parts = info["reward_components"]
        took = info["clicked_item"] != NO_ITEM
        assert parts["click"] == took
        assert parts["leave"] == terminated
        assert parts["empty"] == (info["places"] != Place.SHOWN).sum()
        assert reward == parts["rating"] == ((info["rating"] - 1) / 4 if took else 0)
        assert not took or info["examined"][info["clicked_place"]]


def test_same_seed_same_trajectory_and_another_seed_another(world: World) -> None:
    first, second, other = (roll(PersonaRecEnv(world, 4), seed) for seed in (5, 5, 6))
    assert_same(first, second)
    with pytest.raises(AssertionError):
        assert_same(first, other)


def test_reseeding_repeats_the_sequence_of_sessions(world: World) -> None:
    env = PersonaRecEnv(world, 4)
    first = roll(env, seed=5)
    assert_same(first, roll(env, seed=5))


def test_resets_without_seed_bring_other_users(world: World) -> None:
    env = PersonaRecEnv(world, 4)
    env.reset(seed=0)
    assert len({int(env.reset()[0]["user"]) for _ in range(60)}) == 12


def test_an_asked_user_comes(world: World) -> None:
    env = PersonaRecEnv(world, 4)
    for user in (0, 11, 4):
        assert env.reset(options={"user": user})[0]["user"] == user


@pytest.mark.parametrize("options", [{"user": 12}, {"user": -1}, {"user": 1.5}, {"user": [1, 2]}, {"usr": 1}])
def test_wrong_options_are_errors(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="options"):
        PersonaRecEnv(world, 4).reset(options=options)


@pytest.mark.parametrize("slate", [[0, 1, 2], [0, 1, 2, 80], [-1, 0, 1, 2], [[0, 1, 2, 3]]])
def test_wrong_slates_are_errors(world: World, slate: Any) -> None:
    env = PersonaRecEnv(world, 4)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"must have shape \(1, 4\)|ids in 0\.\.79"):
        env.step(np.array(slate))
    with pytest.raises(TypeError, match="integers"):
        env.step(np.array([0.0, 1.0, 2.0, 3.0]))


def test_empty_places_are_reported_and_never_taken(lasting_world: World) -> None:
    env = PersonaRecEnv(lasting_world, 4)
    observation, _ = env.reset(seed=2)
    rated = int(lasting_world.train.items[lasting_world.train.indptr[observation["user"]]])
    fresh = next(i for i in range(80) if not lasting_world.train.contains(observation["user"], np.array([i]))[0])
    info: dict[str, Any] = {"clicked_item": NO_ITEM}
    while info["clicked_item"] == NO_ITEM:
        *_, info = env.step(np.array([fresh, fresh, rated, rated]))
        np.testing.assert_array_equal(info["places"], [Place.SHOWN, Place.REPEATED, Place.RATED, Place.RATED])
    assert info["clicked_item"] == fresh
    for _ in range(20):
        _, reward, _, _, info = env.step(np.array([fresh, fresh, rated, rated]))
        assert info["clicked_item"] == NO_ITEM
        assert reward == 0
        np.testing.assert_array_equal(info["places"], [Place.CONSUMED, Place.CONSUMED, Place.RATED, Place.RATED])


def test_a_session_is_cut_at_the_limit_and_needs_a_reset_then(lasting_world: World) -> None:
    env = PersonaRecEnv(lasting_world, 4, max_episode_steps=3)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.arange(4))
    env.reset(seed=0)
    ends = [env.step(np.arange(4))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.arange(4))


def test_a_session_without_limit_outgrows_its_memory_and_forgets_nothing(lasting_world: World) -> None:
    env = PersonaRecEnv(lasting_world, 4, history_length=2, max_episode_steps=None)
    env.reset(seed=0)
    rng, taken = np.random.default_rng(0), set()
    for _ in range(60):
        slate = rng.integers(80, size=4)
        *_, info = env.step(slate)
        in_session = [item in taken for item in slate.tolist()]
        np.testing.assert_array_equal(np.isin(info["places"], [Place.CONSUMED]), in_session)
        taken |= {int(info["clicked_item"])} - {NO_ITEM}
    assert len(taken) > 10


def test_users_who_leave_at_once_give_sessions_of_one_step(dataset: Dataset, agent: Any) -> None:
    env = PersonaRecEnv(make_world(dataset, agent, parameters={"leaving": {"intercept": 1000.0}}), 4)
    for _ in range(5):
        env.reset(seed=1)
        assert env.step(np.arange(4))[2:4] == (True, False)


@pytest.mark.parametrize("choice_probability", [0.2, 0.7])
def test_a_single_place_is_taken_as_often_as_wanted(
    dataset: Dataset, make_agent: Callable[..., Any], choice_probability: float
) -> None:
    world = make_world(dataset, make_agent(choice_probability=choice_probability, rating=2))
    env = PersonaRecEnv(world, 1)
    taken = []
    for seed in range(800):
        observation, _ = env.reset(seed=seed)
        item = next(i for i in range(80) if not world.train.contains(observation["user"], np.array([i]))[0])
        *_, info = env.step(np.array([item]))
        taken.append(info["clicked_item"] == item)
        assert info["rating"] == (3.0 if taken[-1] else 0.0)
    assert np.mean(taken) == pytest.approx(
        choice_probability, abs=4 * np.sqrt(choice_probability * (1 - choice_probability) / len(taken))
    )


def test_two_policies_under_one_seed_meet_the_same_users(world: World) -> None:
    one, other = PersonaRecEnv(world, 2), PersonaRecEnv(world, 2)
    users = []
    for env, slate in ((one, [0, 1]), (other, [2, 3])):
        met = [env.reset(seed=9)[0]["user"]]
        for _ in range(10):
            env.step(np.array(slate))
            met.append(env.reset()[0]["user"])
        users.append(met)
    assert users[0] == users[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slate_size": 0}, "slate_size must be at least 1, got 0"),
        ({"slate_size": 81}, "at most the 80 items"),
        ({"history_length": 0}, "history_length must be at least 1"),
        ({"max_episode_steps": 0}, "max_episode_steps must be at least 1"),
    ],
)
def test_wrong_sizes_are_errors(world: World, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PersonaRecEnv(world, **arguments)  # type: ignore[arg-type]


def test_agent_and_data_set_must_fit(dataset: Dataset, make_agent: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="made for users 13, the data set has 12"):
        make_world(dataset, make_agent(n_users=13))
    with pytest.raises(ValueError, match="rating scale"):
        make_world(dataset, make_agent(scale=(1.0, 2.0)))
