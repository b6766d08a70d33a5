"""What logged slates say about users and items beyond the training rows: ridge regressions on impressions.

Shapes: u users, m items, f factors, d decisions, k slate places.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.least_squares import fit_least_squares
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.protocols import Observation
from personagym_recommenders.base import ScoringRecommender

_BLOCK = 512
"""Users whom the recommender is asked about at once."""


class Impressions(NamedTuple):
    """Items that stood in slates, added up by user and item."""

    rewards: sparse.csr_array
    """(u, m) what the item's places earned, each times the weight of its impression."""
    weights: sparse.csr_array
    """(u, m) the weights."""
    squares: sparse.csr_array
    """(u, m) their squares, which say how many impressions of equal weight they are worth."""

    @classmethod
    def of(cls, log: LoggedDecisions, shape: tuple[int, int], weights: FloatArray | None = None) -> Self:
        """All items of all slates of a log.

        Args:
            log: whose rewards belong to places.
            shape: (u, m)
            weights: (d, k) of each impression; None for 1.

        Raises:
            ValueError: the log rewards more than what was taken, so that no place has earned its rewards.
        """
        earned = log.place_reward
        if earned is None:
            raise ValueError(
                "impressions need rewards that belong to places; this log rewards more than what was taken"
            )
        weights = np.ones(earned.shape) if weights is None else weights
        pairs = np.repeat(log.user, earned.shape[1]), log.slate.ravel()
        parts = weights * earned, weights, weights**2
        return cls(*(sparse.csr_array((part.ravel(), pairs), shape=shape) for part in parts))

    def __add__(self, other: Self) -> Self:  # type: ignore[override]
        """Those of two logs."""
        return type(self)(*(left + right for left, right in zip(self, other, strict=True)))


