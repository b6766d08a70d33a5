"""What people went on to consume as real value: lists over all items that a user has not consumed yet.

A list is worth the share of the user's held-out items that it holds (choice), or their share by weight, each weighing
what the user thought of it (joint). Offline metrics that read the same rows are the same numbers, or nearly so, and
judge none of this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.agreement.truths import TruthKind
from personagym_env.evaluation.core.offline import listed_users
from personagym_env.evaluation.core.statistics import RatioOfSums

CHOSEN_SHARE = 0.9
"""Share of the items outside training rows from which on held-out items are no choice."""


@dataclass(frozen=True, eq=False)
class ListTruth:
    """Held-out items found by lists, each weighted.

    Raises:
        ValueError: people rated nearly everything, so that what they rated was no choice.
    """

    name: str
    kind: TruthKind
    description: str
    held_out: Interactions
    weights: FloatArray
    """(rows of `held_out`,) what finding each row is worth, not negative."""
    listed: IntArray
    """(l,) users whom lists are made for."""
    k: int = 10
    unit: str = "share"

    @cached_property
    def users(self) -> IntArray:
        """(n,) listed users with a row worth finding."""
        return np.asarray(self.listed[self._total[self.listed] > 0])

    @property
    def left_out(self) -> int:
        """Users with held-out rows of whom none is worth finding, or whom no list can be made for."""
        return int((self.held_out.counts > 0).sum()) - len(self.users)

    @property
    def bounds(self) -> Mapping[str, RatioOfSums]:
        """The best possible lists, and the worst."""
        best = np.zeros(len(self.users))
        for place, user in enumerate(self.users):
            rows = slice(self.held_out.indptr[user], self.held_out.indptr[user + 1])
            best[place] = -np.sort(-self.weights[rows])[: self.k].sum() / self._total[user]
        return {"best": self._mean(best), "worst": self._mean(np.zeros(len(best)))}

    def value(self, slates: IntArray) -> RatioOfSums:
        """Mean over users of the share, by weight, of their held-out rows that the lists (n, k) of `users` hold."""
        rows = self.held_out.pairs.rows(self.users[:, None], slates)
        found = np.where(rows >= 0, self.weights[rows], 0.0).sum(axis=1)
        return self._mean(found / self._total[self.users])

    @cached_property
    def _total(self) -> FloatArray:
        return np.asarray(np.bincount(self.held_out.users, self.weights, self.held_out.n_users), np.float64)

    def _mean(self, values: FloatArray) -> RatioOfSums:
        return RatioOfSums.of_users(self.users, values, self.held_out.n_users)


def choice_truth(split: Split, k: int = 10) -> ListTruth:
    """Recall of held-out rows by lists of k.

    Raises:
        ValueError: there are no held-out rows, or they are no choice, see `ListTruth`.
    """
    _check_chosen(split)
    told = f"share of each user's held-out items among {k} listed ones, out of all items not yet consumed"
    return ListTruth("choice", "choice", told, split.test, np.ones(len(split.test)), listed_users(split, k), k)


def joint_truth(split: Split, k: int = 10) -> ListTruth:
    """Recall of held-out rows by lists of k, each row weighing its rating from 0 (the lowest of the scale) to 1.

    Raises:
        ValueError: there are no held-out rows, they are no choice, see `ListTruth`, or the scale has a single rating.
    """
    _check_chosen(split)
    low, *_, high = (split.test.scale[0], *split.test.scale)
    if low == high:
        raise ValueError(f"all rows have the rating {low:g}, so that nothing can be weighted by it")
    worth = (split.test.ratings.astype(np.float64) - low) / (high - low)
    told = (
        f"share of each user's held-out items among {k} listed ones, each item weighing the user's rating from 0 to 1, "
        "out of all items not yet consumed"
    )
    return ListTruth("joint", "joint", told, split.test, worth, listed_users(split, k), k)


def _check_chosen(split: Split) -> None:
    train, test = split
    if not len(test):
        raise ValueError("nothing is held out, so that nobody chose anything")
    left = train.n_items - train.counts
    share = float(np.median((test.counts / np.maximum(left, 1))[test.counts > 0]))
    if share >= CHOSEN_SHARE:
        raise ValueError(f"half of the users rated {share:.0%} and more of what is in no training row: no choice")
