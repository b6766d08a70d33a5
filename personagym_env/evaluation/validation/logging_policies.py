"""Logging policies: who chose the slates that a log came from. No public log says, so these are assumptions.

Shapes: n rows, m items, k slate places.
"""

from collections.abc import Callable
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import profile_features, user_traits
from personagym_env.evaluation.core.offline import opening_observation
from personagym_env.protocols import Observation

Logits = Callable[[Observation], FloatArray]
"""Gives (n, m) log weights of showing each item."""
_SHARPNESS = (1e-4, 1e2)
"""Where `fit_sharpness` looks."""
_USERS_AT_ONCE = 512


class SoftmaxPolicy:
    """Slates drawn without replacement: each place goes to an item in proportion to exp(logit) among those left.

    This is the Plackett-Luce model (Plackett 1975), sampled by adding Gumbel noise to the logits and taking the largest
    (Kool, van Hoof, Welling, ICML 2019). Limiting cases: equal logits give uniformly random slates, logits far apart
    the k largest.

    Args:
        name: for tables.
        logits: log weights of the items, from training rows alone.
        rng: draws the slates.
    """

    def __init__(self, name: str, logits: Logits, rng: np.random.Generator) -> None:
        self.name = name
        self._logits = logits
        self._rng = rng

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Nothing is left to learn: the logits come fitted."""
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """Draw a slate per row, (n, k).

        Args:
            observation: n rows.
            k: places.
            candidates: (n, m) which items may be shown; every item by default.

        Raises:
            ValueError: a row has fewer than k items to choose from, or the logits have another shape.
        """
        logits = np.asarray(self._logits(observation), np.float64)
        n = len(observation["user"])
        if logits.ndim != 2 or len(logits) != n:
            raise ValueError(f"policy {self.name!r} must give logits of shape ({n}, m), got {logits.shape}")
        if candidates is not None:
            logits = np.where(candidates, logits, -np.inf)
        least = int(np.isfinite(logits).sum(axis=1).min(initial=k))
        if least < k:
            raise ValueError(f"policy {self.name!r} has a row with {least} items to show, {k} are needed")
        score = logits + self._rng.gumbel(size=logits.shape)
        best = np.argpartition(-score, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(score, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)


def uniform_logits(n_items: int) -> Logits:
    """Every item alike."""
    return lambda observation: np.zeros((len(observation["user"]), n_items))


def popularity_logits(train: Interactions) -> Logits:
    """In proportion to one more than the item's training rows, so that items without a row have a chance too."""
    weights = np.log1p(np.bincount(train.items, minlength=train.n_items))
    return lambda observation: np.broadcast_to(weights, (len(observation["user"]), len(weights)))


def affinity_logits(scores: Logits, sharpness: float) -> Logits:
    """Softmax of a recommender's scores, each over the mean score of the row, times `sharpness`.

    Scores such as sums of votes grow with a user's history; over the row's mean they are comparable across users.
    """
    return lambda observation: sharpness * relative(scores(observation))


def relative(scores: FloatArray) -> FloatArray:
    """Scores (n, m), not negative, over their row's mean; 1 everywhere in a row without any.

    Raises:
        ValueError: a score is negative or not finite.
    """
    values = np.asarray(scores, np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("affinities must be finite and at least 0")
    mean = values.mean(axis=1, keepdims=True)
    return np.where(mean > 0, values / np.where(mean > 0, mean, 1.0), 1.0)


def fit_sharpness(scores: Logits, inner: Split, catalogue: Catalogue) -> float:
    """The sharpness of `affinity_logits` that makes later training rows likeliest.

    Each row of `inner.test` is a draw from the softmax over what its user has not consumed in `inner.train`, and the
    likelihood, concave in the sharpness, is maximised.

    Args:
        scores: of a recommender that was fitted on `inner.train`, and has not seen `inner.test`.
        inner: a split of training rows.
        catalogue: the items.

    Raises:
        ValueError: `inner.test` is empty.
    """
    if not len(inner.test):
        raise ValueError("the sharpness of a policy is fitted on later training rows, and there are none")
    profiles = profile_features(user_traits(inner.train, catalogue))
    users = np.flatnonzero(inner.test.counts)
    blocks = []  # per block of users: relative scores, which items are open, rows per user, sum of the rows' scores
    for first in range(0, len(users), _USERS_AT_ONCE):
        block = users[first : first + _USERS_AT_ONCE]
        values = relative(scores(opening_observation(block, profiles, 1)))
        ones = np.ones(len(inner.train))
        is_open = inner.train.matrix(ones)[block].toarray() == 0
        later = inner.test.matrix(np.ones(len(inner.test)))[block].toarray() * is_open
        blocks.append((np.where(is_open, values, 0.0), is_open, later.sum(axis=1), float((later * values).sum())))

    def loss(log_sharpness: float) -> float:
        sharpness = np.exp(log_sharpness)
        return float(
            sum(
                rows @ logsumexp(np.where(is_open, sharpness * values, -np.inf), axis=1) - sharpness * gained
                for values, is_open, rows, gained in blocks
            )
        )

    low, high = (float(np.log(end)) for end in _SHARPNESS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))
