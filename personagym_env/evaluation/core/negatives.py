"""Items that a user has not rated, for the real ones to be told from: any at all, or just as popular ones.

Shapes: v users asked about, q items each, m items.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.offline import USERS_PER_CALL

Negatives = Literal["uniform", "popular"]
"""Unseen items drawn uniformly, or matched in popularity to what the user chose."""
SUFFIX: Mapping[Negatives, str] = {"uniform": "", "popular": "_popular"}
"""What the name of a figure ends in, by what the real items are told from."""
CELLS_AT_ONCE = 2**24
"""Users x items in memory at once: fewer users than `USERS_PER_CALL` where there are more than 16,384 items."""
POPULARITY_WINDOW = 10.0
"""Places of the popularity ranking within which matched items are drawn at random."""


def unseen_items(split: Split, users: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw items that a user rated in neither part of the split, uniformly and without replacement.

    Returns:
        (len(users), n) internal item ids.

    Raises:
        ValueError: a user has fewer than n such items.
    """
    drawn = np.empty((len(users), n), np.int64)
    for places in _blocks(len(users), split.train.n_items):
        block = users[places]
        seen = _seen(split, block)
        _check_room(seen, n)
        keys = np.where(seen, 2.0, rng.random(seen.shape))
        drawn[places] = np.argsort(keys, axis=1)[:, :n]
    return drawn


def matched_items(split: Split, users: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw unseen items that are as popular as the user's held-out ones, so that popularity alone tells little.

    Each drawn item belongs to one of the user's held-out items, all of them in turn, and is drawn from those next to
    it in the ranking by training ratings. Popular items are mostly seen by those who like popular items, so matches
    at the top of the ranking are a little less popular; the popularity floor says how much that leaves to be told.

    Args:
        split: training rows, which the popularity is counted on, and held-out rows.
        users: (v,) users with held-out rows.
        n: items of each user.
        rng: of the draw.

    Returns:
        (v, n) internal item ids, distinct in each row.

    Raises:
        ValueError: a user has fewer than n unseen items.
    """
    count = np.bincount(split.train.items, minlength=split.train.n_items)
    rank = np.empty(len(count))
    rank[np.lexsort((rng.random(len(count)), count))] = np.arange(len(count))
    wanted = rank[split.test.items[rows_in_turn(split.test, users, n, rng)]]  # (v, n)
    drawn = np.empty((len(users), n), np.int64)
    for block in _blocks(len(users), len(count)):
        taken = _seen(split, users[block])
        _check_room(taken, n)
        everybody = np.arange(len(taken))
        for place in range(n):
            distance = np.abs(rank - wanted[block, place, None]) + rng.uniform(0, POPULARITY_WINDOW, taken.shape)
            chosen = np.where(taken, np.inf, distance).argmin(axis=1)
            drawn[block, place] = chosen
            taken[everybody, chosen] = True
    return drawn


def rows_in_turn(log: Interactions, users: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """(v, n) rows of each user in random order, beginning again at the first where the user has fewer than n."""
    order = np.lexsort((rng.random(len(log)), log.users))
    return np.asarray(order[log.indptr[users][:, None] + np.arange(n) % log.counts[users][:, None]])


def popularity(split: Split, items: IntArray) -> FloatArray:
    """Training ratings of each item."""
    return np.bincount(split.train.items, minlength=split.train.n_items).astype(np.float64)[items]


def _blocks(users: int, n_items: int) -> Iterator[slice]:
    """Places of so many users at once as are few enough for tables over all items."""
    size = max(1, min(USERS_PER_CALL, CELLS_AT_ONCE // n_items))
    return (slice(start, start + size) for start in range(0, users, size))


def _seen(split: Split, users: IntArray) -> BoolArray:
    """(b, m) what the users rated in either part."""
    seen = np.zeros((len(users), split.train.n_items), np.bool_)
    for log in split:
        seen |= log.matrix(np.ones(len(log)))[users].toarray() > 0
    return seen


def _check_room(seen: BoolArray, n: int) -> None:
    if (~seen).sum(axis=1).min(initial=n) < n:
        raise ValueError(f"some users have rated so much that fewer than {n} unseen items are left")
