"""Which places of a slate are empty, and why."""

import numpy as np

from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.session.kernel import Place

_FEW_ROWS = 128
"""Rows up to which one operation on (n, k, t) numbers is quicker than t operations on (n, k)."""


def check_places(slates: IntArray, users: IntArray, consumed: IntArray, train: Interactions) -> IntArray:
    """Why places of slates are empty; an earlier reason of `Place` gives way to a later one.

    Args:
        slates: (n, k) internal item ids.
        users: (n,) internal user ids.
        consumed: (n, t) items consumed in the episode, `NO_ITEM` where nothing.
        train: the rows that are known.

    Returns:
        (n, k) int8: the `Place` of each item.
    """
    places = np.zeros(slates.shape, np.int8)
    ordered = np.sort(slates, axis=1)
    repeated = ordered[:, 1:] == ordered[:, :-1]
    if repeated.any():
        # Few slates repeat an item, so only those are searched place by place.
        rows = np.flatnonzero(repeated.any(axis=1))
        for j in range(1, slates.shape[1]):
            places[rows[(slates[rows, :j] == slates[rows, j, None]).any(axis=1)], j] = Place.REPEATED
    places[_consumed_before(slates, consumed)] = Place.CONSUMED
    places[train.contains(users[:, None], slates)] = Place.RATED
    return places


def _consumed_before(slates: IntArray, consumed: IntArray) -> BoolArray:
    """(n, k) which items are among the (n, t) consumed."""
    items = slates.astype(consumed.dtype)
    if len(items) <= _FEW_ROWS:
        return np.asarray((items[:, :, None] == consumed[:, None]).any(axis=2))
    # One comparison per step keeps the work in (n, k) arrays, which fit into the processor's caches.
    again = np.zeros(items.shape, np.bool_)
    for t in range(consumed.shape[1]):
        again |= items == consumed[:, t, None]
    return again
