"""Gradient-boosted trees on cross-fitted evidence: the floor of everything that reads evidence from a text.

Friedman, "Greedy function approximation: a gradient boosting machine" (Annals of Statistics 2001), as scikit-learn
makes it on histograms. Limiting case: a log of few rows grows no tree, which leaves the mean of the factor models.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from personagym_agents.classical.cross_fitting import cross_fitted_evidence
from personagym_agents.classical.rating_evidence import PEERS, Columns, RatingEvidence, fit_evidence
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import Catalogue, IntArray, Interactions

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor


@dataclass(frozen=True)
class TreeSettings:
    """Hyper-parameters of `fit_trees`, chosen on each user's last fifth of the training rows of ML-100K."""

    rounds: int = 100
    """Trees, one after the other."""
    learning_rate: float = 0.08
    leaves: int = 16
    """Leaves of each tree at most."""
    leaf_rows: int = 80
    """Rows in each leaf at least."""
    columns: float = 0.5
    """Share of the evidence that each split may look at."""
    penalty: float = 5.0
    """Rows of residual 0 in each leaf."""

    def __post_init__(self) -> None:
        for name in ("rounds", "leaf_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"TreeSettings.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.columns <= 1:
            raise ValueError(f"TreeSettings.columns must lie in (0, 1], got {self.columns}")


@dataclass(frozen=True, eq=False, repr=False)
class TreeModel:
    """A `RatingModel`: what factor models expect, corrected by trees on all evidence."""

    trees: "HistGradientBoostingRegressor"
    evidence: RatingEvidence

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the factor model of highest rank."""
        features = self.evidence.features(users)
        means = self._means(features.reshape(-1, features.shape[-1])).reshape(features.shape[:2])
        return Opinion(means, self.evidence.factors[-1].predict(users).variance)

    def means_at(self, users: IntArray, items: IntArray) -> Columns:
        """(n,) expected ratings of n pairs, without those of the users' other items."""
        return self._means(self.evidence.at(users, items, self.evidence.mood[users]))

    def _means(self, evidence: Columns) -> Columns:
        """(n,) expected ratings by (n, f) evidence."""
        corrections = self.trees.predict(evidence)  # type: ignore[no-untyped-call]
        return np.asarray(_anchor(evidence) + corrections, np.float32)


def _anchor(evidence: Columns) -> Columns:
    """(n,) what factor models expect, which trees could only tell in steps."""
    return np.asarray(evidence[:, PEERS].mean(axis=1), np.float32)


def fit_trees(
    log: Interactions,
    catalogue: Catalogue | None = None,
    settings: TreeSettings | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> TreeModel:
    """Boost trees on what the other rows say about each row.

    Args:
        log: training rows.
        catalogue: of the log's items, for years and genres.
        settings: hyper-parameters; the defaults if None.
        rng: deals the folds; a generator seeded with 0 if None.

    Raises:
        ValueError: the log has no rows.
    """
    # Here, because it takes a second to import, and other classical users do without.
    from sklearn.ensemble import HistGradientBoostingRegressor

    if not len(log):
        raise ValueError("trees need at least one rating, got an empty log")
    settings = TreeSettings() if settings is None else settings
    rng = np.random.default_rng(0) if rng is None else rng
    trees = HistGradientBoostingRegressor(  # type: ignore[no-untyped-call]
        max_iter=settings.rounds,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.leaf_rows,
        max_features=settings.columns,
        l2_regularization=settings.penalty,
        early_stopping=False,
        random_state=0,
    )
    evidence = cross_fitted_evidence(log, catalogue, rng=rng)
    evidence[:, np.isnan(evidence).all(axis=0)] = 0.0  # of which scikit-learn finds no thresholds
    trees.fit(evidence, log.ratings - _anchor(evidence))
    return TreeModel(trees, fit_evidence(log, catalogue))
