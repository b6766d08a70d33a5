"""Planted worlds of groups of items, in which a variant's idea must win or must not."""

from collections.abc import Callable

import numpy as np
import pytest

from personagym_env.data.tables import IntArray, Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="session")
def log_of_groups() -> Callable[..., Interactions]:
    """A log by which group each user turns to at each time: (u, t) groups, an item of which is drawn without return."""

    def make(groups: IntArray, ratings: IntArray, n_groups: int, per_group: int, seed: int = 0) -> Interactions:
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

    return make
