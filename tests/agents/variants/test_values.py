"""Evaluated statements win where few of many are true, and not where all are; what is thrown out says nothing."""

import numpy as np
import pytest

from personagym_agents.variants.values import Respects, find_values, weigh_values
from personagym_env.data.tables import Catalogue, Interactions

USERS, ITEMS, GENRES, ROWS = 80, 160, 10, 60
SCALE = tuple(float(value) for value in np.round(np.arange(0, 10.05, 0.1), 1))
WEAK = 2.0
"""A prior by which nearly everything that is read is believed."""


def make_world(true: int) -> tuple[Interactions, Catalogue, np.ndarray]:
    """Users who value some genres of many; also (u, g) how much, in rating points."""
    rng = np.random.default_rng(3)
    genres = rng.random((ITEMS, GENRES)) < 0.4
    worth = np.zeros((USERS, GENRES))
    for user in range(USERS):
        worth[user, rng.choice(GENRES, true, replace=False)] = rng.choice([-1.2, 1.2], true)
    users = np.repeat(np.arange(USERS), ROWS)
    items = np.concatenate([rng.choice(ITEMS, ROWS, replace=False) for _ in range(USERS)])
    means = 5 + np.einsum("ng,ng->n", worth[users], genres[items] - 0.4)
    ratings = np.round(np.clip(means + rng.normal(0, 1, len(users)), 0, 10), 1)
    log = Interactions.from_columns(users, items, ratings, None, n_users=USERS, n_items=ITEMS, scale=SCALE)
    catalogue = Catalogue(
        ids=tuple(map(str, range(ITEMS))),
        titles=("Title",) * ITEMS,
        years=np.full(ITEMS, 1990),
        genre_names=tuple(f"genre {genre}" for genre in range(GENRES)),
        genres=genres,
    )
    return log, catalogue, worth


@pytest.mark.parametrize("true", [2, GENRES])
def test_statements_that_others_rows_bear_out(true: int) -> None:
    log, catalogue, worth = make_world(true)
    values, residual = find_values(log, catalogue, seed=0, prior=WEAK)
    thrown = values.stated & ~values.kept
    errors = {}
    for name, chosen in {"kept": values.kept, "all": values.stated, "thrown": thrown}.items():
        weights = weigh_values(log, residual, values.respects, chosen, WEAK)
        told = weights @ values.respects.values.T
        truth = worth @ (catalogue.genres - 0.4).T
        lost = told - told.mean(axis=1, keepdims=True) - truth + truth.mean(axis=1, keepdims=True)
        errors[name] = float(np.sqrt(np.mean(lost**2)))
    real, held = worth != 0, values.kept[:, :GENRES]  # genres are the first respects
    if true == 2:
        assert errors["kept"] < 0.95 * errors["all"]
        assert errors["thrown"] > 1.2 * errors["kept"]
        assert held[real].mean() > 0.8
        assert held[~real].mean() < 0.4
    else:
        assert errors["kept"] > errors["all"]


def test_values_have_words() -> None:
    log, catalogue, worth = make_world(1)
    values, _ = find_values(log, catalogue, seed=0)
    user = int(np.argmax(worth.max(axis=1)))
    said = {words for someone in range(USERS) for words in values.words(someone)}
    assert all(words.startswith(("likes ", "dislikes ")) for words in said)
    right = [f"likes genre {np.argmax(worth[user])}" in values.words(user) for user in np.flatnonzero(worth.max(1) > 0)]
    assert np.mean(right) > 0.6
    assert user in np.flatnonzero(worth.max(1) > 0)


def test_respects_in_which_all_items_are_alike_are_none() -> None:
    log, catalogue, _ = make_world(1)
    respects = Respects.of(log, catalogue)
    assert "what is new" not in respects.names  # all of one year
    np.testing.assert_allclose(respects.values[log.items].std(axis=0), 1, atol=0.05)