class ImpressionFactors(ScoringRecommender):
    """A recommender of the training rows, corrected by what slates earned.

    The reward of item i at a place of a slate of user u is modelled as `level + slope z_ui + b_u + b_i + p_u . q_i`
    with the standardised scores z of the recommender at the start of a session, fitted by least squares, level and
    slope first, then the biases and factors on what is left, under penalties. An item that earns more than its places
    explain rises for everybody by `b_i` and for its users by `p_u . q_i`. Before `refit` the scores are z; `fit` fits
    the recommender alone and leaves the corrections as they are.

    Weights correct for who was shown what where: with the inverse of the marginal propensity that the item stands at
    its place every item counts for every user at every place alike, as if the slates had been uniformly random (inverse
    propensity scoring: Schnabel et al., ICML 2016, equation 10). Without, items are judged by the users and the
    places that the logging policy chose for them.

    Args:
        recommender: whose scores are corrected.
        unknown: items whose training rows the recommender is not given, such as those that arrive later.
        rank: length of the factors, at least 1.
        bias_penalty: of biases, in impressions of the mean weight, above 0.
        factor_penalty: of factors, above 0.
        sweeps: rounds over users and items.
    """

    prior_: npt.NDArray[np.float32]
    """(u, m) z"""
    slope_: FloatArray
    """(1,)"""
    item_bias_: FloatArray
    """(m,) b_i"""
    user_factors_: FloatArray
    """(u, f)"""
    item_factors_: FloatArray
    """(m, f)"""

    def __init__(
        self,
        recommender: ScoringRecommender,
        unknown: Sequence[int] = (),
        rank: int = 8,
        bias_penalty: float = 20.0,
        factor_penalty: float = 3.0,
        sweeps: int = 6,
    ) -> None:
        if rank < 1 or sweeps < 1:
            raise ValueError(f"rank and sweeps must be at least 1, got {rank} and {sweeps}")
        if not min(bias_penalty, factor_penalty) > 0:
            raise ValueError(f"penalties must be above 0, got {bias_penalty} and {factor_penalty}")
        self.recommender = recommender
        self.unknown = tuple(int(item) for item in unknown)
        self.rank = rank
        self.bias_penalty = bias_penalty
        self.factor_penalty = factor_penalty
        self.sweeps = sweeps

    @property
    def name(self) -> str:
        """For tables: whose scores are corrected."""
        return f"ImpressionFactors({self.recommender.name})"

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Fit the recommender on the rows of items that it may know, and ask it for its scores."""
        self.recommender.fit(log.take(~np.isin(log.items, self.unknown)), catalogue)
        profiles = profile_features(user_traits(log, catalogue))
        self.prior_ = np.empty((log.n_users, log.n_items), np.float32)
        for first in range(0, log.n_users, _BLOCK):
            users = np.arange(first, min(first + _BLOCK, log.n_users))
            scores = np.asarray(self.recommender.score(opening_observation(users, profiles, 1)), np.float64)
            spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-12)
            self.prior_[users] = (scores - scores.mean(axis=1, keepdims=True)) / spread
        if not hasattr(self, "slope_"):
            self.slope_ = np.ones(1)
            self.item_bias_ = np.zeros(log.n_items)
            self.user_factors_ = np.zeros((log.n_users, self.rank))
            self.item_factors_ = np.zeros((log.n_items, self.rank))

    def refit(self, impressions: Impressions) -> Self:
        """Learn the corrections afresh from all impressions; returns itself.

        Raises:
            ValueError: not fitted, no impressions, or of other users or items.
        """
        self._check_fitted()
        rewards, weights, squares = impressions
        if rewards.shape != self.prior_.shape:
            raise ValueError(f"impressions of {rewards.shape} users and items do not belong to {self.prior_.shape}")
        if not weights.sum() > 0:
            raise ValueError("there is nothing to learn from a log without impressions")
        users, items = weights.nonzero()
        weight, square = weights[users, items], squares[users, items]
        z = self.prior_[users, items].astype(np.float64)
        total = rewards[users, items]
        level, self.slope_ = _line(z, total, weight)
        left = total - weight * (level + self.slope_ * z)
        penalty = self.bias_penalty
        user_bias = _shrunk(users, left, weight, square, self.prior_.shape[0], penalty)
        left = left - weight * user_bias[users]
        self.item_bias_ = _shrunk(items, left, weight, square, self.prior_.shape[1], penalty)
        left = left - weight * self.item_bias_[items]
        residual = sparse.csr_array((left, (users, items)), shape=self.prior_.shape)
        rng = np.random.default_rng(0)
        each = float(square.sum() / weight.sum())  # weight of an effective impression
        found = fit_least_squares(residual, weights, self.rank, self.factor_penalty * each, self.sweeps, rng)
        self.user_factors_, self.item_factors_ = found
        return self

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) expected reward at a place, up to a number that is the same for all items of a user."""
        users = observation["user"]
        factors = self.user_factors_[users] @ self.item_factors_.T
        return np.asarray(self.slope_ * self.prior_[users] + self.item_bias_ + factors)


def _line(z: FloatArray, total: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
    """Level and (1,) slope of the weighted regression of values on z; `total` is the sum of values times weights."""
    mean = np.average(z, weights=weight)
    level = total.sum() / weight.sum()
    slope = (total * (z - mean)).sum() / max(float((weight * (z - mean) ** 2).sum()), 1e-12)
    return float(level - slope * mean), np.array([slope])


def _shrunk(
    groups: IntArray, total: FloatArray, weight: FloatArray, square: FloatArray, n: int, penalty: float
) -> FloatArray:
    """(n,) weighted means by group, shrunk towards 0 as if by `penalty` impressions with value 0.

    A group counts as many impressions as its weights are worth (Kish 1965): the square of their sum over that of
    squares. So a mean that hangs on few heavy impressions is shrunk more than its weight would say.
    """
    sums, weights, squares = (np.bincount(groups, part, minlength=n) for part in (total, weight, square))
    worth = weights**2 / np.maximum(squares, 1e-300)
    return np.asarray(sums / np.maximum(weights, 1e-300) * worth / (worth + penalty))
