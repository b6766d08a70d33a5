"""Who chooses what: a logistic model of consumed items against uniformly sampled unseen ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from personagym_env.collaborative.affinity import Affinity
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import FloatArray, IntArray, Interactions

RIDGE = 1.0
"""Strength of the Gaussian prior on the weights, worth about one row."""


@dataclass(frozen=True, eq=False, repr=False)
class ChoiceFeatures:
    """What training rows say about a user and an item, for asking whether the one would choose the other."""

    popularity: npt.NDArray[np.float32]
    """(m,) log of the item's share of all ratings, relative to an even share."""
    activity: npt.NDArray[np.float32]
    """(u,) log(1 + ratings given), less the mean over users."""
    affinity: Affinity | None
    """Co-consumption; None leaves the feature out."""
    own: Affinity | None = None
    """What the rating model itself says of choices; None where it says nothing."""

    def __call__(self, users: IntArray, opinion: Opinion) -> npt.NDArray[np.float32]:
        """(b, m, f): popularity, activity x popularity, expected rating less the user's mean, log affinities."""
        shape = opinion.mean.shape
        columns: list[npt.NDArray[np.float32]] = [
            np.broadcast_to(self.popularity, shape),
            self.activity[users, None] * self.popularity,
            opinion.mean - opinion.mean.mean(axis=1, keepdims=True),
        ]
        columns += [affinity.log_affinity(users) for affinity in (self.affinity, self.own) if affinity is not None]
        return np.stack(columns, axis=-1)


def fit_choice_features(log: Interactions, affinity: Affinity | None, own: Affinity | None = None) -> ChoiceFeatures:
    """Read popularity and activity off a log; half a rating is added to every item."""
    share = (np.bincount(log.items, minlength=log.n_items) + 0.5) / (len(log) + 0.5 * log.n_items)
    activity = np.log1p(log.counts)
    return ChoiceFeatures(
        np.log(share * log.n_items).astype(np.float32), (activity - activity.mean()).astype(np.float32), affinity, own
    )


@dataclass(frozen=True, eq=False)
class ChoiceModel:
    """P(choice) = logistic(intercept + weights . features)."""

    intercept: float
    weights: npt.NDArray[np.float32]
    """(f,)"""

    def logit(self, features: FloatArray) -> npt.NDArray[np.float32]:
        """(..., f) features to (...) log odds."""
        return np.asarray(np.float32(self.intercept) + features @ self.weights, np.float32)


def sample_unseen(log: Interactions, users: IntArray, rng: np.random.Generator, rounds: int = 50) -> IntArray:
    """(n,) for each user an item drawn uniformly from those that the user has no row for.

    A user who has seen nearly everything may get a seen item once `rounds` redraws are over.
    """
    items = rng.integers(0, log.n_items, len(users))
    for _ in range(rounds):
        again = np.flatnonzero(log.contains(users, items))
        if not len(again):
            break
        items[again] = rng.integers(0, log.n_items, len(again))
    return items


def fit_choice(positive: FloatArray, negative: FloatArray) -> ChoiceModel:
    """Ridge logistic regression of consumed (n, f) against unseen (n', f) rows."""
    # Here, because a fit that was kept does without.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([positive, negative]).astype(np.float64)
    label = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    # Scaled, so that the prior means the same for every feature.
    scaler: Any = StandardScaler()  # type: ignore[no-untyped-call]
    model: Any = LogisticRegression(C=1 / RIDGE, tol=1e-8, max_iter=1000)  # type: ignore[no-untyped-call]
    model.fit(scaler.fit_transform(features), label)
    weights = model.coef_[0] / scaler.scale_
    return ChoiceModel(float(model.intercept_[0] - weights @ scaler.mean_), weights.astype(np.float32))
