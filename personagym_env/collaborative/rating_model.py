"""What a rating model answers, and how its answers about single pairs are looked up block by block."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray

BLOCK_CELLS = 2**18
"""Users x items whose answers are computed at once; small enough for the processor's caches."""
Number = TypeVar("Number", bound=np.number)


class Opinion(NamedTuple):
    """What a rating model expects of every item of the catalogue."""

    mean: npt.NDArray[np.float32]
    """(b, m) expected rating, in rating points; not clipped to the scale."""
    variance: npt.NDArray[np.float32]
    """(b, m) how unsure the model is of that mean, in squared rating points; the rating noise is not in it."""


class RatingModel(Protocol):
    """A fitted predictor of mean ratings."""

    def predict(self, users: IntArray) -> Opinion:
        """The opinion of (b,) users about all m items."""

    def means_at(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
        """(n,) the means of n pairs, without those of the users' other items; equal up to rounding."""


def user_blocks(users: IntArray, n_items: int) -> list[IntArray]:
    """Users in blocks whose answers about all items are few enough to be computed at once."""
    size = max(1, BLOCK_CELLS // n_items)
    return [users[begin : begin + size] for begin in range(0, len(users), size)]


def at_pairs(
    answer: Callable[[IntArray], npt.NDArray[Number]], users: IntArray, items: IntArray, n_items: int
) -> npt.NDArray[Number]:
    """(n, ...) the entries of `answer`, which maps (b,) users to (b, m, ...), at n pairs of user and item."""
    distinct, place = np.unique(users, return_inverse=True)
    order = np.argsort(place, kind="stable")
    begin, parts = 0, []
    for block in user_blocks(distinct, n_items):
        end = begin + len(block)
        low, high = np.searchsorted(place[order], [begin, end])
        pairs = order[low:high]
        parts.append(answer(block)[place[pairs] - begin, items[pairs]])
        begin = end
    sorted_answers = np.concatenate(parts)
    result = np.empty_like(sorted_answers)
    result[order] = sorted_answers
    return result
