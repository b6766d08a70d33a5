"""Bias and matrix factorisation: a variational Bayesian factor model that tunes its own regularisation.

Rating r of user u for item i is modelled as `mean + b_u + b_i + p_u . q_i + noise`, with zero-mean Gaussian priors on
biases and factors. Posterior means and covariances alternate in closed form (Lim & Teh, "Variational Bayesian approach
to movie rating prediction", KDD Cup 2007, eqs. 8-11, with the biases as coordinates of the factors); prior variances
and the noise are re-estimated in every sweep, so there is no penalty to choose. Limiting cases: rank 0 is user + item
bias, a user or item without rows stays at the prior, that is at the mean of all users or items.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.moments import (
    Matrix,
    packed_outer,
    packed_symmetric,
    twice_off_diagonal,
    unpacked,
)
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.fit_cache.kept import kept


@dataclass(frozen=True)
class FactorSettings:
    """Hyper-parameters of `fit_factors`; `benchmarks/ablations/classical_users.py` prints how the rank was chosen."""

    rank: int = 8
    """Length of the factors; 0 leaves user and item bias."""
    sweeps: int = 20
    """Rounds over users and items."""
    init_scale: float = 0.1
    """Standard deviation of the random start of the factors, which breaks their symmetry."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ValueError(f"rank must be 0 or more, got {self.rank}")
        if self.sweeps < 1:
            raise ValueError(f"sweeps must be at least 1, got {self.sweeps}")
        if not self.init_scale > 0:
            raise ValueError(f"init_scale must be above 0, got {self.init_scale}")


class _Side:
    """Posterior of all users, or of all items: rows `(factors, own bias, 1)` in the order that both sides share.

    The inner product of a user row `(p, b_u, 1)` and an item row `(q, 1, b_i)` is the rating less the global mean, so
    every coordinate but the constant one is free and is estimated. D = rank + 2.
    """

    def __init__(self, count: sparse.csr_array, residual: sparse.csr_array, constant: int, start: Matrix) -> None:
        self._count = count  # (n, n_other) 1 where there is a rating
        self._residual = residual  # (n, n_other) rating less the global mean
        self._free = np.delete(np.arange(start.shape[1]), constant)
        self._constant = constant
        self.rows = start  # (n, D) posterior means
        self.rows[:, constant] = 1.0
        self.rows[:, -1 if constant == start.shape[1] - 2 else -2] = 0.0
        self.covariance = np.zeros((len(start), start.shape[1], start.shape[1]))
        self.precision = np.ones(len(self._free))  # of the prior, per free coordinate
        self.packed_gram = np.zeros((len(start), 0))  # (n, D(D+1)/2) summed second moments of the rated others
        self.weighed = np.zeros(start.shape)  # (n, D) summed rows of the rated others, each times its residual

    def packed_moments(self) -> Matrix:
        """(n, D(D+1)/2) upper triangle of E[row row^T]."""
        return packed_outer(self.rows) + packed_symmetric(self.covariance)

    def update(self, other: "_Side", noise: float) -> None:
        """Closed-form posterior given the other side, then the prior variances that fit it best."""
        n, dimension = self.rows.shape
        self.packed_gram = np.asarray(self._count @ other.packed_moments())
        gram = unpacked(self.packed_gram, dimension)
        free = self._free
        self.weighed = np.asarray(self._residual @ other.rows)
        target = self.weighed[:, free] - gram[:, free, self._constant]
        covariance = np.linalg.inv(gram[:, free[:, None], free] / noise + np.diag(self.precision))
        self.rows[:, free] = np.einsum("nij,nj->ni", covariance, target / noise)
        self.covariance[:, free[:, None], free] = covariance
        variance = (self.rows[:, free] ** 2).mean(axis=0) + np.einsum("nii->i", covariance) / n
        self.precision = 1.0 / np.maximum(variance, 1e-8)


