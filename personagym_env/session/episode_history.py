"""What running episodes consumed, step by step: written in place, because nothing of it ever changes again."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.protocols import NO_ITEM

ROOM = 64
"""Steps that there is room for at first; it doubles when an episode outgrows it."""
Number = TypeVar("Number", np.int32, np.float32)


class EpisodeHistory:
    """Items and ratings of n episodes by step: `NO_ITEM` and 0 where nothing was consumed, and beyond the last step.

    Args:
        n: episodes.
        length: steps that `latest` tells, at least 1.
    """

    def __init__(self, n: int, length: int) -> None:
        self._length = length
        # As many empty steps stand before the first one as `latest` tells, so that its window always exists.
        self._items: npt.NDArray[np.int32] = np.full((n, length + ROOM), NO_ITEM, np.int32)
        self._ratings: npt.NDArray[np.float32] = np.zeros((n, length + ROOM), np.float32)

    def __repr__(self) -> str:
        n, columns = self._items.shape
        return f"EpisodeHistory({n} episodes, room for {columns - self._length} steps)"

    def clear(self, rows: IntArray) -> None:
        """Begin afresh in rows (b,)."""
        self._items[rows], self._ratings[rows] = NO_ITEM, 0

    def consumed(self, rows: IntArray, step: IntArray) -> IntArray:
        """(b, t) int32 what rows (b,) that stand at steps (b,) consumed, t being the longest of these episodes."""
        return self._items[rows, self._length : self._length + int(step.max())]

    def write(self, rows: IntArray, step: IntArray, items: IntArray, ratings: FloatArray) -> None:
        """Note steps (b,) of rows (b,): the items (b,) consumed and their ratings (b,), `NO_ITEM` and 0 for none."""
        column = self._length + step
        while int(column.max()) >= self._items.shape[1]:
            room = ((0, 0), (0, self._items.shape[1]))
            self._items = np.pad(self._items, room, constant_values=NO_ITEM)
            self._ratings = np.pad(self._ratings, room)
        self._items[rows, column] = items
        self._ratings[rows, column] = ratings

    def latest(self, rows: IntArray, step: IntArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Items and ratings, (b, `length`) each, of the last steps before steps (b,) of rows (b,), the latest last."""
        return _windows(self._items, self._length)[rows, step], _windows(self._ratings, self._length)[rows, step]


def _windows(whole: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    """(n, t, `length`) view of the columns from each column on; `sliding_window_view` takes 20 times as long."""
    n, columns = whole.shape
    return np.ndarray((n, columns - length + 1, length), whole.dtype, whole, strides=(*whole.strides, whole.strides[1]))
