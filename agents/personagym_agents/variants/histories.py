"""Histories as sequences, and what a rating is told relative to: the ground of the variants that read them in order.

Shapes: n rows, u users, b users of a batch, t rows of the longest history among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import IntArray, Interactions

Floats = npt.NDArray[np.float32]
PRIOR = 5.0
"""Ratings of average residual that means of items and users are shrunk by."""


class Sequences(NamedTuple):
    """Histories of some users, oldest row first, padded at the end."""

    users: IntArray
    """(b,)"""
    rows: IntArray
    """(b, t) of the log; 0 where there is none."""
    real: npt.NDArray[np.bool_]
    """(b, t) whether there is one."""


@dataclass(frozen=True, eq=False, repr=False)
class Residuals:
    """A log with its ratings told relative to what item and user have had before."""

    log: Interactions
    global_mean: float
    item_mean: Floats
    """(m,) shrunk mean rating of each item, less the global mean."""

    @classmethod
    def of(cls, log: Interactions) -> "Residuals":
        """Read the means of items off a log.

        Raises:
            ValueError: the log has no rows.
        """
        if not len(log):
            raise ValueError("histories need at least one rating, got an empty log")
        mean = float(log.ratings.mean(dtype=np.float64))
        return cls(log, mean, shrunk_mean(log.items, log.ratings - mean, log.n_items, PRIOR).astype(np.float32))

    @cached_property
    def values(self) -> Floats:
        """(n,) ratings less the means of their items."""
        return np.asarray(self.log.ratings - self.global_mean - self.item_mean[self.log.items], np.float32)

    @cached_property
    def _summed(self) -> npt.NDArray[np.float64]:
        return np.concatenate([[0.0], np.cumsum(self.values, dtype=np.float64)])

    def user_mean(self, users: IntArray, known: IntArray) -> Floats:
        """(n,) shrunk mean value of the first `known` rows of each user."""
        begin = self.log.indptr[users]
        return np.asarray((self._summed[begin + known] - self._summed[begin]) / (known + PRIOR), np.float32)

    @cached_property
    def centred(self) -> Floats:
        """(n,) values less the mean of the user's earlier ones."""
        return self.values - self.user_mean(self.log.users, self.log.rank_in_user)

    @cached_property
    def noise(self) -> float:
        """Variance of the centred values, in squared rating points."""
        return max(float((self.centred.astype(np.float64) ** 2).mean()), 1e-4)


def sequences_of(log: Interactions, users: IntArray, most_rows: int) -> Iterator[Sequences]:
    """The histories of users in batches of at most so many rows, padding counted; like lengths stand together."""
    order = users[np.argsort(log.counts[users], kind="stable")]
    lengths = np.maximum(log.counts[order], 1)
    begin = 0
    while begin < len(order):
        # Lengths ascend, so that the last of a batch decides how wide it is.
        end = begin + 1
        while end < len(order) and lengths[end] * (end + 1 - begin) <= most_rows:
            end += 1
        yield sequences(log, order[begin:end])
        begin = end


def sequences(log: Interactions, users: IntArray) -> Sequences:
    """The histories of (b,) users in one batch."""
    counts = log.counts[users]
    place = np.arange(max(1, int(counts.max(initial=0))))
    real = place < counts[:, None]
    return Sequences(users, np.where(real, log.indptr[users][:, None] + place, 0), real)
