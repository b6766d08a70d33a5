"""Ratings of any scale, told on the scale that a base has learned to read.

A base knows ratings by the words of its own log: a 4 is a good rating there, an 8 is none at all. So ratings are told
by how they stand among the log's: the log's mean is told as the mean that the base has read most, and its spread as
that spread. Evidence and means are told as numbers between the levels, so little of a fine scale is lost; ratings of
the history are told as the nearest level. Limiting case: a log with the base's own mean, spread and scale is told as
it is.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from personagym_env.data.tables import IntArray, Interactions


@dataclass(frozen=True)
class Told:
    """How the ratings of one log are told. r is the number of its ratings."""

    levels: tuple[float, ...]
    """The ratings that answers can be, ascending."""
    values: tuple[float, ...]
    """(r,) what each rating of the log stands for among them, ascending; may lie between or beyond levels."""

    @cached_property
    def level(self) -> IntArray:
        """(r,) place of the nearest level, the lower one of two."""
        distance = np.abs(np.subtract.outer(np.asarray(self.values), np.asarray(self.levels)))
        return np.asarray(distance.argmin(axis=1), np.int64)

    def log(self, log: Interactions) -> Interactions:
        """The log with its ratings as they are told."""
        return Interactions(
            users=log.users,
            items=log.items,
            ratings=np.asarray(self.values, np.float32)[log.rating_index],
            timestamps=log.timestamps,
            n_users=log.n_users,
            n_items=log.n_items,
            scale=tuple(float(value) for value in np.asarray(self.values, np.float32)),
        )


def fit_told(train: Interactions, levels: tuple[float, ...], mean: float, spread: float) -> Told:
    """Tell ratings by how they stand among the training rows.

    Args:
        train: rows whose mean and spread are told as the base's.
        levels: ratings that answers can be.
        mean: of the ratings that the base has read.
        spread: their standard deviation.

    Raises:
        ValueError: there is no row.
    """
    if not len(train):
        raise ValueError("how ratings are told is read off training rows, and there are none")
    ratings = train.ratings.astype(np.float64)
    own = float(ratings.std())
    # Where all rated alike, the steps of the scale are all that is known of how far ratings can lie apart.
    widest = train.scale[-1] - train.scale[0]
    slope = spread / own if own > 0 else (levels[-1] - levels[0]) / widest if widest > 0 else 1.0
    return Told(levels, tuple(float(mean + slope * (value - ratings.mean())) for value in train.scale))
