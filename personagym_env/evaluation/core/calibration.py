"""Do chances come true? Expected calibration error and reliability of rating distributions.

Shapes: n held-out rows, r ratings of the scale, u users, t kinds of event, c bins, b resamples.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions

BINS = 15
"""Bins of equal width over 0..1, as in Guo et al. (2017)."""


@dataclass(frozen=True, eq=False)
class CalibrationError:
    """Expected calibration error, a `Statistic` that is no mean over users: errors cancel within a bin, then add up.

    ECE = sum over bins of (rows in the bin / rows) * |mean predicted chance - share that happened|, equation 3 of Guo
    et al., *On Calibration of Modern Neural Networks* (ICML 2017); the mean over kinds of event where there are
    several. Limiting cases: 0 for certain and right, 1 for certain and wrong.
    """

    excess: FloatArray
    """(u, t, c) sum over a user's rows in each bin of the predicted chance less 1 where the event happened."""
    count: FloatArray
    """(u, t, c) rows in each bin."""

    @classmethod
    def of_events(cls, users: IntArray, chance: FloatArray, happened: BoolArray, n_users: int) -> "CalibrationError":
        """From the chances (n, t) of events, and whether they happened; rows belong to `users` (n,)."""
        kinds = chance.shape[1]
        cell = (users[:, None] * kinds + np.arange(kinds)) * BINS + _bin(chance)
        shape = (n_users, kinds, BINS)
        size = n_users * kinds * BINS
        excess = np.bincount(cell.ravel(), (chance - happened).ravel(), minlength=size)
        count = np.bincount(cell.ravel(), minlength=size)
        return cls(excess.reshape(shape).astype(np.float64), count.reshape(shape).astype(np.float64))

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) see `Statistic`."""
        users, *cells = self.count.shape
        excess, count = ((weights @ part.reshape(users, -1)).reshape(-1, *cells) for part in (self.excess, self.count))
        rows = count.sum(axis=2)
        error = np.abs(excess).sum(axis=2) / np.where(rows > 0, rows, np.nan)
        return np.asarray(error.mean(axis=1))


def threshold_error(distributions: FloatArray, test: Interactions) -> CalibrationError:
    """Calibration of the whole distribution: the mean over the scale's steps s of the ECE of P(rating >= s).

    Rating scales are ordered, so the events are the steps of the cumulative distribution, as calibration of
    distributions over numbers is defined by Kuleshov et al., *Accurate Uncertainties for Deep Learning Using
    Calibrated Regression* (ICML 2018), binned as above. The lowest step, which is certain, is left out.
    """
    return CalibrationError.of_events(test.users, *_steps(distributions, test.rating_index), test.n_users)


def top_label_error(distributions: FloatArray, test: Interactions) -> CalibrationError:
    """Calibration of the likeliest rating alone, Guo et al.'s original: is it right as often as it is sure?"""
    top = distributions.argmax(axis=1)
    right = (top == test.rating_index)[:, None]
    return CalibrationError.of_events(test.users, distributions.max(axis=1, keepdims=True), right, test.n_users)


class Reliability(NamedTuple):
    """A reliability diagram; bins without rows are left out."""

    chance: tuple[float, ...]
    """Mean predicted chance of each bin."""
    happened: tuple[float, ...]
    """Share of each bin that happened."""
    size: tuple[int, ...]
    """Events of each bin."""


def reliability(distributions: FloatArray, rating_index: IntArray) -> Reliability:
    """The events of `threshold_error`, all steps together; distributions are (n, r), ratings given (n,)."""
    chance, happened = _steps(distributions, rating_index)
    place = _bin(chance).ravel()
    size = np.bincount(place, minlength=BINS)
    filled = np.flatnonzero(size)
    mean_chance, mean_happened = (
        np.bincount(place, values.ravel(), minlength=BINS)[filled] / size[filled] for values in (chance, happened)
    )
    return Reliability(tuple(mean_chance.tolist()), tuple(mean_happened.tolist()), tuple(size[filled].tolist()))


def _steps(distributions: FloatArray, rating_index: IntArray) -> tuple[FloatArray, BoolArray]:
    """(n, r - 1) chance that the rating reaches each step of the scale but the lowest, and whether it does."""
    reach = np.cumsum(distributions[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.clip(reach, 0, 1), np.asarray(rating_index[:, None] >= np.arange(1, distributions.shape[1]))


def _bin(chance: FloatArray) -> IntArray:
    return np.minimum((chance * BINS).astype(np.int64), BINS - 1)
