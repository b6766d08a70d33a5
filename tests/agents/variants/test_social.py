"""Social users: where circles share opinions friends pay and strangers do not; memories become insights and fade."""

from functools import cache

import numpy as np
import pytest

from fixtures.planted_log import planted
from personagym_agents.variants import human_memory
from personagym_agents.variants.social import Friends, fit_social, fit_social_model
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.splits import temporal_split
from personagym_env.data.tables import Dataset, FloatArray, IntArray
from personagym_env.protocols import SearchingAgent

USERS, ITEMS, ROWS, CIRCLES = 80, 60, 36, 4


@cache
def world(*, circles: bool) -> Dataset:
    """Users who feel about every item what their circle feels; or what nobody else does."""
    rng = np.random.default_rng(2)
    opinions = rng.choice([-1.5, 1.5], (CIRCLES if circles else USERS, ITEMS))
    items = np.stack([rng.permutation(ITEMS)[:ROWS] for _ in range(USERS)])
    felt = opinions[(np.arange(USERS) % len(opinions))[:, None], items]
    points = 3 + felt + rng.normal(0, 0.3, items.shape)
    return planted(np.repeat(np.arange(USERS), ROWS), items.ravel(), points.ravel(), np.arange(ITEMS) % 3)


def errors(dataset: Dataset) -> dict[Friends, float]:
    """RMSE on late rows with each kind of friends."""
    train, late = temporal_split(dataset.interactions)

    def error(kind: Friends) -> float:
        model = fit_social_model(train, dataset.catalogue, kind)

        def means(users: IntArray) -> FloatArray:
            return model.standing(users, model.begin(users)).opinion.mean

        found = at_pairs(means, late.users, late.items, ITEMS)
        return float(np.sqrt(np.mean((found - late.ratings) ** 2)))

    return {kind: error(kind) for kind in ("co-rating", "random", "none")}


def test_where_circles_share_opinions_friends_pay_and_strangers_do_not() -> None:
    found = errors(world(circles=True))
    assert found["co-rating"] < found["none"] - 0.4
    assert found["random"] > found["none"] - 0.1


def test_without_circles_friends_do_not_pay() -> None:
    found = errors(world(circles=False))
    assert found["co-rating"] > found["none"] - 0.03


def test_what_is_remembered_moves_ratings_of_like_items_in_a_session() -> None:
    rng = np.random.default_rng(4)
    items = np.stack([rng.permutation(ITEMS)[:ROWS] for _ in range(USERS)])
    felt = 3 + np.take_along_axis(rng.choice([-1, 1], (USERS, 3)), items % 3, axis=1)
    dataset = planted(np.repeat(np.arange(USERS), ROWS), items.ravel(), felt.ravel(), np.arange(ITEMS) % 3)
    agent = fit_social(dataset, dataset.interactions)
    sessions, row = agent.open(1), np.zeros(1, np.int64)
    sessions.start(row, row)
    for item in range(6, 60, 3):  # of the first genre
        sessions.consume(row, np.array([item]), np.array([0]))
    slate = np.array([[0, 1]])
    fresh = agent.open(1)
    fresh.start(row, row)
    moved = (sessions.react(row, slate).rating - fresh.react(row, slate).rating)[0] @ np.asarray(agent.scale)
    assert moved[0] < moved[1] - 0.02
    assert fit_social(dataset, dataset.interactions, core=False).name == "social, none friends"


GENRES = np.eye(3)[np.array([0, 0, 0, 0, 1, 2])]


def perceive(items: list[int], surprise: list[float]) -> FloatArray:
    """The state of one user after items."""
    state = human_memory.empty(1)
    for item, felt in zip(items, surprise, strict=True):
        state = human_memory.perceived(state, np.array([item]), np.array([felt]), GENRES)
    return state


def test_the_third_enhancement_makes_an_insight_of_a_memory() -> None:
    short, long = np.split(perceive([0, 1, 2], [1, 2, 3])[0, 1:].reshape(-1, human_memory.SLOT), [human_memory.SHORT])
    assert (long[:, 0] > 0).sum() == 0
    assert short[:, 3].tolist()[-3:] == [2, 1, 0]
    short, long = np.split(
        perceive([0, 1, 2, 3], [1, 2, 3, 6])[0, 1:].reshape(-1, human_memory.SLOT), [human_memory.SHORT]
    )
    assert long[long[:, 0] > 0].tolist() == [[1, 3, 4, 0]]  # item 0, the mean of all that were like it, at step 4
    assert (short[:, 0] > 0).sum() == 3


def test_memories_speak_of_like_items_and_fade() -> None:
    state = perceive([0, 1, 2, 3], [2, 2, 2, 2])
    told = human_memory.remembered(state, GENRES)[0]
    assert told[0] > 1 > abs(told[4])
    later = perceive([0, 1, 2, 3] + [4] * 200, [2, 2, 2, 2] + [0] * 200)
    assert 0 < human_memory.remembered(later, GENRES)[0, 0] < told[0] / 2


def test_unlike_items_are_held_ten_at_a_time() -> None:
    state = human_memory.empty(1)
    apart = np.eye(20)
    for item in range(20):
        state = human_memory.perceived(state, np.array([item]), np.ones(1), apart)
    short = state[0, 1:].reshape(-1, human_memory.SLOT)[: human_memory.SHORT, 0]
    assert short.tolist() == [*range(11, 21)]


@pytest.mark.parametrize("kind", ["co-rating", "random"])
def test_nobody_is_a_friend_of_theirs(kind: Friends) -> None:
    dataset = world(circles=True)
    model = fit_social_model(dataset.interactions, dataset.catalogue, kind)
    assert model.friends.diagonal().sum() == 0
    assert model.friends.nnz > USERS


def test_users_find_what_friends_praised_and_nothing_that_is_excluded() -> None:
    dataset = world(circles=True)
    agent = fit_social(dataset, dataset.interactions)
    assert isinstance(agent, SearchingAgent)
    excluded = dataset.interactions.matrix(np.ones(len(dataset.interactions))).toarray()[:3] > 0
    found = agent.search(np.arange(3), 10, excluded)
    assert [len(set(row)) for row in found.tolist()] == [10, 10, 10]
    assert not np.take_along_axis(excluded, found, axis=1).any()
    friends = agent.model.friends[[0]].toarray()[0]  # type: ignore[attr-defined]
    surprises = agent.model.surprises.toarray()  # type: ignore[attr-defined]
    praise = np.where(excluded[0], -np.inf, friends @ surprises)
    assert found[0, 0] == praise.argmax()
    with pytest.raises(ValueError, match="a search for 30 items has 24 to find"):
        agent.search(np.arange(3), 30, excluded)


def test_without_friends_a_search_finds_what_goes_along_with_what_the_user_has() -> None:
    dataset = world(circles=True)
    agent = fit_social(dataset, dataset.interactions, core=False)
    found = agent.search(np.zeros(1, np.int64), 5, np.zeros((1, ITEMS), np.bool_))[0]
    along = agent.model.affinity.log_affinity(np.zeros(1, np.int64))[0]  # type: ignore[attr-defined]
    assert along[found].tolist() == sorted(along, reverse=True)[:5]
