"""Personas on planted groups of users, their names, their round trip and the random control."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from personagym_agents.personas import (
    Personas,
    PersonaSettings,
    fit_personas,
    name_personas,
)
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.data.traits import Traits, user_traits

GENRES = ("Action", "Comedy", "Film-Noir", "Musical")
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
GROUP = 40
PLANTED = np.repeat(np.arange(3), GROUP)
FEW = PersonaSettings(most=6, restarts=3, seeds=3)


@pytest.fixture(scope="module")
def traits() -> Traits:
    """Strict people who watch film noir, generous people who watch action, and average people who watch all."""
    rng = np.random.default_rng(0)
    n_items = 200
    genre = np.arange(n_items) % 4
    catalogue = Catalogue(
        tuple(str(i) for i in range(n_items)),
        tuple(str(i) for i in range(n_items)),
        np.zeros(n_items, np.int64),
        GENRES,
        np.eye(4, dtype=np.bool_)[genre],
    )
    chance = np.array([[0.05, 0.1, 0.8, 0.05], [0.8, 0.1, 0.05, 0.05], [0.25, 0.25, 0.25, 0.25]])
    users, items, ratings = [], [], []
    for user, group in enumerate(PLANTED):
        weight = chance[group][genre]
        taken = rng.choice(n_items, 30, replace=False, p=weight / weight.sum())
        mean = np.array([2.0, 4.4, 3.2])[group] + 0.3 * (genre[taken] == np.array([2, 0, 9])[group])
        users.append(np.full(30, user))
        items.append(taken)
        ratings.append(np.clip(np.round(mean + rng.normal(0, 0.5, 30)), 1, 5))
    log = Interactions.from_columns(
        *map(np.concatenate, (users, items, ratings)), None, n_users=3 * GROUP, n_items=n_items, scale=SCALE
    )
    return user_traits(log, catalogue)


@pytest.fixture(scope="module")
def personas(traits) -> Personas:
    return fit_personas(traits, GENRES, FEW, rng=np.random.default_rng(0))


def test_planted_groups_are_found(personas):
    assert len(personas) == 3, personas.table()
    assert adjusted_rand_score(PLANTED, personas.assignment) > 0.95
    assert personas.sizes.sum() == 3 * GROUP
    assert (np.diff(personas.sizes) <= 0).all(), "the largest comes first"
    chosen = next(row for row in personas.criterion if row.n_personas == 3)
    assert chosen.silhouette == max(row.silhouette for row in personas.criterion)
    assert chosen.stability > 0.95


def test_names_say_what_was_planted(personas):
    names = {int(PLANTED[personas.examples[p][0]]): name for p, name in enumerate(personas.names)}
    assert "strict" in names[0]
    assert "film-noir" in names[0]
    assert "generous" in names[1]
    assert "action" in names[1]
    assert "eclectic" in names[2]


def test_examples_are_members_nearest_first(personas, traits):
    for persona, people in enumerate(personas.examples):
        assert len(people) == 5
        assert (personas.assignment[list(people)] == persona).all()


def test_assigning_the_same_users_gives_the_same_personas(personas, traits):
    np.testing.assert_array_equal(personas.assign(traits), personas.assignment)
    some = np.array([3, 77, 110])
    part = Traits(*(column[some] for column in traits))
    np.testing.assert_array_equal(personas.assign(part), personas.assignment[some])


def test_json_round_trip(personas, traits):
    back = Personas.from_json(personas.to_json())
    assert (back.names, back.examples, back.criterion) == (personas.names, personas.examples, personas.criterion)
    np.testing.assert_array_equal(back.assignment, personas.assignment)
    np.testing.assert_array_equal(back.assign(traits), personas.assignment)
    assert back.to_json() == personas.to_json()
    with pytest.raises(ValueError, match=r"personas need .*centroids.*lacks"):
        Personas.from_json('{"names": []}')


def test_same_generator_same_personas(personas, traits):
    again = fit_personas(traits, GENRES, FEW, rng=np.random.default_rng(0))
    assert again.to_json() == personas.to_json()


def test_the_table_prints_the_choice(personas):
    lines = personas.table().splitlines()
    assert sum("<- chosen" in line for line in lines) == 1
    assert next(line for line in lines if "<- chosen" in line).split()[0] == "3"
    assert all(any(name in line for line in lines) for name in personas.names)


def test_a_given_number_is_obeyed_and_names_stay_distinct(traits):
    personas = fit_personas(traits, GENRES, PersonaSettings(n_personas=12, restarts=2), rng=np.random.default_rng(1))
    assert len(personas) == 12
    assert len(set(personas.names)) == 12
    assert personas.sizes.min() > 0
    assert personas.criterion == ()


def test_twin_groups_get_different_names(traits):
    # The same people twice, so that no word can tell the groups apart.
    twins = Traits(*(np.concatenate([column[:10], column[:10]]) for column in traits))
    names = name_personas(twins, np.repeat([0, 1], 10), GENRES)
    assert len(set(names)) == 2


def test_users_without_genres_are_grouped_by_habits(traits):
    bare = traits._replace(
        **{field: np.zeros((3 * GROUP, 0)) for field in ("genre_share", "genre_lift", "recent_share", "recent_lift")}
    )
    personas = fit_personas(bare, (), FEW, rng=np.random.default_rng(0))
    assert all(name.endswith("users") for name in personas.names)


def test_two_users_and_one_user_work(traits):
    pair = Traits(*(column[[0, 50]] for column in traits))
    assert len(fit_personas(pair, GENRES, FEW, rng=np.random.default_rng(0))) == 1
    with pytest.raises(ValueError, match="3 personas need as many different users, got 2"):
        fit_personas(pair, GENRES, PersonaSettings(n_personas=3), rng=np.random.default_rng(0))


def test_random_groups_have_the_sizes_and_nothing_else(personas):
    groups = personas.groups("random", seed=1)
    np.testing.assert_array_equal(np.bincount(groups), personas.sizes)
    assert abs(adjusted_rand_score(groups, personas.assignment)) < 0.1
    np.testing.assert_array_equal(groups, personas.groups("random", seed=1))
    assert abs(adjusted_rand_score(groups, personas.groups("random", seed=2))) < 0.1


def test_wrong_input_is_named(personas, traits):
    with pytest.raises(ValueError, match="traits know 4 genres, got 2"):
        fit_personas(traits, GENRES[:2], rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="cannot place"):
        personas.assign(traits._replace(genre_share=traits.genre_share[:, :2]))
    with pytest.raises(ValueError, match="least <= most"):
        PersonaSettings(least=5, most=3)
