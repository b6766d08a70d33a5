"""Replay: what recommenders are worth by rows that a judge knows and they do not.

A recommender that was fitted on one half of the training rows can pick among those of the other half, whose ratings the
judge knows. Their mean is an offline metric of its own. Beside what users say of other items it is a correction, as in
doubly robust estimation (Dudík, Langford and Li, ICML 2011): users who know the other half alone cannot tell how good
picks are that follow from the recommender's half, and how much better these are shows in the rows that the users know.

Shapes: n rows of the other half, m of its users with rows enough, k picks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from personagym_env.collaborative.factors import fit_factors
from personagym_env.collaborative.rating_model import Opinion, at_pairs
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.agreement.ground_truth import picks_and_least
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic

REPLAY = "replay"
"""What the metric is called, and the picks that it reads."""
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Replay:
    """The other half of the training rows, as pools that recommenders pick from."""

    pool: ClosedPool
    surplus: FloatArray
    """(n,) see `surplus`."""

    @classmethod
    def of(cls, log: Interactions) -> "Replay":
        """Of the rows that recommenders do not know.

        Raises:
            ValueError: there are none.
        """
        return cls(replay_pool(log), surplus(log))

    def value(self, picks: IntArray) -> RatioOfSums:
        """Mean rating of picks (m, k) from the pools of all users who have one."""
        return self.pool.value(picks)

    def correct(self, said: Statistic, picks: IntArray) -> "Corrected":
        """What users say of a recommender whose picks from the pools are (m, k), corrected."""
        return Corrected(said, self.pool.value(picks, ratings=self.surplus))


@dataclass(frozen=True, eq=False)
class Corrected:
    """What users say of a recommender, and by how much picks of it were worth more than the other rows say."""

    said: Statistic
    surplus: Statistic

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`; where a resample tells no surplus, what is said."""
        return np.asarray(self.said.resampled(weights) + np.nan_to_num(self.surplus.resampled(weights)))


def replay_pool(log: Interactions) -> ClosedPool:
    """Pools of the rows that a judge knows and recommenders do not.

    Raises:
        ValueError: there are no rows.
    """
    return ClosedPool(log, *picks_and_least(log))


def surplus(log: Interactions) -> FloatArray:
    """(n,) how much higher each row is rated than factors expect that are fitted to four fifths of the other rows.

    Limiting case: of a single row nothing is known, and its surplus is 0.
    """
    fold = np.random.default_rng(0).permutation(len(log)) % _FOLDS
    expected = log.ratings.astype(np.float64)
    for number in np.unique(fold) if len(log) > 1 else ():
        inside = fold == number
        means = partial(_means, fit_factors(log.take(~inside)).predict)
        expected[inside] = at_pairs(means, log.users[inside], log.items[inside], log.n_items)
    return np.asarray(log.ratings - expected)


def _means(predict: Callable[[IntArray], Opinion], users: IntArray) -> FloatArray:
    return np.asarray(predict(users).mean, np.float64)
