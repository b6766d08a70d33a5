"""How alike rows of a matrix are, and the nearest of each.

Shapes: n rows (items, or users), d columns (the others), b rows of a block.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.data.tables import FloatArray, IntArray

BLOCK = 256
"""Rows whose similarities to all others are computed at once: 256 n floats are in memory at a time."""
_CELLS = 2**24
"""Of a block of rows with all others that are laid out at once."""
Similarity = Callable[[slice], FloatArray]
"""From a block of rows to its (b, n) similarities to all rows."""
SparseSimilarity = Callable[[slice], sparse.csr_array]
"""The same with what is 0 left out."""
DENSE_ROWS = 8_192
"""Rows up to which blocks of similarities are dense, which is faster while most rows have something in common."""
Select = Callable[[FloatArray, int], IntArray]
"""From (b, n) similarities to the columns (b, k) of the k largest of each row."""


class Agreement(NamedTuple):
    """How rows agree where both have a value."""

    cosine: FloatArray
    """(b, n) of the values in the columns of both; 0 where there are none."""
    common: FloatArray
    """(b, n) number of those columns."""

    def shrunk(self, shrinkage: float) -> FloatArray:
        """(b, n) cosines times c / (c + shrinkage) for c common columns, so that one counts half at c = `shrinkage`.

        Significance weighting: Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering"
        (SIGIR 1999), in the form of Koren, "Factor in the Neighbors" (ACM TKDD 2010), eq. 2.
        """
        return np.asarray(self.cosine * self.common / np.maximum(self.common + shrinkage, 1e-9))


class CommonColumns:
    """Agreement of rows over the columns that both have a value in: each norm runs over those alone.

    On residuals of ratings this is Pearson's correlation, up to the centring that made residuals of ratings.

    Args:
        values: (n, d) whose stored entries count, also where they are 0.
    """

    def __init__(self, values: sparse.csr_array) -> None:
        known = values.copy()
        known.data[:] = 1
        self.values, self.known = values, known
        self._squares = values.power(2)
        self._columns = tuple(sparse.csr_array(part.T) for part in (self.values, self.known, self._squares))

    def __call__(self, rows: slice | IntArray) -> Agreement:
        """Of (b,) rows with all."""
        values, known, squares = self._columns
        product = (self.values[rows] @ values).toarray()
        common = (self.known[rows] @ known).toarray()
        own, other = (self._squares[rows] @ known).toarray(), (self.known[rows] @ squares).toarray()
        return Agreement(product / np.sqrt(np.maximum(own * other, 1e-12)), common)

    def shrunk(self, rows: slice, shrinkage: float) -> sparse.csr_array:
        """(b, n) `Agreement.shrunk` of the rows with those that they have a column in common with."""
        values, known, squares = self._columns
        common = self.known[rows] @ known
        product, own, other = (
            _at_entries(found, common)
            for found in (self.values[rows] @ values, self._squares[rows] @ known, self.known[rows] @ squares)
        )
        agreement = Agreement(product / np.sqrt(np.maximum(own * other, 1e-12)), common.data)
        return sparse.csr_array((agreement.shrunk(shrinkage), common.indices, common.indptr), shape=common.shape)


def _at_entries(values: sparse.csr_array, pattern: sparse.csr_array) -> FloatArray:
    """(e,) values where the pattern has its e entries; products of sparse arrays leave out sums that are 0."""
    rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
    return np.asarray(values.toarray()[rows, pattern.indices])


def largest(values: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """(b, k) columns of the k largest values of each row, in no order; which of equal values are taken is left open."""
    return np.asarray(np.argpartition(-values, k - 1, axis=1)[:, :k])


def nearest(similarity: Similarity, n: int, k: int, select: Select = largest) -> sparse.csr_array:
    """(n, n) similarity of each row to its k most similar others; only similarities above 0 are kept.

    Args:
        similarity: of blocks of rows.
        n: number of rows.
        k: others to keep; fewer where fewer are similar.
        select: takes the k largest.
    """
    k = min(k, n)
    indices, values = [], []
    for begin in range(0, n, BLOCK):
        rows = slice(begin, min(begin + BLOCK, n))
        block = np.array(similarity(rows))
        own = np.arange(rows.start, rows.stop)
        block[own - begin, own] = 0.0
        indices.append(select(block, k))
        values.append(np.take_along_axis(block, indices[-1], axis=1))
    kept = np.maximum(np.concatenate(values), 0)
    found = sparse.csr_array((kept.ravel(), np.concatenate(indices).ravel(), k * np.arange(n + 1)), shape=(n, n))
    found.eliminate_zeros()
    return found


def nearest_of_common(similarity: SparseSimilarity, n: int, k: int) -> sparse.csr_array:
    """What `nearest` gives, from similarities of which only those that are not 0 are stored.

    Args:
        similarity: of blocks of rows.
        n: number of rows.
        k: others to keep; fewer where fewer are similar.
    """
    parts = []
    size = max(1, min(BLOCK, _CELLS // n))
    for begin in range(0, n, size):
        block = similarity(slice(begin, min(begin + size, n)))
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        kept = np.flatnonzero((block.data > 0) & (block.indices != rows + begin))
        kept = kept[np.lexsort((-block.data[kept], rows[kept]))]  # by row, the most similar first
        rank = np.arange(len(kept)) - np.searchsorted(rows[kept], rows[kept])
        kept = kept[rank < k]
        parts.append(sparse.csr_array((block.data[kept], (rows[kept], block.indices[kept])), shape=(block.shape[0], n)))
    return sparse.csr_array(sparse.vstack(parts))
