"""PureSVD against the whole decomposition."""

import numpy as np

from personagym_env.collaborative.pure_svd import item_directions
from personagym_env.data.tables import Interactions


def test_the_largest_directions_are_found():
    users, items = np.nonzero(np.random.default_rng(0).random((50, 30)) < np.linspace(0.9, 0.05, 30))
    log = Interactions.from_columns(users, items, np.ones(len(users)), None, n_users=50, n_items=30, scale=(1.0, 2.0))
    values, directions = item_directions(log, 3)
    _, expected, rows = np.linalg.svd(log.matrix().toarray())
    np.testing.assert_allclose(values, expected[:3], rtol=1e-3)
    np.testing.assert_allclose(np.abs(rows[:3] @ directions), np.eye(3), atol=0.05)
    assert item_directions(log, 99)[1].shape == (30, 29)
