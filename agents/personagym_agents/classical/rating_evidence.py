"""What a training log says about a rating before it is given, as numbers that a regression can read.

Evidence is read off a log by `fit_evidence`; `cross_fitting` reads it for the log's own rows, each by the other rows
alone. Shapes: n rows, b users, m items, f columns, g genres.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.corrections import Corrections, fit_corrections
from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import NeighbourModel, fit_neighbours
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

Columns = npt.NDArray[np.float32]

MOST_GENRES = 32
"""Genres with a column of their own at most, the most frequent ones."""
_RANKS = (3, 8, 16)
"""Factor models of several ranks: they err differently."""
PAIR_COLUMNS = (
    *("bias", "knn", "support"),
    *(f"mf{rank}" for rank in _RANKS),
    *("bias variance", "variance", "taste"),
    *Corrections.COLUMNS,
)
"""What `RatingEvidence.pairs` tells: what user and item means, item neighbours and factor models expect; the summed
similarity of the neighbours; how unsure the means and the factor model of highest rank are; the user's residual on the
item's genres; and `Corrections`."""
PEERS = slice(3, 3 + len(_RANKS))
"""Columns of what factor models expect."""
_WINDOWS = (5, 20)
"""Latest ratings whose mean residual tells the user's present mood."""
EVIDENCE_COLUMNS = (
    *PAIR_COLUMNS,
    *("user mean", "user count", "user spread"),
    *(f"mood{window}" for window in _WINDOWS),
    *("item mean", "item count", "item spread", "year"),
)
"""Columns of `RatingEvidence.features`, which genres follow."""
_PRIOR = 5.0
"""Ratings of average residual that every mean is shrunk by."""


@dataclass(frozen=True, eq=False)
class RatingEvidence:
    """Fitted by `fit_evidence`."""

    neighbours: NeighbourModel
    factors: tuple[FactorModel, ...]
    corrections: Corrections
    of_user: Columns
    """(u, 3) mean, log count and spread of ratings; NaN of a user without any."""
    of_item: Columns
    """(m, 4 + genres) mean, log count and spread of ratings, NaN of an item without any, year, then which genres."""
    taste: Columns
    """(u, g) mean residual of the user's ratings on each genre."""
    genre_shares: Columns
    """(m, g)"""
    mood: Columns
    """(u, w) mean residual of the user's latest ratings."""

    def features(self, users: IntArray) -> Columns:
        """(b, m, f) evidence on every item."""
        pairs = self.pairs(users)
        own = np.concatenate([self.of_user[users], self.mood[users]], axis=1)
        shape = pairs.shape[:2]
        spread = [np.broadcast_to(own[:, None], (*shape, own.shape[1]))]
        spread += [np.broadcast_to(self.of_item, (*shape, self.of_item.shape[1]))]
        return np.concatenate([pairs, *spread], axis=-1, dtype=np.float32)

    def at(self, users: IntArray, items: IntArray, mood: Columns) -> Columns:
        """(n, f) evidence on n pairs, with the mood (n, w) that each user was in."""
        pairs = at_pairs(self.pairs, users, items, len(self.of_item))
        return np.concatenate([pairs, self.of_user[users], mood, self.of_item[items]], axis=1, dtype=np.float32)

    def mood_before(self, log: Interactions, rows: IntArray, known: IntArray) -> Columns:
        """(n, w) the moods of the users of (n,) rows of a log when they had (n,) of their rows."""
        return _moods(_residuals(self.neighbours.bias, log), log, log.users[rows], known)

    def pairs(self, users: IntArray) -> Columns:
        """(b, m, p) what is known of user and item together, a column for each of `PAIR_COLUMNS`."""
        neighbours = self.neighbours
        bias = neighbours.bias.predict(users)
        known = (neighbours.rated[users] @ neighbours.similarities).toarray()
        opinions = [model.predict(users) for model in self.factors]
        pairs = [bias.mean, neighbours.predict(users).mean, known, *(opinion.mean for opinion in opinions)]
        pairs += [bias.variance, opinions[-1].variance, self.taste[users] @ self.genre_shares.T]
        return np.concatenate([np.stack(pairs, axis=-1), self.corrections(users)], axis=-1, dtype=np.float32)


def fit_evidence(log: Interactions, catalogue: Catalogue | None = None) -> RatingEvidence:
    """Read evidence off a log.

    Args:
        log: rows that may be known.
        catalogue: of the log's items; without it, years and genres are no evidence.

    Raises:
        ValueError: the log has no rows.
    """
    neighbours = fit_neighbours(log)
    shares = np.zeros((log.n_items, 0)) if catalogue is None else catalogue.genre_shares
    years = np.zeros(log.n_items) if catalogue is None else catalogue.years
    residual = _residuals(neighbours.bias, log)
    genres = shares[:, np.argsort(-shares.sum(axis=0), kind="stable")[:MOST_GENRES]] > 0
    by_genre = log.matrix(residual) @ shares, log.matrix(np.ones(len(log))) @ shares
    return RatingEvidence(
        neighbours,
        tuple(fit_factors(log, FactorSettings(rank=rank)) for rank in _RANKS),
        fit_corrections(log, residual, neighbours.similarities, catalogue),
        _moments(log.users, log.ratings, log.n_users),
        np.column_stack([_moments(log.items, log.ratings, log.n_items), years, genres]).astype(np.float32),
        np.asarray(by_genre[0] / (by_genre[1] + _PRIOR), np.float32),
        shares.astype(np.float32),
        _moods(residual, log, np.arange(log.n_users), log.counts),
    )


def _residuals(bias: FactorModel, log: Interactions) -> FloatArray:
    """(n,) ratings less what user and item bias expect."""
    return np.asarray(log.ratings - bias.global_mean - bias.user_bias[log.users] - bias.item_bias[log.items])


def _moments(index: IntArray, ratings: FloatArray, size: int) -> Columns:
    """(size, 3) shrunk mean, log count and spread of the ratings of each user, or of each item; NaN without ratings."""
    centred = ratings - ratings.mean(dtype=np.float64)
    count = np.bincount(index, minlength=size)
    total = np.bincount(index, centred, minlength=size)
    square = np.bincount(index, centred**2, minlength=size)
    mean = total / (count + _PRIOR)
    variance = (square + _PRIOR * float((centred**2).mean())) / (count + _PRIOR) - mean**2
    moments = np.column_stack([mean, np.log1p(count), np.sqrt(np.maximum(variance, 0))])
    return np.where(count[:, None] > 0, moments, np.nan).astype(np.float32)


def _moods(residual: FloatArray, log: Interactions, users: IntArray, known: IntArray) -> Columns:
    """(n, w) shrunk mean of each user's latest residuals among the first `known` rows; 0 where a log has no order."""
    if log.timestamps is None:
        return np.zeros((len(users), len(_WINDOWS)), np.float32)
    summed = np.concatenate([[0.0], np.cumsum(residual, dtype=np.float64)])
    end = log.indptr[users] + known
    moods = [
        (summed[end] - summed[np.maximum(end - window, log.indptr[users])]) / (np.minimum(known, window) + _PRIOR)
        for window in _WINDOWS
    ]
    return np.stack(moods, axis=-1).astype(np.float32)
