"""Blends of evidence: items that nobody has rated have weights of their own, and files say what they hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from personagym_agents.classical.rating_evidence import evidence_on_unknown_items
from personagym_agents.classical.stack import Blend, StackModel, fit_stack
from personagym_env.data.tables import Catalogue, Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
N_USERS, N_ITEMS, UNRATED = 80, 120, 20


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Items are comedies and dramas in turns."""
    titles = tuple(f"Film {item}" for item in range(N_ITEMS))
    genres = np.arange(N_ITEMS)[:, None] % 2 == np.arange(2)
    return Catalogue(titles, titles, np.full(N_ITEMS, 1990), ("Comedy", "Drama"), genres)


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Everybody rates half of the items but the last ones; dramas are good."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((N_USERS, N_ITEMS - UNRATED)) < 0.5)
    ratings = np.clip(3 + 1.5 * (items % 2) - 0.5 * (users % 2) + np.rint(rng.normal(0, 0.7, len(items))), 1, 5)
    return Interactions.from_columns(
        users, items, np.rint(ratings), np.arange(len(users)), n_users=N_USERS, n_items=N_ITEMS, scale=SCALE
    )


@pytest.fixture(scope="module")
def stack(log: Interactions, catalogue: Catalogue) -> StackModel:
    return fit_stack(log, catalogue)


def test_text_tells_of_items_that_nobody_rated(stack: StackModel) -> None:
    expected = stack.predict(np.arange(N_USERS)).mean[:, -UNRATED:].mean(axis=0)
    drama = np.arange(N_ITEMS)[-UNRATED:] % 2 == 1
    assert expected[drama].min() > expected[~drama].max() + 0.8


def test_weights_of_rated_items_do_not_know_of_the_others(stack: StackModel) -> None:
    alone = replace(stack, blend=replace(stack.blend, unrated=None))
    mine, theirs = (one.predict(np.arange(N_USERS)).mean for one in (stack, alone))
    np.testing.assert_array_equal(mine[:, :-UNRATED], theirs[:, :-UNRATED])
    assert not np.allclose(mine[:, -UNRATED:], theirs[:, -UNRATED:])


def test_no_row_is_read_by_rows_of_its_item(log: Interactions, catalogue: Catalogue) -> None:
    ratings = log.ratings.copy()
    item = log.items == 7
    ratings[item] = 6 - ratings[item]
    read, again = (
        evidence_on_unknown_items(one, catalogue, rng=np.random.default_rng(1))[0]
        for one in (log, replace(log, ratings=ratings))
    )
    np.testing.assert_array_equal(read[item], again[item])
    assert not np.allclose(read, again, equal_nan=True)


def test_weights_are_read_as_they_were_written(stack: StackModel, tmp_path: Path) -> None:
    place = tmp_path / "blend.safetensors"
    for blend in (stack.blend, replace(stack.blend, unrated=None)):
        blend.save(place)
        found = StackModel(stack.evidence, Blend.load(place)).predict(np.arange(9)).mean
        np.testing.assert_array_equal(found, StackModel(stack.evidence, blend).predict(np.arange(9)).mean)


def test_damaged_weights_are_named(stack: StackModel, tmp_path: Path) -> None:
    place = tmp_path / "blend.safetensors"
    stack.blend.save(place)
    weights = load_file(place)
    for name in ("linear", "unrated.linear"):
        save_file(weights | {name: weights[name][1:]}, place)
        with pytest.raises(ValueError, match="expected shapes"):
            Blend.load(place)
