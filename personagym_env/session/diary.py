"""What running episodes consumed, step by step: written in place, because nothing of it ever changes again."""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.protocols import NO_ITEM

ROOM = 64
"""Steps that a diary has room for at first; it doubles when an episode outgrows it."""


class Diary:
    """Items and ratings of n episodes by step: `NO_ITEM` and 0 where nothing was consumed, and beyond the last step."""

    def __init__(self, n: int) -> None:
        self._items: npt.NDArray[np.int32] = np.full((n, ROOM), NO_ITEM, np.int32)
        self._ratings: npt.NDArray[np.float32] = np.zeros((n, ROOM), np.float32)

    def __repr__(self) -> str:
        return f"Diary({self._items.shape[0]} episodes, room for {self._items.shape[1]} steps)"

    def clear(self, rows: IntArray) -> None:
        """Begin afresh in rows (b,)."""
        self._items[rows], self._ratings[rows] = NO_ITEM, 0

    def consumed(self, rows: IntArray, step: IntArray) -> IntArray:
        """(b, t) int32 what rows (b,) that stand at steps (b,) consumed, t being the longest of these episodes."""
        return self._items[rows, : int(step.max(initial=0))]

    def write(self, rows: IntArray, step: IntArray, items: IntArray, ratings: FloatArray) -> None:
        """Note steps (b,) of rows (b,): the items (b,) consumed and their ratings (b,), `NO_ITEM` and 0 for none."""
        while int(step.max(initial=0)) >= self._items.shape[1]:
            room = ((0, 0), (0, self._items.shape[1]))
            self._items = np.pad(self._items, room, constant_values=NO_ITEM)
            self._ratings = np.pad(self._ratings, room)
        self._items[rows, step] = items
        self._ratings[rows, step] = ratings

    def latest(self, step: IntArray, length: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Items and ratings, (n, `length`) each, of the last steps before steps (n,) of all rows, the latest last."""
        column = step[:, None] + np.arange(-length, 0)
        reached = column >= 0
        place = np.where(reached, column, 0)
        items = np.where(reached, np.take_along_axis(self._items, place, axis=1), np.int32(NO_ITEM))
        return items, np.where(reached, np.take_along_axis(self._ratings, place, axis=1), np.float32(0))
