"""Support of what is shown: ratings of people like the user, on a log of two groups that share nothing."""

import numpy as np
import pytest

from personagym_env.data.tables import Interactions
from personagym_env.evaluation.core.support import answer_spread, near_ratings, supported_share


@pytest.fixture
def log():
    """Users 0..5 rated items 0..3, users 6..11 items 4..7; user 0 alone rated item 8."""
    pairs = [(user, item + 4 * (user >= 6)) for user in range(12) for item in range(4)] + [(0, 8)]
    users, items = np.array(pairs).T
    return Interactions.from_columns(
        users, items, np.full(len(users), 3.0), None, n_users=12, n_items=9, scale=(1.0, 2.0, 3.0)
    )


def test_near_are_those_who_rated_the_same(log):
    near = near_ratings(log, np.array([1, 7]), neighbours=4)
    np.testing.assert_array_equal(near[0, :8], [4, 4, 4, 4, 0, 0, 0, 0])
    np.testing.assert_array_equal(near[1], [0, 0, 0, 0, 4, 4, 4, 4, 0])
    near = near_ratings(log, np.array([1]), neighbours=50)
    assert near[0, 8] == 1  # its one rater is near
    assert near[0, 4:8].sum() == 0  # the others have nothing in common, however many may be near
    assert supported_share(near, np.array([[0, 1, 8, 4]])) == 0.5


def test_spread_of_answers():
    rating = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    np.testing.assert_allclose(answer_spread(rating, (1.0, 2.0, 3.0)), [0.0, 1.0], atol=1e-7)
