"""Logs with a known answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from personagym_env.data.tables import Catalogue, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation


class Checkerboard(NamedTuple):
    """Even users consume even items, odd users odd ones, so what is left of a user's colour is the right answer."""

    log: Interactions
    catalogue: Catalogue
    left: IntArray
    """(u, 3) the items of the user's colour that the log does not have, ascending."""


def _observe(
    users: list[int], items: list[list[int]] | None = None, ratings: list[list[float]] | None = None, step: int = 0
) -> Observation:
    history = np.full((len(users), 2), NO_ITEM, np.int64) if items is None else np.array(items, np.int64)
    return Observation(
        user=np.array(users, np.int64),
        profile=np.zeros((len(users), 1), np.float32),
        history_items=history,
        history_ratings=np.zeros(history.shape, np.float32) if ratings is None else np.array(ratings, np.float32),
        step=np.full(len(users), step, np.int64),
    )


def _make_log(rows: list[tuple[int, int, float]], n_users: int, n_items: int) -> tuple[Interactions, Catalogue]:
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    log = Interactions.from_columns(
        users, items, ratings, None, n_users=n_users, n_items=n_items, scale=(1, 2, 3, 4, 5)
    )
    names = tuple(f"item {item}" for item in range(n_items))
    genres = np.arange(n_items)[:, None] % 2 == np.arange(2)
    return log, Catalogue(names, names, np.full(n_items, 1990), ("even", "odd"), genres)


@pytest.fixture(scope="session")
def observe() -> Callable[..., Observation]:
    """Makes an observation of the users with the given session history, empty by default."""
    return _observe


@pytest.fixture(scope="session")
def make_log() -> Callable[..., tuple[Interactions, Catalogue]]:
    """Makes a log of (user, item, rating), and its catalogue: items of genre "even" and "odd" take turns."""
    return _make_log


@pytest.fixture(scope="session")
def checkerboard() -> Checkerboard:
    """48 users, 24 items, 9 rows per user in random order."""
    n_users, n_items = 48, 24
    half = n_items // 2
    left = (np.arange(n_users)[:, None] // 2 + np.array([0, 4, 8])) % half * 2 + np.arange(n_users)[:, None] % 2
    rng = np.random.default_rng(0)
    rows = [
        (user, int(item), float(3 + item % 3))
        for user in range(n_users)
        for item in rng.permutation(n_items)
        if item % 2 == user % 2 and item not in left[user]
    ]
    log, catalogue = _make_log(rows, n_users, n_items)
    timed = replace(log, timestamps=np.arange(len(log)))
    return Checkerboard(timed, catalogue, left=np.sort(left, axis=1))
