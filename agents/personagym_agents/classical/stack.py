"""Rating models stacked: their evidence, blended.

Shapes: n rows, b users, m items, f columns of evidence.
"""

from dataclasses import dataclass

from personagym_agents.classical.blend import Blend, fit_cross_fitted_blend
from personagym_agents.classical.rating_evidence import Columns, RatingEvidence, fit_evidence
from personagym_env.collaborative.rating_model import Opinion
from personagym_env.data.tables import Catalogue, IntArray, Interactions


@dataclass(frozen=True, eq=False, repr=False)
class StackModel:
    """A `RatingModel` of blended evidence."""

    evidence: RatingEvidence
    blend: Blend

    def predict(self, users: IntArray) -> Opinion:
        """See `RatingModel.predict`; the variance is that of the factor model of highest rank."""
        means = self.blend(self.evidence.features(users))
        return Opinion(means, self.evidence.factors[-1].predict(users).variance)

    def means_at(self, users: IntArray, items: IntArray) -> Columns:
        """(n,) expected ratings of n pairs, without those of the users' other items."""
        return self.blend(self.evidence.at(users, items, self.evidence.mood[users]))


def fit_stack(log: Interactions, catalogue: Catalogue | None = None) -> StackModel:
    """Blend what the other rows say about each row.

    Args:
        log: training rows.
        catalogue: of the log's items, for years, genres and titles.

    Raises:
        ValueError: the log has no rows.
    """
    return StackModel(fit_evidence(log, catalogue), fit_cross_fitted_blend(log, catalogue))
