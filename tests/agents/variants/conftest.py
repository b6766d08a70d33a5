"""Planted worlds of groups of items, in which a variant's idea must win or must not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from personagym_agents.variants.tower import EncoderFactory, TowerSettings
from personagym_agents.variants.towers import fit_towers
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
SETTINGS = replace(TowerSettings(), epochs=10, width=8, batch_rows=256, learning_rate=0.02)


def make_log(groups: IntArray, ratings: IntArray, n_groups: int, per_group: int, seed: int = 0) -> Interactions:
    """A log by the group that each user turns to at each time (u, t): items of it are drawn without return."""
    rng = np.random.default_rng(seed)
    n_users, length = groups.shape
    items = np.empty_like(groups)
    for user in range(n_users):
        for group in range(n_groups):
            at = np.flatnonzero(groups[user] == group)
            items[user, at] = group + n_groups * rng.choice(per_group, len(at), replace=False)
    return Interactions.from_columns(
        np.repeat(np.arange(n_users), length),
        items.ravel(),
        ratings.ravel().astype(np.float32),
        np.tile(np.arange(length), n_users),
        n_users=n_users,
        n_items=n_groups * per_group,
        scale=SCALE,
    )


def group_wants(log: Interactions, n_groups: int, encoder: EncoderFactory, **settings: float) -> FloatArray:
    """(u, groups) how much towers that read the log with an encoder say that users want the items of each group."""
    genres = np.arange(log.n_items)[:, None] % n_groups == np.arange(n_groups)
    model = fit_towers(log, genres, encoder, replace(SETTINGS, **settings))
    wants = model.log_affinity(np.arange(log.n_users))
    return np.stack([wants[:, group::n_groups].mean(axis=1) for group in range(n_groups)], axis=1)


@pytest.fixture(scope="session")
def log_of_groups() -> Callable[..., Interactions]:
    return make_log


@pytest.fixture(scope="session")
def wants_of_groups() -> Callable[..., FloatArray]:
    return group_wants


@pytest.fixture(scope="session")
def catalogue_of_groups() -> Callable[[int, int], Catalogue]:
    """A catalogue whose items have their groups as genres."""

    def make(n_groups: int, per_group: int) -> Catalogue:
        count = n_groups * per_group
        return Catalogue(
            ids=tuple(map(str, range(count))),
            titles=("Title",) * count,
            years=np.full(count, 1990),
            genre_names=tuple(f"genre {group}" for group in range(n_groups)),
            genres=np.arange(count)[:, None] % n_groups == np.arange(n_groups),
        )

    return make
