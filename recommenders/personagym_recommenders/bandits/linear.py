"""Contextual bandits that learn online which of the candidates users take and like.

One linear model for all users: the expected worth of an item that a user looks at is `theta . context`, where the
context of an item is a 1 and what `CandidateFeatures` knows of it. Nothing but shown slates and reactions teaches it.

Shapes: n rows, k places, p candidates, d numbers of a context.
"""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import Observation
from personagym_env.session.kernel import normalised_ratings
from personagym_env.session.random import splitmix64
from personagym_recommenders.base import top_k
from personagym_recommenders.models.candidates import CandidateFeatures, Candidates
from personagym_recommenders.models.heuristics import BestRated, MostPopular
from personagym_recommenders.models.item_models import ItemKNN
from personagym_recommenders.storage import Storable

Numbers = npt.NDArray[np.float64]


class LinearBandit(Storable, ABC):
    """Ridge regression of worth on context, updated after every step; a subclass says how to explore.

    The worth of a consumed item is its rating, the ends of the scale being 0 and 1. What was shown and not taken is
    read by the cascade model (Craswell et al. 2008; Kveton et al., "Cascading Bandits", ICML 2015): the user looked at
    every place above the one taken, and at all of them if none was taken, and what was looked at and left is worth 0;
    places below the one taken say nothing.

    `recommend` changes nothing. `learn_from` is told by whoever runs the sessions, see
    `personagym_env.evaluation.core.simulate`. Steps of many users are learned from in one update, with one model.

    Args:
        features: candidates and contexts; None for the union of most popular, best rated and item-kNN.
        ridge: strength of the prior that all weights are 0, in observations, above 0.
    """

    precision_: Numbers
    """(d, d) ridge times the unit matrix, plus the sum of the outer products of the contexts observed."""
    response_: Numbers
    """(d,) sum of the contexts observed, each times its worth."""
    scale_: Numbers
    """(r,) rating scale."""

    def __init__(self, features: CandidateFeatures | None, ridge: float) -> None:
        if ridge <= 0:
            raise ValueError(f"ridge must be above 0, got {ridge}")
        self.features = CandidateFeatures([MostPopular(), BestRated(), ItemKNN()]) if features is None else features
        self.ridge = ridge

    @property
    def name(self) -> str:
        """A short name for tables."""
        return type(self).__name__

    @property
    def weights(self) -> Numbers:
        """(d,) the current estimate of theta: of the constant, then of each of `features.names`."""
        self._check_fitted()
        return np.asarray(np.linalg.solve(self.precision_, self.response_), np.float64)

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Fit the features and forget all sessions; returns itself."""
        self.features.fit(log, catalogue)
        d = len(self.features.names) + 1
        self.precision_ = self.ridge * np.eye(d)
        self.response_ = np.zeros(d)
        self.scale_ = np.asarray(log.scale, np.float64)
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """Choose the k items of highest score per row, best first; see `Recommender.recommend`."""
        self._check_fitted()
        choice = self.features.of(observation, candidates)
        scores = self.explore(with_intercept(choice), observation)
        return np.take_along_axis(choice.items, top_k(scores, choice.allowed, k), axis=1)

    def learn_from(self, observation: Observation, slates: IntArray, items: IntArray, ratings: FloatArray) -> None:
        """Learn what one step of n sessions says.

        Args:
            observation: n rows, as they were when the slates were chosen.
            slates: (n, k) what was shown: the rows' own candidates, or what `recommend` was told might be shown.
            items: (n,) what was consumed, `NO_ITEM` where nothing.
            ratings: (n,) the rating given in points; ignored where nothing was consumed.
        """
        self._check_fitted()
        choice = self.features.of(observation)
        shown = choice.items[:, None, :] == slates[:, :, None]  # (n, k, p)
        if not shown.any(axis=2).all():
            everything = np.ones((len(slates), self.features.seen_.shape[1]), np.bool_)
            choice = self.features.of(observation, everything)
            shown = choice.items[:, None, :] == slates[:, :, None]  # (n, k, m)
        contexts = np.take_along_axis(with_intercept(choice), shown.argmax(axis=2)[:, :, None], axis=1)  # (n, k, d)
        taken = slates == items[:, None]
        # A place was looked at unless one above it was taken.
        looked_at = (np.cumsum(taken, axis=1) - taken) == 0
        normalised_rating = np.interp(ratings, self.scale_, normalised_ratings(tuple(self.scale_.tolist())))
        seen = contexts[looked_at]  # (observations, d)
        self.precision_ = self.precision_ + seen.T @ seen
        self.response_ = self.response_ + seen.T @ np.where(taken, normalised_rating[:, None], 0.0)[looked_at]

    @abstractmethod
    def explore(self, contexts: Numbers, observation: Observation) -> Numbers:
        """(n, p) scores of the contexts (n, p, d); a row depends on its own row and on what was learned alone."""

    def _check_fitted(self) -> None:
        if not hasattr(self, "precision_"):
            raise ValueError(f"{self.name} must be fitted before it is used")


class LinUCB(LinearBandit):
    """Optimism: the estimate plus `alpha` of its standard deviation.

    Li, Chu, Langford, Schapire, "A Contextual-Bandit Approach to Personalized News Article Recommendation" (WWW 2010),
    algorithm 1 with one model for all arms; the k highest bounds make a slate (Qin, Chen, Zhu, SDM 2014). Limiting
    case: `alpha` 0 shows what the estimate likes best.

    Args:
        features: see `LinearBandit`.
        alpha: at least 0.
        ridge: see `LinearBandit`.
    """

    def __init__(self, features: CandidateFeatures | None = None, alpha: float = 1.0, ridge: float = 1.0) -> None:
        super().__init__(features, ridge)
        if alpha < 0:
            raise ValueError(f"alpha must be at least 0, got {alpha}")
        self.alpha = alpha

    def explore(self, contexts: Numbers, observation: Observation) -> Numbers:
        """(n, p) `theta . x + alpha sqrt(x . A^-1 x)`."""
        # With A = L L', x . A^-1 x is the squared length of L^-1 x.
        half = np.linalg.inv(np.linalg.cholesky(self.precision_))
        return np.asarray(contexts @ self.weights + self.alpha * np.linalg.norm(contexts @ half.T, axis=2))


class LinearThompson(LinearBandit):
    """Chance: weights drawn from what they may be, anew for every row and step.

    Agrawal, Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs" (ICML 2013): theta is drawn from a
    normal distribution around the estimate with covariance `deviation ** 2` times the inverse precision. The draw is a
    function of seed, user and step, so a row gets the same slate in any batch. Limiting case: `deviation` 0 shows what
    the estimate likes best.

    Args:
        features: see `LinearBandit`.
        deviation: at least 0; 0.5 bounds the standard deviation of a worth, which lies in 0..1.
        ridge: see `LinearBandit`.
        seed: at least 0.
    """

    def __init__(
        self, features: CandidateFeatures | None = None, deviation: float = 0.5, ridge: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__(features, ridge)
        if deviation < 0 or seed < 0:
            raise ValueError(f"deviation and seed must be at least 0, got {deviation} and {seed}")
        self.deviation = deviation
        self.seed = seed

    def explore(self, contexts: Numbers, observation: Observation) -> Numbers:
        """(n, p) the contexts times each row's own draw of theta."""
        key = splitmix64(np.array([self.seed], np.uint64), observation["user"].astype(np.uint64))
        key = splitmix64(key, observation["step"].astype(np.uint64))
        bits = splitmix64(key[:, None], np.arange(contexts.shape[2], dtype=np.uint64))  # (n, d)
        normal = ndtri(((bits >> np.uint64(12)) + 0.5) * 2.0**-52)
        # With A = L L', the covariance of L'^-1 z is A^-1; rows of z L^-1 are such vectors.
        half = np.linalg.inv(np.linalg.cholesky(self.precision_))
        theta = self.weights + self.deviation * normal @ half  # (n, d)
        return np.asarray(np.matmul(contexts, theta[:, :, None])[:, :, 0])


def with_intercept(choice: Candidates) -> Numbers:
    """(n, p, d) float64: a 1, then the features."""
    ones = np.ones((*choice.items.shape, 1))
    return np.concatenate([ones, choice.features], axis=2, dtype=np.float64)
