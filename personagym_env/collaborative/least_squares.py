"""Matrix factorisation by alternating least squares, with a penalty to choose.

Value e of user u and item i is modelled as p_u . q_i under the penalty `penalty` * (|p_u|^2 + |q_i|^2) (Koren, Bell and
Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 2009, eq. 2, solved as in its section
on ALS). `personagym_env.collaborative.factors` tunes its penalties itself and knows how sure it is; this is the model
whose rank and penalty are the reader's. Shapes: u users, m items, f factors.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from personagym_env.collaborative.moments import Matrix, packed_outer, unpacked

_START = 0.1
"""Standard deviation of the random start, which breaks the symmetry of the factors."""


class Factors(NamedTuple):
    """A fitted factorisation."""

    users: Matrix
    """(u, f)"""
    items: Matrix
    """(m, f)"""


def fit_least_squares(
    totals: sparse.csr_array,
    weights: sparse.csr_array,
    rank: int,
    penalty: float,
    sweeps: int,
    rng: np.random.Generator,
) -> Factors:
    """Alternate between users and items.

    Args:
        totals: (u, m) what is explained: of each pair the sum of its values, each times its weight.
        weights: (u, m) of each pair the sum of its weights, 1 for each value where all count alike.
        rank: length of the factors, at least 1.
        penalty: above 0, in squared units of the values.
        sweeps: rounds over users and items, at least 1.
        rng: draws the start of the items.
    """
    by_item = sparse.csr_array(totals.T), sparse.csr_array(weights.T)
    n_users, n_items = totals.shape
    users, items = np.zeros((n_users, rank)), rng.normal(0, _START, (n_items, rank))
    for _ in range(sweeps):
        users = _solved(totals, weights, items, penalty)
        items = _solved(*by_item, users, penalty)
    return Factors(users, items)


def _solved(totals: sparse.csr_array, weights: sparse.csr_array, other: Matrix, penalty: float) -> Matrix:
    """(u or m, f) the ridge regression of each row's values on the factors of the other side."""
    rank = other.shape[1]
    gram = unpacked(np.asarray(weights @ packed_outer(other)), rank) + penalty * np.eye(rank)
    return np.asarray(np.linalg.solve(gram, np.asarray(totals @ other)[:, :, None])[:, :, 0])
