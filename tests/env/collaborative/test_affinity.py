"""Affinity follows what is consumed together."""

import numpy as np

from personagym_env.collaborative.affinity import FLOOR, fit_affinity, log_relative
from personagym_env.data.tables import Interactions

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def test_affinity_follows_what_is_consumed_together():
    # Users of the first half consume items 0..4, users of the second half items 5..9; user 0 knows item 0 only.
    rng = np.random.default_rng(2)
    users, items = np.nonzero(rng.random((60, 10)) < 0.7)
    keep = ((users < 30) == (items < 5)) & ((users > 0) | (items == 0))
    users, items = np.append(users[keep], 0), np.append(items[keep], 0)
    _, first = np.unique(users * 10 + items, return_index=True)
    users, items = users[first], items[first]
    log = Interactions.from_columns(users, items, np.full(len(users), 3.0), None, n_users=61, n_items=10, scale=SCALE)
    affinity = fit_affinity(log).log_affinity(np.array([0, 60]))
    assert affinity[0, 1:5].min() > affinity[0, 5:].max() + 1
    np.testing.assert_allclose(affinity[1], affinity[1, 0], err_msg="a user without rows has no affinity")


def test_scores_are_told_relative_to_their_mean():
    told = log_relative(np.array([[1.0, 3.0, -5.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(told[0], np.log([0.75 + FLOOR, 2.25 + FLOOR, FLOOR]), rtol=1e-6)
    np.testing.assert_allclose(told[1], np.log(1 + FLOOR), rtol=1e-6)
