"""Who speaks, what is said, and that nobody speaks unless told to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from personagym_env import PersonaRecEnv, PersonaRecVectorEnv, World, make_world
from personagym_env.benchmark import parameters_hash
from personagym_env.data.tables import Catalogue, Dataset
from personagym_env.protocols import NO_WISH
from personagym_env.session.instructions import Panel, in_words, matches
from personagym_env.session.parameters import SessionParameters

SPEAK = {"instructions": {"reach": 1000.0}, "returning": {"max_sessions": 2}}


@pytest.fixture(scope="module")
def data(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset(n_users=6, n_items=40, per_user=8)


@pytest.fixture(scope="module")
def world(data: Dataset, make_agent: Callable[..., Any]) -> World:
    return make_world(data, make_agent(6, 40, choice_probability=0.6), parameters=SPEAK)


@pytest.fixture
def films() -> Catalogue:
    genres = np.zeros((12, 2), np.bool_)
    genres[:6, 0] = genres[4:, 1] = True
    return Catalogue(tuple(map(str, range(12))), ("x",) * 12, np.arange(1980, 2004, 2), ("Drama", "War"), genres)


def test_wishes_are_what_is_wanted_more_than_others_want_it(films: Catalogue) -> None:
    panel = Panel(np.arange(12), films.genres, films.years, np.zeros(12))
    dramas, war = films.genres.T.astype(np.float64)
    years = (films.years - 1990) / 10.0
    wishes = panel.strongest(np.stack([dramas - war, war - dramas, 5 * years, -years, np.zeros(12)]))
    np.testing.assert_array_equal(wishes[:2, :2], [[0, 1], [1, 0]])
    np.testing.assert_array_equal(wishes[2:, 2], [1, -1, 0])
    np.testing.assert_array_equal(wishes[4], NO_WISH)
    assert in_words(np.array([0, 1, 1]), films) == "something newer, more Drama, no more War"
    assert in_words(np.array(NO_WISH), films) == ""
    with pytest.raises(ValueError, match="no wish of a catalogue of 2 genres"):
        in_words(np.array([2, -1, 0]), films)


def test_items_match_a_wish_part_by_part(films: Catalogue) -> None:
    found = matches(np.array([[0, 1, 1], NO_WISH]), films)
    assert found[0, 0] == 1 - 1  # a drama, and older
    assert found[0, 11] == -1 + 1  # of war, and newer
    assert found[0, 5] == 1 - 1 - 1  # both, and older
    assert not found[1].any()
    bare = Catalogue(("1",), ("x",), np.zeros(1, np.int64), (), np.zeros((1, 0), np.bool_))
    assert not matches(np.array([NO_WISH]), bare).any()


def test_users_who_stay_speak_and_fall_silent_when_they_leave(world: World) -> None:
    env = PersonaRecVectorEnv(world, 16, 4)
    observation, info = env.reset(seed=2)
    assert observation in env.observation_space
    assert (observation["instruction"] == NO_WISH).all()
    spoke = 0
    for step in range(30):
        observation, _, _, _, info = env.step(np.random.default_rng(step).integers(40, size=(16, 4)))
        assert observation in env.observation_space
        left = info["reward_components"]["leave"] > 0
        assert (observation["instruction"][left] == NO_WISH).all()
        said = [in_words(wish, world.dataset.catalogue) for wish in observation["instruction"]]
        assert info["instruction"].tolist() == said
        spoke += sum(map(bool, said))
    assert spoke > 100


def test_what_is_said_changes_nothing_that_happens(world: World, data: Dataset) -> None:
    silent = make_world(data, world.agent, parameters={"returning": {"max_sessions": 2}})
    one, other = PersonaRecEnv(world, 4), PersonaRecEnv(silent, 4)
    assert "instruction" not in other.reset(seed=7)[0]
    one.reset(seed=7)
    for step in range(20):
        slate = np.random.default_rng(step).integers(40, size=4)
        (speaking, *outcome), (plain, *same) = one.step(slate), other.step(slate)
        assert outcome[:3] == same[:3]
        assert outcome[3]["clicked_item"] == same[3]["clicked_item"]
        assert set(speaking) - set(plain) == {"instruction"}
        if outcome[1] or outcome[2]:
            one.reset()
            other.reset()


def test_the_card_names_the_assumption_and_silence_leaves_the_benchmark_alone(world: World) -> None:
    entry = next(entry for entry in world.card().entries if entry.assumption.name == "instructions.reach")
    assert entry.origin == "set"
    silent = SessionParameters().to_dict()
    without = {part: fields for part, fields in silent.items() if part != "instructions"}
    assert parameters_hash(silent) == parameters_hash(without)
    assert parameters_hash(SessionParameters().updated(SPEAK).to_dict()) != parameters_hash(silent)
