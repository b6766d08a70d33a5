"""Bootstrap over users: every figure of a leaderboard is computed once on the sample and again on each resample.

A resample is a row of weights that says how often each user was drawn, and row 0 is the sample itself. Whatever is
compared is computed from the same rows, so differences, rank correlations and regrets come out paired. Shapes: b rows
of weights (1 + resamples), u users, c recommenders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy import stats

from personagym_env.data.tables import BoolArray, FloatArray, IntArray


class Interval(NamedTuple):
    """An estimate and its bootstrap interval; the bounds are NaN where a figure has none."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f}" if np.isnan(self.low) else f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Statistic(Protocol):
    """A figure that can be computed from any resample of the users."""

    def resampled(self, weights: FloatArray) -> FloatArray:
        """The figure under each row of weights.

        Args:
            weights: (b, u) how often each user was drawn.

        Returns:
            (b,) the figure; NaN where a resample holds no user that it is defined for.
        """


def _divide(numerator: FloatArray, denominator: FloatArray, otherwise: float) -> FloatArray:
    """Elementwise quotient, `otherwise` where the denominator is not positive."""
    safe = np.where(denominator > 0, denominator, 1.0)
    return np.where(denominator > 0, numerator / safe, otherwise)


@dataclass(frozen=True, eq=False)
class RatioOfSums:
    """A sum over users divided by another: the mean of per-user values, or a rate such as clicks per step."""

    total: FloatArray
    """(u,) numerator of each user; 0 for users outside the figure."""
    count: FloatArray
    """(u,) denominator of each user; 0 for users outside the figure."""

    def __post_init__(self) -> None:
        if self.total.ndim != 1 or self.total.shape != self.count.shape:
            raise ValueError(f"total and count need one shape (u,), got {self.total.shape} and {self.count.shape}")

    @classmethod
    def of_users(cls, users: IntArray, values: FloatArray, n_users: int) -> "RatioOfSums":
        """The mean of `values` (n,), which belong to `users` (n,); a user may own several of them or none."""
        return cls(
            np.bincount(users, values, minlength=n_users).astype(np.float64),
            np.bincount(users, minlength=n_users).astype(np.float64),
        )

    @property
    def per_user(self) -> FloatArray:
        """(u,) each user's own ratio, NaN for users outside the figure."""
        return _divide(self.total, self.count, otherwise=np.nan)

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        return _divide(weights @ self.total, weights @ self.count, otherwise=np.nan)


@dataclass(frozen=True, eq=False)
class RootMeanSquare:
    """The square root of a mean of squares, as in RMSE."""

    squares: RatioOfSums
    """Sums of squared errors over counts of errors."""

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        return np.sqrt(self.squares.resampled(weights))