@dataclass(frozen=True, eq=False, repr=False)
class FactorModel:
    """A fitted factor model. Memory: 4 (u + m) (D + D(D+1)/2) bytes with D = rank + 2, 0.7 MB for ML-100K at rank 8."""

    global_mean: float
    users: npt.NDArray[np.float32]
    """(u, D) rows (factors, bias, 1)."""
    items: npt.NDArray[np.float32]
    """(m, D) rows (factors, 1, bias)."""
    user_moments: npt.NDArray[np.float32]
    """(u, D(D+1)/2) upper triangles of E[row row^T], off-diagonal entries doubled."""
    item_moments: npt.NDArray[np.float32]
    """(m, D(D+1)/2) upper triangles of E[row row^T]."""
    noise: float
    """Variance of a rating around its mean, in squared rating points."""

    @property
    def user_bias(self) -> FloatArray:
        """(u,) rating points above the average user."""
        return self.users[:, -2]

    @property
    def item_bias(self) -> FloatArray:
        """(m,) rating points above the average item."""
        return self.items[:, -1]

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`."""
        product = self.users[users] @ self.items.T
        variance = np.maximum(self.user_moments[users] @ self.item_moments.T - product**2, 0)
        return Opinion(np.float32(self.global_mean) + product, variance)

    def means_at(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
        """(n,) see `RatingModel.means_at`."""
        product = np.einsum("nd,nd->n", self.users[users], self.items[items])
        return np.asarray(np.float32(self.global_mean) + product, np.float32)


@kept(FactorModel)
def fit_factors(
    log: Interactions,
    settings: FactorSettings | None = None,
    *,
    rng: np.random.Generator | None = None,
    weights: FloatArray | None = None,
    values: FloatArray | None = None,
) -> FactorModel:
    """Fit biases and factors to a log.

    Args:
        log: training rows.
        settings: hyper-parameters; the defaults if None.
        rng: draws the start of the factors; a generator seeded with 0 if None.
        weights: (n,) how much each row counts, 1 on average; a row of weight w has the noise variance of all over w.
            All count alike if None.
        values: (n,) what is modelled in the place of the rows' ratings, such as their errors; the ratings if None.

    Raises:
        ValueError: the log has no rows, weights are not one positive number per row, or values not one per row.
    """
    if not len(log):
        raise ValueError("a factor model needs at least one rating, got an empty log")
    settings = FactorSettings() if settings is None else settings
    rng = np.random.default_rng(0) if rng is None else rng
    dimension = settings.rank + 2
    mass = np.ones(len(log)) if weights is None else np.asarray(weights, np.float64)
    if mass.shape != (len(log),) or not (mass > 0).all():
        raise ValueError(f"weights must be {len(log)} numbers above 0, one for each row, got shape {mass.shape}")
    ratings = np.asarray(log.ratings if values is None else values, np.float64)
    if ratings.shape != (len(log),):
        raise ValueError(f"values must be {len(log)} numbers, one for each row, got shape {ratings.shape}")
    mean = float(ratings.mean() if weights is None else np.average(ratings, weights=mass))
    residual = ratings - mean
    weighed = mass * residual
    count_matrix, residual_matrix = log.matrix(mass), log.matrix(weighed)

    def start(n: int) -> Matrix:
        return rng.normal(0.0, settings.init_scale, (n, dimension))

    users = _Side(count_matrix, residual_matrix, dimension - 1, start(log.n_users))
    items = _Side(count_matrix.T.tocsr(), residual_matrix.T.tocsr(), dimension - 2, start(log.n_items))
    doubled = twice_off_diagonal(dimension)
    noise = max(float(residual.var()), 1e-4)
    for _ in range(settings.sweeps):
        users.update(items, noise)
        items.update(users, noise)
        product = float((items.rows * items.weighed).sum())  # residuals with what both sides make of them
        square = float((items.packed_moments() * doubled * items.packed_gram).sum())
        noise = max((float(weighed @ residual) - 2 * product + square) / len(log), 1e-4)
    return FactorModel(
        global_mean=mean,
        users=users.rows.astype(np.float32),
        items=items.rows.astype(np.float32),
        user_moments=(users.packed_moments() * doubled).astype(np.float32),
        item_moments=items.packed_moments().astype(np.float32),
        noise=noise,
    )
