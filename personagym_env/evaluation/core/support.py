"""How far a log supports what is shown: whether people like this user rated the item at all.

A judge who is asked about an item that nobody near the user rated answers from means. Where most of what a recommender
shows is of that kind, its value is a guess.
"""

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray, Interactions

NEIGHBOURS = 50
"""Most similar others whose ratings are near a user."""
LEAST_NEAR = 3
"""Near ratings that an item needs."""
LEAST_SHARE = 0.5
"""Share of the shown items that need them, for a value to be more than a guess."""
_BLOCK = 256


def near_ratings(log: Interactions, users: IntArray, neighbours: int = NEIGHBOURS) -> IntArray:
    """(n, m) how many of the most similar others rated each item, for `users` (n,).

    Similar are users who rated the same items: the cosine of what they rated, whatever they thought of it. Others who
    have no item in common are no neighbours.

    Args:
        log: rows that a judge knows.
        users: of the log.
        neighbours: how many others are near.
    """
    rated = log.matrix(np.ones(len(log)))
    length = np.sqrt(np.maximum(log.counts, 1))
    near = min(neighbours, log.n_users - 1)
    counts = np.zeros((len(users), log.n_items), np.int64)
    for start in range(0, len(users) if near > 0 else 0, _BLOCK):
        block = users[start : start + _BLOCK]
        alike = (rated[block] @ rated.T).toarray() / length
        alike[np.arange(len(block)), block] = 0.0
        chosen = np.argpartition(-alike, near - 1, axis=1)[:, :near]
        for row, others in enumerate(chosen):
            others = others[alike[row, others] > 0]
            counts[start + row] = np.asarray(rated[others].sum(axis=0)).ravel()
    return counts


def supported_share(near: IntArray, slates: IntArray) -> float:
    """Share of the items (n, k) shown to n users that have `LEAST_NEAR` near ratings, of `near_ratings` (n, m)."""
    return float((np.take_along_axis(near, slates, axis=1) >= LEAST_NEAR).mean())


def answer_spread(rating: FloatArray, scale: tuple[float, ...]) -> FloatArray:
    """(p,) standard deviation, in rating points, of the distributions (p, r) that users answer with."""
    points = np.asarray(scale)
    mean = rating @ points
    return np.asarray(np.sqrt(np.maximum(rating @ points**2 - mean**2, 0.0)))
