"""Item neighbours: kNN on rating residuals, and affinity from what is consumed together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_agents.classical.factors import FactorModel, FactorSettings, Opinion, fit_factors
from personagym_env.data.tables import FloatArray, IntArray, Interactions

ITEM_BLOCK = 256
"""Items whose similarities to all others are computed at once: 256 m floats are in memory at a time."""
AFFINITY_FLOOR = 0.02
"""Added to the relative affinity, so that an item without any has a finite logarithm."""


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


def nearest_items(similarity: Callable[[slice], FloatArray], n_items: int, k: int) -> sparse.csr_array:
    """(m, m) similarity of each item (row) to its k most similar others; only similarities above 0 are kept.

    Args:
        similarity: gives the (b, m) similarities of a block of items to all items.
        n_items: m.
        k: others to keep; fewer where fewer are similar.
    """
    k = min(k, n_items)
    indices, values = np.empty((n_items, k), np.int64), np.empty((n_items, k), np.float32)
    for begin in range(0, n_items, ITEM_BLOCK):
        rows = slice(begin, min(begin + ITEM_BLOCK, n_items))
        block = np.array(similarity(rows), np.float32)
        own = np.arange(rows.start, rows.stop)
        block[own - begin, own] = 0.0
        indices[rows] = np.argpartition(-block, k - 1, axis=1)[:, :k]
        values[rows] = np.take_along_axis(block, indices[rows], axis=1)
    nearest = sparse.csr_array(
        (np.maximum(values, 0.0).ravel(), indices.ravel(), k * np.arange(n_items + 1)), shape=(n_items, n_items)
    )
    nearest.eliminate_zeros()
    return nearest


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


def fit_neighbours(log: Interactions, settings: NeighbourSettings | None = None) -> NeighbourModel:
    """Fit item-kNN on residuals: cosine over common raters, shrunk by their number, negative similarities dropped.

    Raises:
        ValueError: the log has no rows.
    """
    settings = NeighbourSettings() if settings is None else settings
    bias = fit_factors(log, FactorSettings(rank=0))
    expected = bias.global_mean + bias.user_bias[log.users] + bias.item_bias[log.items]
    residual = (log.ratings - expected).astype(np.float32)
    residuals, squares = log.matrix(residual), log.matrix(residual**2)
    rated = log.matrix(np.ones(len(log), np.float32))
    by_item = {"residual": residuals.T.tocsr(), "rated": rated.T.tocsr(), "square": squares.T.tocsr()}

    def similarity(rows: slice) -> FloatArray:
        product = (by_item["residual"][rows] @ residuals).toarray()
        common = (by_item["rated"][rows] @ rated).toarray()
        # Each norm runs over the common raters alone: (own squares) x (squares of the other item).
        own, other = (by_item["square"][rows] @ rated).toarray(), (by_item["rated"][rows] @ squares).toarray()
        cosine = product / np.sqrt(np.maximum(own * other, 1e-12))
        return np.asarray(cosine * common / (common + settings.shrinkage))

    nearest = nearest_items(similarity, log.n_items, settings.neighbours)
    return NeighbourModel(bias, residuals, rated, nearest.T.tocsr(), settings.damping)


@dataclass(frozen=True, eq=False, repr=False)
class AffinityModel:
    """How much an item belongs to what a user consumed, whatever the ratings were."""

    consumed: sparse.csr_array
    """(u, m) 1 where there is a rating."""
    similarities: sparse.csr_array
    """(m, m) symmetric up to the choice of neighbours."""

    def log_affinity(self, users: IntArray) -> npt.NDArray[np.float32]:
        """(b, m) log of the summed similarity to the user's items, relative to the user's mean over the catalogue.

        The ratio makes users with short and long logs, and models of smaller and larger logs, comparable. A user
        without rows has affinity 0 for everything.
        """
        total = (self.consumed[users] @ self.similarities).toarray()
        mean = total.mean(axis=1, keepdims=True)
        relative = np.divide(total, mean, out=np.ones_like(total), where=mean > 0)
        return np.asarray(np.log(relative + AFFINITY_FLOOR), np.float32)


def fit_affinity(log: Interactions, neighbours: int = 400, shrinkage: float = 10.0) -> AffinityModel:
    """Cosine between the sets of users of two items, with `shrinkage` users added to the geometric mean."""
    consumed = log.matrix(np.ones(len(log), np.float32))
    by_item = consumed.T.tocsr()
    norm = np.sqrt(np.bincount(log.items, minlength=log.n_items)).astype(np.float32)

    def similarity(rows: slice) -> FloatArray:
        return np.asarray((by_item[rows] @ consumed).toarray() / (norm[rows, None] * norm + shrinkage))

    return AffinityModel(consumed, nearest_items(similarity, log.n_items, neighbours).T.tocsr())
