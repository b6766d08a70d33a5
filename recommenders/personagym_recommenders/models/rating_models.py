"""Recommenders that rank by the rating they predict: bias, matrix factorisation, user-kNN, and content (genres).

All stand on the same residuals: a rating less the mean of all, less shrunk biases of its item and its user. Shapes:
n rows, u users, m items, f factors, g genres. What happens in the session changes no prediction.
"""

from abc import abstractmethod

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.least_squares import fit_least_squares
from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.collaborative.similarity import CommonColumns
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import Observation
from personagym_recommenders.base import ScoringRecommender

_BLOCK_USERS = 256


class _OnBias(ScoringRecommender):
    """Shared: the item bias, which everybody's score starts from, and the residuals that taste has to explain."""

    item_bias_: FloatArray
    """(m,) rating points above the average item."""

    def __init__(self, strength: float) -> None:
        if strength <= 0:
            raise ValueError(f"strength must be above 0, got {strength}")
        self.strength = strength

    def residuals(self, log: Interactions) -> FloatArray:
        """(rows,) what is left of each rating; learns the item bias.

        Biases are means shrunk towards 0 as if by `strength` rows without bias, items first, then users, as in Koren,
        "Factor in the Neighbors" (ACM TKDD 2010), section 2.1.

        Raises:
            ValueError: the log is empty.
        """
        if not len(log):
            raise ValueError(f"{self.name} learns from ratings, and the log has no rows")
        left = log.ratings - log.ratings.mean(dtype=np.float64)
        self.item_bias_ = shrunk_mean(log.items, left, log.n_items, self.strength)
        left = left - self.item_bias_[log.items]
        return np.asarray(left - shrunk_mean(log.users, left, log.n_users, self.strength)[log.users])

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) expected rating, up to a number that is the same for all items of a user."""
        return self.item_bias_ + self.taste(observation["user"])

    @abstractmethod
    def taste(self, users: IntArray) -> FloatArray:
        """(n, m) expected residuals of users (n,)."""


class MatrixFactorisation(_OnBias):
    """Biases plus an inner product of factors, fitted to residuals by alternating least squares.

    See `personagym_env.collaborative.least_squares`. Unlike the factor model of the classical users, which tunes its
    own regularisation, this one can be fitted too much or too little. Limiting case: under a large penalty only the
    item bias is left.

    Args:
        rank: length of the factors, at least 1.
        regularisation: of factors, in squared rating points, above 0.
        sweeps: rounds over users and items, at least 1; few leave the model undertrained.
        strength: rows without bias that biases are shrunk by.
        seed: of the random start.
    """

    user_factors_: FloatArray
    """(u, f)"""
    item_factors_: FloatArray
    """(m, f)"""

    def __init__(
        self, rank: int = 8, regularisation: float = 8.0, sweeps: int = 12, strength: float = 5.0, seed: int = 0
    ) -> None:
        super().__init__(strength)
        if rank < 1 or sweeps < 1:
            raise ValueError(f"rank and sweeps must be at least 1, got {rank} and {sweeps}")
        if regularisation <= 0:
            raise ValueError(f"regularisation must be above 0, got {regularisation}")
        self.rank = rank
        self.regularisation = regularisation
        self.sweeps = sweeps
        self.seed = seed

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Alternate between users and items."""
        rng = np.random.default_rng(self.seed)
        totals, counts = log.matrix(self.residuals(log)), log.matrix(np.ones(len(log)))
        found = fit_least_squares(totals, counts, self.rank, self.regularisation, self.sweeps, rng)
        self.user_factors_, self.item_factors_ = found

    def taste(self, users: IntArray) -> FloatArray:
        """(n, m) inner products."""
        return np.asarray(self.user_factors_[users] @ self.item_factors_.T)


