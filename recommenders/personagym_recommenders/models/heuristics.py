"""Recommenders that need no taste: random, by popularity, by mean rating, and their reversals, which serve as floors.

Shapes: n rows, u users, m items.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import Catalogue, FloatArray, Interactions
from personagym_env.protocols import Observation
from personagym_env.session.random import splitmix64
from personagym_recommenders.base import ScoringRecommender

_DAY = 86_400.0
"""Seconds."""


class Random(ScoringRecommender):
    """A uniformly random slate that depends on seed, user and step, and on nothing else.

    The scores are outputs of a counter-based generator, so a row gets the same slate in any batch, and asking twice
    changes nothing. A user who comes back therefore meets the same slates at the same steps; another seed gives others.

    Args:
        seed: at least 0.
    """

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.seed = seed

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Nothing to learn."""

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) uniform in [0, 1)."""
        key = splitmix64(np.array([self.seed], np.uint64), observation["user"].astype(np.uint64))
        key = splitmix64(key, observation["step"].astype(np.uint64))  # (n,)
        bits = splitmix64(key[:, None], np.arange(self.seen_.shape[1], dtype=np.uint64))  # (n, m)
        return np.asarray((bits >> np.uint64(11)) * 2.0**-53)


class _ItemOrder(ScoringRecommender):
    """The same scores for everybody."""

    item_scores_: FloatArray
    """(m,)"""

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) the item's score in every row."""
        return np.broadcast_to(self.item_scores_, (len(observation["user"]), len(self.item_scores_)))


class MostPopular(_ItemOrder):
    """The items with the most training rows."""

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Count the rows of each item."""
        self.item_scores_ = np.bincount(log.items, minlength=log.n_items).astype(np.float64)


class LeastPopular(MostPopular):
    """The items with the fewest training rows: deliberately bad, a floor."""

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Count the rows of each item, and turn the order around."""
        super().learn(log, catalogue)
        self.item_scores_ = -self.item_scores_


class Recent(MostPopular):
    """The items with the most training rows of late: a row counts half as much for each half-life of age.

    Args:
        half_life: days, above 0.
    """

    def __init__(self, half_life: float = 14.0) -> None:
        if half_life <= 0:
            raise ValueError(f"half_life must be above 0 days, got {half_life}")
        self.half_life = half_life

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Sum the weights of each item's rows.

        Raises:
            ValueError: the log has no timestamps.
        """
        if log.timestamps is None:
            raise ValueError("Recent needs timestamps, and this log has none")
        newest = log.timestamps.max(initial=0)
        weight = 0.5 ** ((newest - log.timestamps) / (_DAY * self.half_life))
        self.item_scores_ = np.bincount(log.items, weight, minlength=log.n_items).astype(np.float64)


class BestRated(_ItemOrder):
    """The items with the highest mean rating, shrunk towards the mean of all ratings.

    An item with c ratings of sum s scores (s + strength * mean) / (c + strength): `strength` is the number of ratings
    at which the item's own ratings weigh as much as everybody's mean. Without any shrinkage the list is led by items
    that a single user loves.

    Args:
        strength: above 0; None estimates it from the log, see `credibility_strength`.
    """

    def __init__(self, strength: float | None = None) -> None:
        if strength is not None and strength <= 0:
            raise ValueError(f"strength must be above 0, got {strength}")
        self.strength = strength

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Take each item's shrunk mean."""
        mean = float(log.ratings.mean()) if len(log) else float(np.mean(log.scale))
        strength = credibility_strength(log) if self.strength is None else self.strength
        self.item_scores_ = shrunk_mean(log.items, log.ratings, log.n_items, strength, towards=mean)


class WorstRated(BestRated):
    """The items with the lowest shrunk mean rating: deliberately bad, a floor.

    Args:
        strength: above 0; None estimates it from the log.
    """

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Take each item's shrunk mean, and turn the order around."""
        super().learn(log, catalogue)
        self.item_scores_ = -self.item_scores_


def credibility_strength(log: Interactions) -> float:
    """Variance of ratings within an item over variance of the items' true means, estimated from the log.

    This is the k of Bühlmann and Straub ("Glaubwürdigkeit für Schadensätze", 1970) with its unbiased moment estimators.
    Limiting cases: items that do not differ give a large number (everything is the mean), ratings that never disagree
    give one near 0 (every item is its own mean).

    Returns:
        A number of ratings, kept within 1e-3 to 1e6.
    """
    count, total = _count_and_sum(log)
    rated = count > 0
    rows, items = len(log), int(rated.sum())
    if items < 2 or rows <= items:
        return 1.0
    means = total[rated] / count[rated]
    square_sum = float(np.square(log.ratings, dtype=np.float64).sum())
    within = max(square_sum - float((count[rated] * means**2).sum()), 0.0) / (rows - items)
    spread = float((count[rated] * (means - total.sum() / rows) ** 2).sum())
    between = (spread - (items - 1) * within) / (rows - float((count[rated] ** 2).sum()) / rows)
    return float(np.clip(within / max(between, 1e-12), 1e-3, 1e6))


def _count_and_sum(log: Interactions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(m,) number and sum of each item's ratings."""
    count = np.bincount(log.items, minlength=log.n_items).astype(np.float64)
    return count, np.bincount(log.items, weights=log.ratings, minlength=log.n_items).astype(np.float64)
