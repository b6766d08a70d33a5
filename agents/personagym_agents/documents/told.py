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

from personagym_env.data.tables import FloatArray, IntArray, Interactions


@dataclass(frozen=True)
class Told:
    """How the ratings of one log are told. r is the number of its ratings."""

    ratings: tuple[float, ...]
    """(r,) the scale of the log."""
    levels: tuple[float, ...]
    """(l,) what answers can be, ascending."""
    values: tuple[float, ...]
    """(r,) what each rating of the log stands for among them, ascending; may lie between or beyond levels."""

    @cached_property
    def level(self) -> IntArray:
        """(r,) place of the nearest level, the lower one of two."""
        distance = np.abs(np.subtract.outer(np.asarray(self.values), np.asarray(self.levels)))
        return np.asarray(distance.argmin(axis=1), np.int64)

    @cached_property
    def target(self) -> FloatArray:
        """(r, l) what each rating is as an answer: its level, or the two that it lies between, the nearer one more."""
        levels = np.asarray(self.levels)
        place = np.interp(self.values, levels, np.arange(len(levels)))
        return np.asarray(np.maximum(0.0, 1 - np.abs(np.subtract.outer(place, np.arange(len(levels))))))

    def as_ratings(self, answers: FloatArray) -> FloatArray:
        """(..., r) distributions over the log's ratings that read like (..., l) answers in levels: `target` undone.

        Limiting case: where ratings are told apart by their levels, what `target` makes of a distribution over ratings
        gives that distribution back.
        """
        found = np.maximum(answers @ np.linalg.pinv(self.target), 1e-9)
        return np.asarray(found / found.sum(axis=-1, keepdims=True))

    @property
    def exact(self) -> bool:
        """Whether every rating of the log is a level of its own, and every level a rating."""
        return len(self.values) == len(self.levels) and bool((self.level == np.arange(len(self.levels))).all())

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


LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
"""What a base that travels answers in."""
_MEAN, _SPREAD = 3.53, 1.13
"""That all logs are told with: those of MovieLens-100K, where levels are ratings."""
_ALIKE = 0.05
"""Levels by which ratings may miss them and yet be told as they are."""


def fit_told(
    train: Interactions, levels: tuple[float, ...] = LEVELS, mean: float = _MEAN, spread: float = _SPREAD
) -> Told:
    """Tell ratings by how they stand among the training rows.

    Args:
        train: rows whose mean and spread are told as those of every log.
        levels: ratings that answers can be.
        mean: that ratings are told with.
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
    told = Told(train.scale, levels, tuple(float(mean + slope * (value - ratings.mean())) for value in train.scale))
    alike = told.exact and bool(np.allclose(told.values, levels, atol=_ALIKE))
    return Told(train.scale, levels, levels) if alike else told
