"""What a log says about its items in general and its users in particular, in numbers: crowd statistics and traits.

Shapes: u users, m items, g genres. Every figure comes from the rows that are given, so give training rows only.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

CROWD_PRIOR = 5.0
"""Ratings at the global mean that every item's mean is shrunk by."""
TRAIT_PRIOR = 5.0
"""Ratings at the average that every user's strictness and conformity are shrunk by."""
LIFT_PRIOR = 8.0
"""Ratings at no preference that every user's taste for a genre is shrunk by."""
RECENT_ROWS = 10
"""A user's last so many ratings are the short term."""


class Crowd(NamedTuple):
    """What everybody together thinks of the items."""

    counts: IntArray
    """(m,) ratings."""
    means: FloatArray
    """(m,) mean rating, shrunk towards the global mean."""
    global_mean: float

    def without_own(self, log: Interactions) -> tuple[IntArray, FloatArray]:
        """(n,) count and mean of each row's item as the other rows have it, for rows that are part of this crowd."""
        count = self.counts[log.items] - 1
        total = self.means[log.items] * (self.counts[log.items] + CROWD_PRIOR) - log.ratings
        return count, total / (count + CROWD_PRIOR)


def crowd_statistics(log: Interactions) -> Crowd:
    """Count and shrunk mean of each item's ratings."""
    count = np.bincount(log.items, minlength=log.n_items)
    global_mean = float(log.ratings.mean()) if len(log) else float(np.mean(log.scale))
    means = shrunk_mean(log.items, log.ratings, log.n_items, CROWD_PRIOR, towards=global_mean)
    return Crowd(count, means, global_mean)


class Traits(NamedTuple):
    """What is particular about users."""

    activity: IntArray
    """(u,) ratings given."""
    strictness: FloatArray
    """(u,) how far the user's ratings lie below the crowd's means on the same items, in rating points, shrunk."""
    spread: FloatArray
    """(u,) standard deviation of the user's ratings around the crowd's means, shrunk to the average of all rows."""
    conformity: FloatArray
    """(u,) average distance of all users from the crowd less this user's, in rating points; above 0 conforms more."""
    popularity: FloatArray
    """(u,) mean of log(1 + ratings that the consumed items have)."""
    diversity: FloatArray
    """(u,) entropy of `genre_share` over the largest possible, in 0..1."""
    genre_share: FloatArray
    """(u, g) share of each genre in what the user consumed (an item's genres share its weight)."""
    genre_lift: FloatArray
    """(u, g) how far the user rates a genre above what strictness and the crowd expect, in rating points, shrunk."""
    recent_share: FloatArray
    """(u, g) `genre_share` over the last `RECENT_ROWS` ratings."""
    recent_lift: FloatArray
    """(u, g) `genre_lift` over the last `RECENT_ROWS` ratings."""


def _sum_by_user(values: npt.NDArray[np.floating], log: Interactions) -> FloatArray:
    """(u,) sum of (n,) row values over each user's rows."""
    total = np.append(0.0, np.cumsum(values, dtype=np.float64))
    return np.asarray(total[log.indptr[1:]] - total[log.indptr[:-1]])


def _sum_by_user_and_genre(values: FloatArray, log: Interactions, genres: FloatArray) -> FloatArray:
    """(u, g) sum of (n,) row values over each user's rows, each spread over its item's genres (m, g).

    Genre by genre: an array of rows by genres would be the largest of all in a long log. Documents name genres in the
    order of these sums, and ties in it stand as rounding leaves them; so another way of adding is another document.
    """
    total = np.empty((log.n_users, genres.shape[1]))
    for genre in range(genres.shape[1]):
        total[:, genre] = _sum_by_user(genres[log.items, genre] * values, log)
    return total


def _share(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9))


def user_traits(log: Interactions, catalogue: Catalogue, crowd: Crowd | None = None) -> Traits:
    """Traits of each user of a log.

    Args:
        log: rows to describe; a user without rows gets the traits of nobody in particular.
        catalogue: the log's items.
        crowd: crowd statistics to compare with, those of the log itself by default (each row then leaves its own
            rating out of the crowd's mean).
    """
    if crowd is None:
        crowd = crowd_statistics(log)
        residual = log.ratings - crowd.without_own(log)[1]
    else:
        residual = log.ratings - crowd.means[log.items]
    count = log.counts
    offset = _sum_by_user(residual, log) / (count + TRAIT_PRIOR)
    distance = _sum_by_user(np.abs(residual), log)
    average_distance = float(np.abs(residual).mean()) if len(log) else 0.0
    variance = float(residual.var()) if len(log) else 1.0
    centred = residual - offset[log.users]
    square = _sum_by_user(centred**2, log)
    has_genre = catalogue.genres.astype(np.float64)
    every = np.ones(len(log))
    recent = (log.indptr[log.users + 1] - np.arange(len(log)) <= RECENT_ROWS).astype(np.float64)

    def share_of(rows: FloatArray) -> FloatArray:
        return _share(_sum_by_user_and_genre(rows, log, catalogue.genre_shares))

    def lift_of(rows: FloatArray) -> FloatArray:
        count = _sum_by_user_and_genre(rows, log, has_genre)
        return np.asarray(_sum_by_user_and_genre(rows * centred, log, has_genre) / (count + LIFT_PRIOR))

    share = share_of(every)
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)
    log_count = np.log1p(crowd.counts[log.items])
    return Traits(
        activity=count,
        strictness=-offset,
        spread=np.sqrt((square + TRAIT_PRIOR * variance) / (count + TRAIT_PRIOR)),
        conformity=average_distance - (distance + TRAIT_PRIOR * average_distance) / (count + TRAIT_PRIOR),
        popularity=_sum_by_user(log_count, log) / np.maximum(count, 1),
        diversity=entropy / max(np.log(max(len(catalogue.genre_names), 2)), 1e-9),
        genre_share=share,
        genre_lift=lift_of(every),
        recent_share=share_of(recent),
        recent_lift=lift_of(recent),
    )


def profile_features(traits: Traits) -> npt.NDArray[np.float32]:
    """(u, 6 + 2g) the traits as one row of finite numbers of order 1 per user, for policies and clustering.

    Columns: log activity, strictness, spread, conformity, popularity, diversity, then genre shares and genre lifts.
    """
    columns = [
        np.log1p(traits.activity) / 5,
        traits.strictness,
        traits.spread,
        traits.conformity,
        traits.popularity / 5,
        traits.diversity,
    ]
    return np.concatenate([np.stack(columns, axis=1), traits.genre_share, traits.genre_lift], axis=1).astype(np.float32)