def user_resamples(n_users: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Draw users with replacement.

    Returns:
        (1 + resamples, n_users) how often each user was drawn; row 0 is all ones, the sample itself.

    Raises:
        ValueError: no users or no resamples asked for.
    """
    if n_users < 1 or resamples < 1:
        raise ValueError(f"a bootstrap needs users and resamples, got n_users={n_users} and resamples={resamples}")
    draws = rng.multinomial(n_users, np.full(n_users, 1 / n_users), size=resamples)
    return np.concatenate([np.ones((1, n_users)), draws.astype(np.float64)])


def interval(samples: FloatArray, level: float = 0.95) -> Interval:
    """Percentile interval (Efron 1979) of a figure whose row 0 is the estimate and whose other rows are resamples.

    Args:
        samples: (b,) the figure under each row of `user_resamples`.
        level: share of the bootstrap distribution inside the interval.
    """
    if samples.ndim != 1 or len(samples) < 2:
        raise ValueError(f"samples need shape (1 + resamples,), got {samples.shape}")
    if np.isnan(samples[1:]).all():
        return Interval(float(samples[0]), np.nan, np.nan)
    low, high = np.nanquantile(samples[1:], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(samples[0]), float(low), float(high))


def point(samples: FloatArray) -> Interval:
    """The estimate alone, for figures such as coverage that a resample with fewer distinct users biases."""
    return Interval(float(samples[0]), np.nan, np.nan)


def over_repetitions(values: FloatArray, level: float = 0.95) -> Interval:
    """Mean and Student's t interval of a figure that was found several times over, each time from fresh randomness.

    Args:
        values: (s,) the figure; NaN where it is not defined.
        level: of the interval.

    Raises:
        ValueError: fewer than two repetitions, which say nothing of their spread.
    """
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"an interval over repetitions needs shape (s,) with s of at least 2, got {values.shape}")
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


NO_INTERVAL = frozenset({"coverage", "ece", "ece_top", "ks", "wasserstein"})
"""Figures that a resample of the users biases, told without an interval: a resample holds fewer distinct items, and
its noise only ever adds to a distance."""


def estimate(figure: str, samples: FloatArray) -> Interval:
    """The interval of a figure by its name, or the estimate alone where resamples are biased."""
    return (point if figure in NO_INTERVAL else interval)(samples)


def stack(statistics: Sequence[Statistic], weights: FloatArray) -> FloatArray:
    """(b, c) one column per statistic."""
    return np.stack([statistic.resampled(weights) for statistic in statistics], axis=1)


def kendall_tau(x: FloatArray, y: FloatArray) -> FloatArray:
    """Kendall's tau-b between the rows of two arrays (Kendall 1945); equals `scipy.stats.kendalltau` row by row.

    SciPy loops over rows, and a bootstrap has thousands of them, so the pairs are compared at once here.

    Args:
        x: (b, c) values of c recommenders.
        y: (b, c) other values of the same recommenders.

    Returns:
        (b,) tau in -1..1; 0 where a row is constant, because it orders nothing.
    """
    if x.shape != y.shape or x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"tau needs two arrays of one shape (b, c) with c of at least 2, got {x.shape} and {y.shape}")
    left, right = np.triu_indices(x.shape[1], 1)
    sign_x, sign_y = np.sign(x[:, left] - x[:, right]), np.sign(y[:, left] - y[:, right])
    untied = np.sqrt(np.abs(sign_x).sum(axis=1) * np.abs(sign_y).sum(axis=1))
    return _divide((sign_x * sign_y).sum(axis=1), untied, otherwise=0.0)


def spearman_rho(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's rank correlation between the rows of two arrays (Spearman 1904), ties at their mean rank.

    Args:
        x: (b, c) values of c recommenders.
        y: (b, c) other values of the same recommenders.

    Returns:
        (b,) rho in -1..1; 0 where a row is constant, because it orders nothing.
    """
    if x.shape != y.shape or x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"rho needs two arrays of one shape (b, c) with c of at least 2, got {x.shape} and {y.shape}")
    left, right = (ranks(values) - (values.shape[1] + 1) / 2 for values in (x, y))
    spread = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return _divide((left * right).sum(axis=1), spread, otherwise=0.0)


def ranks(values: FloatArray) -> FloatArray:
    """(b, c) rank of each recommender within its row, 1 for the lowest value, ties at their mean rank."""
    return np.asarray(stats.rankdata(values, axis=1), np.float64)


def pairwise_accuracy(judge: FloatArray, real: FloatArray, counted: BoolArray | None = None) -> FloatArray:
    """Share of pairs of recommenders that the judge puts in their real order; a pair that it ties counts half.

    Args:
        judge: (b, c) values that the judge gives.
        real: (b, c) real values; pairs that are tied here are left out.
        counted: (c (c - 1) / 2,) which pairs count, in the order of `numpy.triu_indices(c, 1)`; all by default.

    Returns:
        (b,) in 0..1; NaN where no pair is left. Without ties and with all pairs it is (1 + tau) / 2.
    """
    if judge.shape != real.shape or judge.ndim != 2:
        raise ValueError(f"accuracy needs two arrays of one shape (b, c), got {judge.shape} and {real.shape}")
    left, right = np.triu_indices(judge.shape[1], 1)
    said, truth = (np.sign(values[:, left] - values[:, right]) for values in (judge, real))
    asked = (truth != 0) if counted is None else (truth != 0) & counted
    right_order = np.where(said == truth, 1.0, np.where(said == 0, 0.5, 0.0))
    return _divide((right_order * asked).sum(axis=1), asked.sum(axis=1).astype(np.float64), otherwise=np.nan)


def top_regret(judge: FloatArray, real: FloatArray) -> FloatArray:
    """How much real value is lost by taking the recommender that the judge puts first.

    Args:
        judge: (b, c) values that the judge gives.
        real: (b, c) real values.

    Returns:
        (b,) best real value minus the mean real value of the judge's (possibly tied) winners; never negative.
    """
    if judge.shape != real.shape or judge.ndim != 2:
        raise ValueError(f"regret needs two arrays of one shape (b, c), got {judge.shape} and {real.shape}")
    winners = judge == judge.max(axis=1, keepdims=True)
    return np.asarray(real.max(axis=1) - (real * winners).sum(axis=1) / winners.sum(axis=1))


def regret_share(judge: FloatArray, real: FloatArray) -> FloatArray:
    """(b,) `top_regret` as a share of the way from the really worst to the really best recommender."""
    return np.asarray(top_regret(judge, real) / np.maximum(real.max(axis=1) - real.min(axis=1), 1e-12))
