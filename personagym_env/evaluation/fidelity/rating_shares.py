"""Are sampled ratings distributed like real ones on the same pairs?

A rating distribution is what the environment samples from, so the share of each rating among samples is the mean of the
distributions: exact, where a draw would add its own noise. Shapes: n held-out rows, r ratings, u users, b resamples.
"""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import FloatArray, Interactions
from personagym_env.evaluation.core.statistics import RatioOfSums, Statistic

LOW_PART = 0.4
"""The lower two fifths of the scale: one and two stars out of five. People who simulate kindly have too few of them."""


@dataclass(frozen=True, eq=False)
class RatingShares:
    """Simulated and real ratings of the same pairs, counted per user."""

    simulated: FloatArray
    """(u, r) ratings that sampling gives each user on average."""
    real: FloatArray
    """(u, r) ratings that each user gave."""
    scale: tuple[float, ...]

    @classmethod
    def count(cls, distributions: FloatArray, test: Interactions) -> "RatingShares":
        """Count distributions (n, r) and the ratings of the held-out rows that they predict."""
        r = len(test.scale)
        cell = test.users[:, None] * r + np.arange(r)
        real = np.eye(r)[test.rating_index]
        shape = (test.n_users, r)
        simulated, given = (
            np.bincount(cell.ravel(), values.ravel(), minlength=test.n_users * r).reshape(shape).astype(np.float64)
            for values in (distributions, real)
        )
        return cls(simulated, given, test.scale)

    def shares(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(b, r) share of each rating, simulated and real; NaN where a resample holds no rows."""
        simulated, real = weights @ self.simulated, weights @ self.real
        rows = real.sum(axis=1, keepdims=True)
        rows = np.where(rows > 0, rows, np.nan)
        return simulated / rows, real / rows

    def cumulative_gap(self, weights: FloatArray) -> FloatArray:
        """(b, r - 1) distance of the two distribution functions at each rating but the highest, where both are 1."""
        simulated, real = self.shares(weights)
        return np.abs(np.cumsum(simulated - real, axis=1))[:, :-1]

    @property
    def low(self) -> RatioOfSums:
        """Simulated low ratings per real one; 1 is right, below 1 too kind."""
        low = self.low_ratings
        return RatioOfSums(self.simulated[:, low].sum(axis=1), self.real[:, low].sum(axis=1))

    @property
    def low_ratings(self) -> FloatArray:
        """(r,) which ratings count as low."""
        values = np.asarray(self.scale)
        return np.asarray(values <= values[0] + LOW_PART * (values[-1] - values[0]))


@dataclass(frozen=True, eq=False)
class KolmogorovSmirnov:
    """The largest distance between the two distribution functions, a `Statistic` in 0..1."""

    shares: RatingShares

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        return np.asarray(self.shares.cumulative_gap(weights).max(axis=1))


@dataclass(frozen=True, eq=False)
class Wasserstein:
    """The area between the two distribution functions, a `Statistic` in rating points (Wasserstein-1 distance)."""

    shares: RatingShares

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        return np.asarray(self.shares.cumulative_gap(weights) @ np.diff(self.shares.scale))


def share_fidelity(shares: RatingShares) -> dict[str, Statistic]:
    """Distances of the two distributions, and how many low ratings there are for each real one."""
    return {"ks": KolmogorovSmirnov(shares), "wasserstein": Wasserstein(shares), "low": shares.low}
