"""The closed pool: what recommenders are worth to real users, without a simulator and without missing answers.

Each user's held-out items are the pool, so every possible pick has a real rating. The recommender picks its best k from
the pool, and its value is the mean real rating of its picks.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.offline import Progress, opening_slates
from personagym_env.evaluation.core.statistics import RatioOfSums
from personagym_env.protocols import Recommender


@dataclass(frozen=True, eq=False)
class ClosedPool:
    """Held-out rows as pools to pick from; without users of `least` items every value is NaN.

    Raises:
        ValueError: `least` is below `k`.
    """

    held_out: Interactions
    """The rows that recommenders have not been fitted on."""
    k: int = 5
    """Picks per user."""
    least: int = 10
    """Held-out items that a user needs to take part; at twice the picks a choice has to be made."""

    def __post_init__(self) -> None:
        if not 0 < self.k <= self.least:
            raise ValueError(f"a pool of at least {self.least} items cannot give k={self.k} picks")

    @cached_property
    def users(self) -> IntArray:
        """(n,) users who take part."""
        return np.flatnonzero(self.held_out.counts >= self.least)

    @cached_property
    def _ratings(self) -> FloatArray:
        """(n, widest pool) each user's held-out ratings in descending order, then NaN."""
        counts = self.held_out.counts[self.users]
        rows = np.arange(counts.max(initial=self.k))
        at = self.held_out.indptr[self.users][:, None] + np.minimum(rows, counts[:, None] - 1)
        ratings = np.where(rows < counts[:, None], self.held_out.ratings[at].astype(np.float64), np.nan)
        return np.asarray(-np.sort(-ratings, axis=1))  # NaN sorts last

    def _statistic(self, values: FloatArray) -> RatioOfSums:
        return RatioOfSums.of_users(self.users, values, self.held_out.n_users)

    @property
    def best(self) -> RatioOfSums:
        """Mean rating of each user's k best rated items: what a clairvoyant would reach."""
        return self._statistic(self._ratings[:, : self.k].mean(axis=1))

    @property
    def worst(self) -> RatioOfSums:
        """Mean rating of each user's k worst rated items."""
        counts = self.held_out.counts[self.users]
        last = counts[:, None] - 1 - np.arange(self.k)
        return self._statistic(np.take_along_axis(self._ratings, last, axis=1).mean(axis=1))

    @property
    def chance(self) -> RatioOfSums:
        """Mean rating of each user's whole pool: what picking at random is worth on average."""
        return self._statistic(np.nansum(self._ratings, axis=1) / self.held_out.counts[self.users])

    def candidates(self, users: IntArray) -> BoolArray:
        """(n, m) the pools of `users` (n,)."""
        ones = np.ones(len(self.held_out))
        return np.asarray(self.held_out.matrix(ones)[users].toarray() > 0)

    def picks(
        self,
        recommender: Recommender,
        profiles: FloatArray,
        *,
        history_length: int,
        progress: Progress | None = None,
    ) -> IntArray:
        """(n, k) what the recommender picks for each of `users`, best first; `progress` is told users."""
        return opening_slates(
            recommender,
            self.users,
            profiles,
            self.k,
            history_length=history_length,
            candidates=self.candidates,
            progress=progress,
        )

    def value(self, picks: IntArray, ratings: FloatArray | None = None) -> RatioOfSums:
        """Mean rating of the picks.

        Args:
            picks: (n, k) items from the pools of `users`.
            ratings: (rows of `held_out`,) what to value each row with: the real ratings by default, or a simulated
                user's expectation of them, which makes that user the judge.

        Raises:
            ValueError: a pick is not in its user's pool.
        """
        if not len(self.users):
            return self._statistic(np.zeros(0))
        values = self.held_out.ratings if ratings is None else ratings
        rows = self.held_out.pairs.rows(self.users[:, None], picks)
        if (rows < 0).any():
            raise ValueError("some picks are not in their user's pool")
        return self._statistic(values[rows].astype(np.float64).mean(axis=1))
