"""Which pairs of user and item are in a log, and in which row: one look for a few pairs as for millions."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer]

MARKS_PER_PAIR = 64
"""Places that the marks have for each pair at least, one bit each: one absent pair in as many is searched in vain."""
_BITS = (1 << np.arange(8)).astype(np.uint8)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


class PairIndex:
    """An index over the pairs of n rows, which are distinct.

    A search walks through memory; a look at the marks spares it all but few of the pairs that are not there.

    Args:
        users: (n,) internal user ids.
        items: (n,) internal item ids, below `n_items`.
        n_items: of the log.
    """

    def __init__(self, users: Integers, items: Integers, n_items: int) -> None:
        self._users, self._items, self._n_items = users, items, n_items

    def __len__(self) -> int:
        return len(self._users)

    def contains(self, users: Integers, items: Integers) -> npt.NDArray[np.bool_]:
        """Whether the pairs of the two (broadcast) arrays are among the rows."""
        pairs = self._numbers(users, items)
        place = _hash(pairs, 8 * len(self._marks))
        there = np.asarray(self._marks[place >> 3] & _BITS[place & 7], np.bool_)
        if len(self) and there.any():
            marked = pairs[there]
            there[there] = self._sorted[self._place(marked)] == marked
        return there

    def rows(self, users: Integers, items: Integers) -> Integers:
        """Which row each pair of the two (broadcast) arrays is in; -1 for a pair in none."""
        pairs = self._numbers(users, items)
        if not len(self):
            return np.full(pairs.shape, -1)
        place = self._place(pairs)
        return np.where(self._sorted[place] == pairs, self._order[place], -1)

    def _numbers(self, users: Integers, items: Integers) -> Integers:
        return np.asarray(np.asarray(users, np.int64) * self._n_items + items)

    def _place(self, pairs: Integers) -> Integers:
        return np.minimum(np.searchsorted(self._sorted, pairs), len(self) - 1)

    @cached_property
    def _sorted(self) -> Integers:
        return np.sort(self._numbers(self._users, self._items))

    @cached_property
    def _order(self) -> Integers:
        """(n,) the row of each pair of `_sorted`."""
        return np.argsort(self._numbers(self._users, self._items), kind="stable")

    @cached_property
    def _marks(self) -> npt.NDArray[np.uint8]:
        """(2^b,) eight places in a byte, each marked where a pair hashes to it."""
        size = 1 << (MARKS_PER_PAIR * max(len(self), 1) - 1).bit_length()
        place = _hash(self._sorted, size)
        marks = np.zeros(size >> 3, np.uint8)
        np.bitwise_or.at(marks, place >> 3, _BITS[place & 7])
        return marks


def _hash(pairs: Integers, size: int) -> Integers:
    """A place in 0..`size`-1, a power of 2, for each int64: Fibonacci hashing (Knuth, TAOCP 3, section 6.4)."""
    # The product wraps around; NumPy warns of that if it is a single number.
    places = np.atleast_1d(pairs).astype(np.uint64)
    places *= _GAMMA
    places >>= np.uint64(65 - size.bit_length())
    return places.view(np.int64).reshape(pairs.shape)
