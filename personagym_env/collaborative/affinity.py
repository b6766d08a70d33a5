"""Affinity: how much an item belongs to what a user consumed, by what is consumed together."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.similarity import DENSE_ROWS, nearest, nearest_of_common
from personagym_env.data.tables import FloatArray, IntArray, Interactions

FLOOR = 0.02
"""Added to a relative score, so that an item without any has a finite logarithm: a fiftieth of the average item's.

Chosen by hand; `benchmarks/ablations/constants.py` prints that half and double of it rank alike."""


@runtime_checkable
class Affinity(Protocol):
    """Says how much items belong to users."""

    def log_affinity(self, users: IntArray) -> npt.NDArray[np.float32]:
        """(b, m) log odds, up to a factor and a constant, of how much each item belongs to what (b,) users consumed."""


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
        return log_relative((self.consumed[users] @ self.similarities).toarray())


def log_relative(scores: FloatArray, floor: float = FLOOR) -> npt.NDArray[np.float32]:
    """(b, m) log of what scores (b, m) are relative to each row's mean; 0 where a row has nothing above 0.

    Scores below 0 count as 0.
    """
    scores = np.maximum(scores, 0)
    mean = scores.mean(axis=1, keepdims=True)
    relative = np.divide(scores, mean, out=np.ones_like(scores), where=mean > 0)
    return np.asarray(np.log(relative + floor), np.float32)


def fit_affinity(log: Interactions, neighbours: int = 400, shrinkage: float = 10.0) -> AffinityModel:
    """Cosine between the sets of users of two items, with `shrinkage` users added to the geometric mean."""
    consumed = log.matrix(np.ones(len(log), np.float32))
    by_item = consumed.T.tocsr()
    norm = np.sqrt(np.bincount(log.items, minlength=log.n_items)).astype(np.float32)

    def similarity(rows: slice) -> FloatArray:
        return np.asarray((by_item[rows] @ consumed).toarray() / (norm[rows, None] * norm + shrinkage))

    def of_common(rows: slice) -> sparse.csr_array:
        common = by_item[rows] @ consumed
        own = np.repeat(norm[rows], np.diff(common.indptr))
        similar = common.data / (own * norm[common.indices] + shrinkage)
        return sparse.csr_array((similar, common.indices, common.indptr), shape=common.shape)

    if log.n_items <= DENSE_ROWS:
        similar = nearest(similarity, log.n_items, neighbours)
    else:
        similar = nearest_of_common(of_common, log.n_items, neighbours)
    return AffinityModel(consumed, similar.T.tocsr())
