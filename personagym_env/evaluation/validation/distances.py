"""How far two logs are apart in one respect, computed anew on every resample of the users.

A log's respect is kept per user, so that a resample is a row of weights. Shapes: b rows of weights (1 + resamples),
u users, x points of the support.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.metrics import gini
from personagym_env.evaluation.core.statistics import Interval, interval

_ROWS_AT_ONCE = 64


class Respect(Protocol):
    """One respect of a log."""

    @property
    def support(self) -> FloatArray:
        """(x,) ascending, the same for logs that are compared."""

    def curve(self, weights: FloatArray) -> FloatArray:
        """(b, x) what is compared point by point: shares that sum to 1, or means; NaN where there is nothing."""

    def level(self, weights: FloatArray) -> FloatArray:
        """(b,) one number that sums the respect up."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """How often each value occurs."""

    support: FloatArray
    """(x,) the values."""
    counts: FloatArray
    """(u, x) occurrences."""

    def curve(self, weights: FloatArray) -> FloatArray:
        """(b, x) share of each value."""
        total = weights @ self.counts
        rows = total.sum(axis=1, keepdims=True)
        return np.asarray(total / np.where(rows > 0, rows, np.nan))

    def level(self, weights: FloatArray) -> FloatArray:
        """(b,) the mean."""
        return np.asarray(self.curve(weights) @ self.support)


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """Lengths of sessions, also of those that were seen in part.

    The product-limit estimator (Kaplan and Meier 1958) from rows: a session that began before the log enters late, one
    that the log cuts off leaves early, and either counts at the lengths at which it was seen.
    """

    at_risk: FloatArray
    """(u, l) rows at each position 1..l of a session."""
    ends: FloatArray
    """(u, l) how many of them were the last of their session."""

    @property
    def support(self) -> FloatArray:
        """(l + 1,) lengths; the last stands for everything longer than l."""
        return np.arange(1.0, self.at_risk.shape[1] + 2)

    def curve(self, weights: FloatArray) -> FloatArray:
        """(b, l + 1) share of sessions of each length."""
        seen = weights @ self.at_risk
        hazard = (weights @ self.ends) / np.where(seen > 0, seen, 1.0)
        alive = np.cumprod(1 - hazard, axis=1)
        before = np.concatenate([np.ones((len(weights), 1)), alive[:, :-1]], axis=1)
        shares = np.concatenate([before * hazard, alive[:, -1:]], axis=1)
        return np.where(seen[:, :1] > 0, shares, np.nan)

    def level(self, weights: FloatArray) -> FloatArray:
        """(b,) the mean length, what is longer than l counting as l + 1."""
        return np.asarray(self.curve(weights) @ self.support)


@dataclass(frozen=True, eq=False)
class Concentration:
    """How unevenly consumption falls on items, most consumed last."""

    consumed: sparse.csr_array
    """(u, m) how often each user consumed each item."""
    support: FloatArray
    """(x,) shares of the catalogue in 0..1, ascending, 1 the last."""

    def curve(self, weights: FloatArray) -> FloatArray:
        """(b, x) the Lorenz curve: share of consumption that falls on the least consumed share of the catalogue."""
        return self._in_blocks(weights, self._lorenz)

    def level(self, weights: FloatArray) -> FloatArray:
        """(b,) the Gini coefficient: 0 if all items are consumed alike, near 1 if one item is everything."""
        return self._in_blocks(weights, gini)

    def _in_blocks(self, weights: FloatArray, figure: Callable[[FloatArray], FloatArray]) -> FloatArray:
        starts = range(0, len(weights), _ROWS_AT_ONCE)
        return np.concatenate([figure(self._sorted(weights[at : at + _ROWS_AT_ONCE])) for at in starts])

    def _sorted(self, weights: FloatArray) -> FloatArray:
        totals = np.sort((self.consumed.T @ weights.T).T, axis=1)
        rows = totals.sum(axis=1, keepdims=True)
        return totals / np.where(rows > 0, rows, np.nan)

    def _lorenz(self, shares: FloatArray) -> FloatArray:
        cumulative = np.concatenate([np.zeros((len(shares), 1)), np.cumsum(shares, axis=1)], axis=1)
        return cumulative[:, np.round(self.support * shares.shape[1]).astype(np.int64)]


@dataclass(frozen=True, eq=False)
class Trend:
    """How ratings move within sessions."""

    support: FloatArray
    """(x,) the first position of each octave: 1, 2, 4, ..."""
    total: FloatArray
    """(u, x) sum, over rows in each octave, of the rating less the user's training mean."""
    count: FloatArray
    """(u, x) rows in each octave."""
    covariance: FloatArray
    """(u,) sum within sessions of rating times binary logarithm of position, both less their mean in the session."""
    variance: FloatArray
    """(u,) the same of the logarithm times itself."""

    def curve(self, weights: FloatArray) -> FloatArray:
        """(b, x) mean over each octave, NaN where no session came so far."""
        count = weights @ self.count
        return np.asarray((weights @ self.total) / np.where(count > 0, count, np.nan))

    def level(self, weights: FloatArray) -> FloatArray:
        """(b,) slope within sessions, in points per doubling of the position; NaN where nothing varies."""
        variance = weights @ self.variance
        return np.asarray((weights @ self.covariance) / np.where(variance > 0, variance, np.nan))