class UserKNN(_OnBias):
    """What similar users thought: residuals of the nearest users who rated the item, weighted by similarity.

    Similarity is the cosine of two users' residuals over the items of both (Pearson's correlation, up to the centring
    that the biases did), shrunk by n / (n + shrinkage) where n items are shared: Herlocker et al., "An Algorithmic
    Framework for Performing Collaborative Filtering" (SIGIR 1999). Limiting case: without neighbours who rated an item,
    its bias is left.

    Args:
        neighbours: most users who have a say, at least 1; only similarities above 0 count.
        shrinkage: shared items at which a similarity counts half, at least 0; also shrinks predictions that few
            neighbours carry.
        strength: rows without bias that biases are shrunk by.
    """

    residual_: sparse.csr_array
    """(u, m)"""
    rated_: sparse.csr_array
    """(u, m) 1 where there is a residual, which may itself be 0."""

    def __init__(self, neighbours: int = 80, shrinkage: float = 10.0, strength: float = 5.0) -> None:
        super().__init__(strength)
        if neighbours < 1 or shrinkage < 0:
            raise ValueError(f"neighbours must be at least 1 and shrinkage 0, got {neighbours} and {shrinkage}")
        self.neighbours = neighbours
        self.shrinkage = shrinkage

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Keep the residuals."""
        self.residual_ = log.matrix(self.residuals(log))
        self.rated_ = log.matrix(np.ones(len(log)))

    def taste(self, users: IntArray) -> FloatArray:
        """(n, m) weighted means of the neighbours' residuals."""
        found = np.empty((len(users), self.rated_.shape[1]))
        for first in range(0, len(users), _BLOCK_USERS):
            similar = self.similarity(users[first : first + _BLOCK_USERS])
            # One similarity of 1 and no other is thin evidence, so predictions are shrunk as if by a stranger without
            # any opinion.
            found[first : first + len(similar)] = (similar @ self.residual_) / (similar @ self.rated_ + 1.0)
        return found

    def similarity(self, users: IntArray) -> npt.NDArray[np.float64]:
        """(b, u) similarities of the nearest users, the rest 0; nobody is their own neighbour."""
        similar = np.maximum(CommonColumns(self.residual_)(users).shrunk(self.shrinkage), 0.0)
        similar[np.arange(len(users)), users] = 0
        if self.neighbours < similar.shape[1]:
            least = np.partition(similar, -self.neighbours, axis=1)[:, -self.neighbours, None]
            similar[similar < least] = 0
        return np.asarray(similar)


class GenreTaste(_OnBias):
    """Content-based: how much more than others a user liked the genres of an item.

    A user's affinity to a genre is the mean residual of the user's rows in it, shrunk as if by `shrinkage` rows without
    taste; an item's score is the mean affinity to its genres. Where an item has no genres its bias is left.

    Args:
        shrinkage: rows without taste, above 0.
        quality: whether the item bias is added; False leaves content alone.
        strength: rows without bias that biases are shrunk by.
    """

    affinity_: FloatArray
    """(u, g)"""
    genres_: FloatArray
    """(m, g) rows sum to 1, or to 0 without genres."""

    def __init__(self, shrinkage: float = 5.0, quality: bool = False, strength: float = 5.0) -> None:
        super().__init__(strength)
        if shrinkage <= 0:
            raise ValueError(f"shrinkage must be above 0, got {shrinkage}")
        self.shrinkage = shrinkage
        self.quality = quality

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Take the shrunk means."""
        genres = catalogue.genres.astype(np.float64)
        total = np.asarray(log.matrix(self.residuals(log)) @ genres)
        count = np.asarray(log.matrix(np.ones(len(log))) @ genres)
        self.affinity_ = total / (count + self.shrinkage)
        self.genres_ = catalogue.genre_shares
        if not self.quality:
            self.item_bias_ = np.zeros(log.n_items)

    def taste(self, users: IntArray) -> FloatArray:
        """(n, m) mean affinities."""
        return np.asarray(self.affinity_[users] @ self.genres_.T)
