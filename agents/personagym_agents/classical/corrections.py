"""What else a log says of a pair, as a correction of what user and item mean.

Shapes: u users, m items, b users asked, k factors.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from personagym_agents.classical.item_text import text_offsets
from personagym_env.collaborative.moments import packed_outer, unpacked
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.fit_cache.kept import kept

_FACTORS = 20
"""Singular vectors of who consumed what."""
_PENALTY = 60.0
"""Squared length that every item's weights of these factors are shrunk by."""
_MEMORY = 15.0
"""Later rows after which a rating counts 1 / e among the recent ones."""
_DAMPING = 0.3
"""Recent similarity that is added to the sum of weights."""
_GENRE_PRIOR = 2.0
"""Recent ratings of average residual on each genre."""


@dataclass(frozen=True, eq=False, repr=False)
class Corrections:
    """Fitted by `fit_corrections`."""

    COLUMNS = ("implicit", "recent", "recent taste", "text")
    """By what the user consumed, liked or not (Koren, "Factorization meets the neighborhood", KDD 2008, has implicit
    feedback correct ratings); the recent ratings of neighbours; the residual on the item's genres of late; and what the
    item's text says."""

    users: npt.NDArray[np.float32]
    """(u, k)"""
    items: npt.NDArray[np.float32]
    """(m, k)"""
    recent: sparse.csr_array
    """(u, m) residuals, older ones less."""
    recency: sparse.csr_array
    """(u, m) how much."""
    similarities: sparse.csr_array
    """(m, m) see `NeighbourModel`."""
    genre_shares: npt.NDArray[np.float32]
    """(m, g)"""
    text: npt.NDArray[np.float32]
    """(m,)"""

    def __call__(self, users: IntArray) -> npt.NDArray[np.float32]:
        """(b, m, 4) in rating points, for every item."""
        recent, recency = self.recent[users], self.recency[users]
        near = (recent @ self.similarities).toarray() / ((recency @ self.similarities).toarray() + _DAMPING)
        taste = (recent @ self.genre_shares) / (recency @ self.genre_shares + _GENRE_PRIOR)
        parts = [self.users[users] @ self.items.T, near, taste @ self.genre_shares.T]
        return np.stack([*parts, np.broadcast_to(self.text, near.shape)], axis=-1, dtype=np.float32)


@kept(Corrections)
def fit_corrections(
    log: Interactions, residual: FloatArray, similarities: sparse.csr_array, catalogue: Catalogue | None
) -> Corrections:
    """Fit corrections to a log.

    Args:
        log: training rows.
        residual: (n,) their ratings less what user and item mean.
        similarities: (m, m) of items, see `NeighbourModel`.
        catalogue: of the log's items; without it, genres and texts correct nothing.
    """
    users, items = _implicit_factors(log, residual)
    recency = np.zeros(len(log))  # a log without times has no recent rows
    if log.timestamps is not None:
        recency = np.exp((log.rank_in_user - log.counts[log.users] + 1) / _MEMORY)
    return Corrections(
        users,
        items,
        log.matrix((residual * recency).astype(np.float32)),
        log.matrix(recency.astype(np.float32)),
        similarities,
        (np.zeros((log.n_items, 0)) if catalogue is None else catalogue.genre_shares).astype(np.float32),
        np.zeros(log.n_items, np.float32) if catalogue is None else text_offsets(catalogue, log.items, residual),
    )


def _implicit_factors(
    log: Interactions, residual: FloatArray
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(u, k) what a user consumed, in few numbers, and (m, k) what each says of the residuals of an item's raters."""
    consumed = log.matrix(np.ones(len(log)))
    size = min(_FACTORS, min(consumed.shape) - 1)
    if size < 1:
        return np.zeros((log.n_users, 0), np.float32), np.zeros((log.n_items, 0), np.float32)
    left, lengths, _ = svds(consumed, k=size, rng=np.random.default_rng(0))
    users = np.asarray(left * lengths, np.float64)
    gram = unpacked(np.asarray(consumed.T @ packed_outer(users)), size) + _PENALTY * np.eye(size)
    target: FloatArray = log.matrix(residual).T @ users
    items = np.linalg.solve(gram, target[..., None])[..., 0]
    return users.astype(np.float32), items.astype(np.float32)