def kolmogorov_smirnov(left: FloatArray, right: FloatArray, support: FloatArray) -> FloatArray:
    """(b,) largest gap of the distribution functions, 0..1; `left` and `right` are shares (b, x)."""
    return np.asarray(np.abs(np.cumsum(left - right, axis=1)).max(axis=1))


def wasserstein(left: FloatArray, right: FloatArray, support: FloatArray) -> FloatArray:
    """(b,) area between the distribution functions, in units of the support (Wasserstein-1)."""
    return np.asarray(np.abs(np.cumsum(left - right, axis=1))[:, :-1] @ np.diff(support))


def total_variation(left: FloatArray, right: FloatArray, support: FloatArray) -> FloatArray:
    """(b,) share of one distribution that would have to move to make the other, 0..1."""
    return np.asarray(np.abs(left - right).sum(axis=1) / 2)


def largest_gap(left: FloatArray, right: FloatArray, support: FloatArray) -> FloatArray:
    """(b,) largest vertical distance of two curves."""
    return np.asarray(np.abs(left - right).max(axis=1))


def mean_gap(left: FloatArray, right: FloatArray, support: FloatArray) -> FloatArray:
    """(b,) mean absolute vertical distance of two curves where both are defined; NaN where none is."""
    gap = np.abs(left - right)
    there = np.isfinite(gap)
    return np.asarray(np.where(there, gap, 0).sum(axis=1) / np.where(there.any(axis=1), there.sum(axis=1), np.nan))


DISTANCES: Mapping[str, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "ks": kolmogorov_smirnov,
    "w1": wasserstein,
    "tv": total_variation,
    "largest gap": largest_gap,
    "mean gap": mean_gap,
}
"""Distances by name."""


def distance_samples(
    name: str, left: Respect, left_weights: FloatArray, right: Respect, right_weights: FloatArray
) -> FloatArray:
    """(b,) a distance under each row of both weights.

    Raises:
        ValueError: the two have different supports.
    """
    if not np.array_equal(left.support, right.support):
        raise ValueError(
            f"distance {name!r} needs one support, got {len(left.support)} and {len(right.support)} points"
        )
    return DISTANCES[name](left.curve(left_weights), right.curve(right_weights), left.support)


def distance_interval(samples: FloatArray, level: float = 0.95) -> Interval:
    """Bootstrap interval of a distance, cut at 0: as far down from the estimate as the upper percentile lies above it.

    Noise only ever adds to a distance, so the resampled ones lie above the estimate as the estimate lies above the
    truth: percentiles alone would never reach down to a true 0. The lower end is that of the basic interval (Davison
    and Hinkley 1997, section 5.2), the upper one the percentile. In simulations it covers 93 to 96 of 100 times, and 85
    times where the truth is exactly 0, for which the floor of two halves of the users is the better test.

    Args:
        samples: (b,) the distance on the sample and on its resamples.
        level: nominal coverage.
    """
    value, _, high = interval(samples, level)
    high = max(value, high)
    return Interval(value, max(0.0, 2 * value - high), high)
