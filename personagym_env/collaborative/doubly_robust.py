"""Ratings of all pairs learned from some: what rows suggest, corrected by what propensities say that it misses.

A model of the rows imputes all ratings. What it gets wrong on the rows themselves, each counted by its inverse
propensity, estimates what it gets wrong everywhere, and is fitted by biases and factors of its own. The sum is doubly
robust (Wang, Zhang, Sun, Qi, "Doubly robust joint learning for recommendation on data missing not at random", ICML
2019): right where the propensities are right, whatever is imputed, and where what is imputed is right, whatever the
propensities. Weights are normalised wherever they are summed up, so that a propensity that is too small for all rows of
an item does no harm (Li, Zheng, Wu, "StableDR", ICLR 2023). Limiting case: a correction of the mean alone adds the
inversely weighted mean error to what is imputed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_env.collaborative.factors import FactorModel, FactorSettings, fit_factors
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import FloatArray, IntArray, Interactions

FOLDS = 4
"""Parts of the rows, each of which is imputed by a model of the others: a model is too right about its own rows."""


@dataclass(frozen=True, eq=False, repr=False)
class DoublyRobustModel:
    """A fitted rating model."""

    imputed: FactorModel
    """Of the ratings, as the rows have them."""
    correction: FactorModel
    """Of what `imputed` misses over all pairs."""

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`."""
        imputed, correction = self.imputed.predict(users), self.correction.predict(users)
        return Opinion(imputed.mean + correction.mean, imputed.variance + correction.variance)

    def means_at(self, users: IntArray, items: IntArray) -> npt.NDArray[np.float32]:
        """(n,) see `RatingModel.means_at`."""
        return np.asarray(self.imputed.means_at(users, items) + self.correction.means_at(users, items), np.float32)


def fit_doubly_robust(
    log: Interactions, weights: FloatArray, settings: FactorSettings | None = None, *, seed: int = 0
) -> DoublyRobustModel:
    """Impute, and correct.

    Args:
        log: training rows.
        weights: (n,) one over the propensity of each row, up to a factor (see `propensity.inverse_weights`).
        settings: of both models; the defaults if None.
        seed: deals the rows into folds.

    Raises:
        ValueError: the log has no rows, or weights are not one positive number per row.
    """
    settings = FactorSettings() if settings is None else settings
    imputed = fit_factors(log, settings)
    fold = np.random.default_rng(seed).permutation(len(log)) % min(FOLDS, len(log))
    errors = log.ratings.astype(np.float64)
    for number in np.unique(fold):
        out = fold == number
        model = imputed if out.all() else fit_factors(log.take(~out), settings)
        errors[out] -= model.means_at(log.users[out], log.items[out])
    return DoublyRobustModel(imputed, fit_factors(log, settings, weights=weights, values=errors))
