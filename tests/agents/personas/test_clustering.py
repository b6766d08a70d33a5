"""Personas on planted groups of users, their names, their round trip and the random control."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from personagym_agents.memory.text_space import TextSpace
from personagym_agents.personas.clustering import (
    Features,
    Personas,
    PersonaSettings,
    fit_personas,
    name_personas,
)
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.data.traits import Traits, profile_features, user_traits

GENRES = ("Action", "Comedy", "Film-Noir", "Musical")
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
GROUP = 40
PLANTED = np.repeat(np.arange(3), GROUP)
FEW = PersonaSettings(features="behaviour", most=6, restarts=3, seeds=3)


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
    personas = fit_personas(traits, GENRES, by("behaviour", n_personas=12), rng=np.random.default_rng(1))
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
        fit_personas(pair, GENRES, by("behaviour", n_personas=3), rng=np.random.default_rng(0))


TOLD = np.arange(3 * GROUP) % 3
"""What each user's text is about, which has nothing to do with how the user rates."""


def some(traits: Traits, users: np.ndarray) -> Traits:
    return Traits(*(column[users] for column in traits))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Three kinds of profiles."""
    rng = np.random.default_rng(1)
    kinds = ("loves westerns and dust", "loves musicals with dancing", "dislikes whatever the crowd likes")
    fillers = ("calm", "busy", "shy", "loud", "late", "early")
    return [f"{kinds[told]}; {rng.choice(fillers)}" for told in TOLD]


def by(features: Features, **more: int) -> PersonaSettings:
    return PersonaSettings(features=features, restarts=3, seeds=3, **more)


def test_profile_personas_follow_the_texts_alone(traits, texts):
    personas = fit_personas(traits, GENRES, by("profile", most=6), rng=np.random.default_rng(0), texts=texts)
    assert personas.features == "profile"
    assert len(personas) == 3, personas.table()
    assert adjusted_rand_score(TOLD, personas.assignment) == 1
    assert abs(adjusted_rand_score(PLANTED, personas.assignment)) < 0.1
    assert all(row.stability > 0.95 for row in personas.criterion if row.n_personas == 3)


def test_personas_of_both_follow_both(traits, texts):
    personas = fit_personas(traits, GENRES, by("both", n_personas=9), rng=np.random.default_rng(0), texts=texts)
    assert personas.features == "both"
    assert adjusted_rand_score(3 * PLANTED + TOLD, personas.assignment) > 0.9
    points = (np.column_stack([profile_features(traits), personas.space.place(texts)]) - personas.mean) / personas.scale
    blocks = np.split(points.var(axis=0), [6, 6 + len(GENRES), 6 + 2 * len(GENRES)])
    # All users are equally active, so that one of six habits has no variance.
    np.testing.assert_allclose([block.sum() for block in blocks], [5 / 6, 1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("features", ["behaviour", "profile", "both"])
def test_users_that_were_not_grouped_find_the_persona_of_their_like(features, traits, texts):
    """Half of the users make the personas, from a space of their texts alone; the others and a restored copy agree."""
    known, unseen = np.flatnonzero(np.arange(3 * GROUP) % 2 == 0), np.flatnonzero(np.arange(3 * GROUP) % 2)
    planted = {"behaviour": PLANTED, "profile": TOLD, "both": 3 * PLANTED + TOLD}[features]
    personas = fit_personas(
        some(traits, known),
        GENRES,
        by(features, n_personas=len(np.unique(planted))),
        rng=np.random.default_rng(0),
        texts=[texts[user] for user in known],
    )
    for copy in (personas, Personas.from_json(personas.to_json())):
        placed = copy.assign(some(traits, unseen), [texts[user] for user in unseen])
        assert adjusted_rand_score(planted[unseen], placed) > 0.75
        np.testing.assert_array_equal(
            copy.assign(some(traits, known), [texts[user] for user in known]), personas.assignment
        )
        assert copy.features == features
        assert copy.to_json() == personas.to_json()


def test_texts_leave_personas_of_behaviour_as_they_are(personas, traits, texts):
    again = fit_personas(traits, GENRES, FEW, rng=np.random.default_rng(0), texts=texts)
    assert again.to_json() == personas.to_json()
    assert '"space"' not in personas.to_json()


def test_missing_texts_are_named(traits, texts):
    rng = np.random.default_rng(0)
    for features in ("profile", "both"):
        with pytest.raises(ValueError, match=f"personas by '{features}' need the profile text of every user"):
            fit_personas(traits, GENRES, by(features), rng=rng)
    personas = fit_personas(traits, GENRES, by("profile", n_personas=2), rng=rng, texts=texts)
    with pytest.raises(ValueError, match="personas by 'profile' need the profile text of every user"):
        personas.assign(traits)
    with pytest.raises(ValueError, match="need 120 profile texts, got 1"):
        personas.assign(traits, texts[:1])
    with pytest.raises(ValueError, match="3 texts span no space: expected some words that stand in at least 2"):
        TextSpace.fit(["one", "two", ""])


def test_a_space_of_texts_puts_like_texts_together_and_refuses_parts_of_itself():
    space = TextSpace.fit(["likes drama, war", "likes drama", "hates drama, war", "hates comedy"])
    places = space.place(["likes drama", "likes drama!", "hates comedy", "", "words that are unknown"])
    np.testing.assert_array_equal(places[0], places[1])
    assert places[0] @ places[2] < 0.5 * np.linalg.norm(places[0]) * np.linalg.norm(places[2])
    assert not places[3:].any()
    np.testing.assert_allclose(space.directions @ space.directions.T, np.eye(len(space.directions)), atol=1e-12)
    lists = space.to_lists()
    with pytest.raises(ValueError, match="needs idf, which the JSON lacks"):
        TextSpace.from_lists({name: value for name, value in lists.items() if name != "idf"})
    with pytest.raises(ValueError, match="needs as many weights"):
        TextSpace.from_lists({**lists, "words": lists["words"][1:]})


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
