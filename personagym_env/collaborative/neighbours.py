"""Item neighbours: kNN on rating residuals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.collaborative.similarity import DENSE_ROWS, CommonColumns, nearest, nearest_of_common
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.fit_cache.kept import kept

PAIRS_AT_ONCE = 2**16
"""Pairs whose neighbours are in memory at once."""


@dataclass(frozen=True)
class NeighbourSettings:
    """Hyper-parameters of `fit_neighbours`; `benchmarks/ablations/classical_users.py` prints how they were chosen."""

    neighbours: int = 80
    """Most similar items that are kept for each item."""
    shrinkage: float = 100.0
    """Common raters at which a similarity counts half."""
    damping: float = 0.5
    """Similarity that is added to the sum of weights, which pulls an item with few known neighbours to its bias."""

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, got {self.neighbours}")
        for name in ("shrinkage", "damping"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False, repr=False)
class NeighbourModel:
    """Bias plus the weighted mean of the user's residuals on the item's neighbours.

    Koren, "Factor in the neighbors" (TKDD 2010), section 2.2. Memory: 16 bytes per rating and 8 m `neighbours` bytes of
    similarities.
    """

    bias: FactorModel
    residuals: sparse.csr_array
    """(u, m) ratings less bias."""
    rated: sparse.csr_array
    """(u, m) 1 where there is a rating."""
    similarities: sparse.csr_array
    """(m, m) column i holds the weights of item i's neighbours."""
    damping: float

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the bias."""
        expected = self.bias.predict(users)
        total = (self.residuals[users] @ self.similarities).toarray()
        weight = (self.rated[users] @ self.similarities).toarray()
        return Opinion((expected.mean + total / (weight + self.damping)).astype(np.float32), expected.variance)

    def means_at(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
        """(n,) see `RatingModel.means_at`."""
        by_item = self.similarities.T.tocsr()
        parts = []
        for begin in range(0, len(users), PAIRS_AT_ONCE):
            block = slice(begin, begin + PAIRS_AT_ONCE)
            weights = by_item[items[block]]
            total, weight = (part[users[block]].multiply(weights).sum(axis=1) for part in (self.residuals, self.rated))
            parts.append(total / (weight + self.damping))
        found = np.concatenate(parts) if parts else np.zeros(0)
        return np.asarray(self.bias.means_at(users, items) + found, np.float32)


@kept(NeighbourModel, FactorModel)
def fit_neighbours(log: Interactions, settings: NeighbourSettings | None = None) -> NeighbourModel:
    """Fit item-kNN on residuals: cosine over common raters, shrunk by their number, negative similarities dropped.

    Raises:
        ValueError: the log has no rows.
    """
    settings = NeighbourSettings() if settings is None else settings
    bias = fit_factors(log, FactorSettings(rank=0))
    expected = bias.global_mean + bias.user_bias[log.users] + bias.item_bias[log.items]
    residual = (log.ratings - expected).astype(np.float32)
    residuals = log.matrix(residual)
    raters = CommonColumns(residuals.T.tocsr())

    def similarity(rows: slice) -> FloatArray:
        return raters(rows).shrunk(settings.shrinkage)

    if log.n_items <= DENSE_ROWS:
        similar = nearest(similarity, log.n_items, settings.neighbours)
    else:
        similar = nearest_of_common(
            lambda rows: raters.shrunk(rows, settings.shrinkage), log.n_items, settings.neighbours
        )
    similarities = similar.T.tocsr()
    return NeighbourModel(bias, residuals, raters.known.T.tocsr(), similarities, settings.damping)
