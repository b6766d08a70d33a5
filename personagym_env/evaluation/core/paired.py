"""Two recommenders over the same users: one verdict, the smallest difference that could have been seen, and Holm.

Every figure is a sum over sessions divided by another. Its influence values (Hampel 1974) are what each session adds to
its error, so that the difference of two figures has the variance of the mean difference of influence values by user.
Sessions of one user part that variance: what comes from the users stays however many sessions each of them has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.statistics import Interval

LEVEL, POWER = 0.05, 0.8
"""Chance of a false verdict over all comparisons together, and of seeing a difference of the smallest size told."""
Verdict = Literal["better", "worse", "not told apart"]


@dataclass(frozen=True, eq=False)
class Ratio:
    """A figure of one recommender over j sessions, or over users with a row each."""

    numerator: FloatArray
    """(j,)"""
    denominator: FloatArray
    """(j,) 0 for sessions outside the figure."""

    @property
    def value(self) -> float:
        """The figure; NaN where all sessions are outside it."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total > 0 else math.nan

    @property
    def influence(self) -> FloatArray:
        """(j,) deviations that sum to 0 and whose mean is the error of the figure."""
        return np.asarray((self.numerator - self.value * self.denominator) / self.denominator.mean())


@dataclass(frozen=True)
class PairedDifference:
    """One recommender less another."""

    difference: Interval
    """With a 95 % interval over users."""
    users: int
    p: float
    """Two-sided, of no difference."""
    detectable: float
    """Smallest true difference that such a comparison shows with a chance of `POWER`, at `LEVEL`."""
    limit: float
    """The same with endless sessions of these users; NaN where users have one session each."""
    sessions_each: int

    def users_needed(self, difference: float) -> int:
        """Users, with as many sessions each, who show a true difference of that size."""
        return math.ceil(self.users * (self.detectable / abs(difference)) ** 2)

    def sessions_needed(self, difference: float) -> int | None:
        """Sessions of each of these users that show it; None where none suffice, or nobody knows."""
        if math.isnan(self.limit) or abs(difference) <= self.limit:
            return None
        luck = (self.detectable**2 - self.limit**2) * self.sessions_each
        return max(1, math.ceil(luck / (difference**2 - self.limit**2) - 1e-9))


def paired_difference(left: Ratio, right: Ratio, owners: IntArray) -> PairedDifference:
    """The difference of two figures over the same sessions.

    Args:
        left: one figure.
        right: the same of another recommender, session by session with the same random draws.
        owners: (j,) user of each session.

    Raises:
        ValueError: fewer than two users, or a figure that is defined for no session.
    """
    people, place, sessions = np.unique(owners, return_inverse=True, return_counts=True)
    value = left.value - right.value
    n = len(people)
    if n < 2 or math.isnan(value):
        raise ValueError(f"a comparison needs two users with sessions that the figure is defined for, got {n} users")
    gap = left.influence - right.influence
    scaled = gap * n / len(gap)  # a user's sum over sessions is that user's part of n times the error
    by_user = np.bincount(place, scaled)
    error = math.sqrt(by_user.var(ddof=1) / n)
    many = sessions > 1
    limit = math.nan
    if many.all():
        deviation = scaled - (by_user / sessions)[place]
        luck = float(np.sum(np.bincount(place, deviation**2) * sessions / (sessions - 1))) / n
        limit = math.sqrt(max(0.0, by_user.var(ddof=1) - luck) / n)
    certain = float(stats.t.ppf(1 - LEVEL / 2, n - 1))
    seen = float(stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER))
    p = float(2 * stats.t.sf(abs(value) / error, n - 1)) if error > 0 else float(value == 0)
    return PairedDifference(
        Interval(value, value - certain * error, value + certain * error),
        n,
        p,
        seen * error,
        seen * limit,
        int(np.median(sessions)),
    )


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979): the k-th smallest of n counts n - k + 1 times."""
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)))
    found = np.empty(len(p))
    found[order] = adjusted
    return [float(value) for value in found]


def verdict(difference: float, adjusted: float) -> Verdict:
    """What a difference and its adjusted p-value say of the left one, where higher is better."""
    if adjusted >= LEVEL:
        return "not told apart"
    return "better" if difference > 0 else "worse"
