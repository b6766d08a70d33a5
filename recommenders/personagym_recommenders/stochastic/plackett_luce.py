"""Plackett-Luce over scores: slates drawn place by place, in proportion to softmax weights."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.protocols import Observation, Propensities
from personagym_env.session.random import UIntArray
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.stochastic.options import Options, ScoredOptions


class PlackettLuce(ScoredOptions):
    """Each place goes to one of the options that are left, in proportion to its weight (Plackett 1975; Luce 1959).

    The weight of option i among p is `(1 - floor) softmax(z / temperature)_i + floor / p` with standardised scores z.
    So every option that is left comes first with probability at least `floor / p`, and the propensity of a slate of k
    options is at least `(floor / p) ** k`. Joint and prefix propensities are products of ratios, and marginals come
    from an integral that is right to six digits. Limiting cases: a high temperature gives uniformly random slates, a
    low one without floor the k best. By rank the weight of option r is in proportion to `r ** (-1 / temperature)`.

    Args:
        recommender: whose scores; `fit` fits it.
        temperature: in standard deviations of a row's scores, above 0; by rank the inverse of Zipf's exponent.
        candidates: options of each user, see `ScoredOptions`.
        floor: share of the weight that all options have in equal parts, in 0..1.
        retrieval: where the candidates come from, see `ScoredOptions`.
        by_rank: whether ranks stand in the place of scores.
        withheld: items that nobody is shown.
    """

    def __init__(
        self,
        recommender: ScoringRecommender,
        temperature: float = 1.0,
        candidates: int | None = None,
        floor: float = 0.05,
        retrieval: ScoringRecommender | None = None,
        by_rank: bool = False,
        withheld: Sequence[int] = (),
    ) -> None:
        super().__init__(recommender, candidates, retrieval, by_rank, withheld)
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if not 0 <= floor <= 1:
            raise ValueError(f"floor must lie in 0..1, got {floor}")
        self.temperature = temperature
        self.floor = floor

    @property
    def name(self) -> str:
        """For tables: the recommender and the temperature."""
        return f"PlackettLuce({self.recommender.name}, {self.temperature:g})"

    def choose(self, options: Options, keys: UIntArray, k: int) -> IntArray:
        """(n, k) see `ScoredOptions.choose`."""
        from personagym_recommenders.stochastic.kernels import draw_without_replacement

        return draw_without_replacement(self.weights(options), np.ascontiguousarray(options.items), keys, k)

    def draw_with_propensities(
        self, observation: Observation, k: int, keys: UIntArray
    ) -> tuple[IntArray, Propensities]:
        """See `ScoredOptions.draw_with_propensities`; weights are computed once."""
        from personagym_recommenders.stochastic.kernels import draw_without_replacement, prefix_propensities
        from personagym_recommenders.stochastic.marginal_kernels import marginal_propensities

        options = self._enough_options(observation, k, None)
        weights = self.weights(options)
        positions = draw_without_replacement(weights, np.ascontiguousarray(options.items), keys, k)
        prefix, marginal = prefix_propensities(weights, positions), marginal_propensities(weights, positions)
        slates = np.take_along_axis(options.items, positions, axis=1)
        return slates, Propensities(prefix[:, -1], prefix, marginal, np.zeros_like(marginal))

    def probabilities(self, options: Options, positions: IntArray) -> tuple[FloatArray, FloatArray]:
        """(n, k) each, see `ScoredOptions.probabilities`."""
        from personagym_recommenders.stochastic.kernels import prefix_propensities
        from personagym_recommenders.stochastic.marginal_kernels import marginal_propensities

        weights = self.weights(options)
        return prefix_propensities(weights, positions), marginal_propensities(weights, positions)

    def prefixes(self, options: Options, positions: IntArray) -> FloatArray:
        """(n, k) see `ScoredOptions.prefixes`."""
        from personagym_recommenders.stochastic.kernels import prefix_propensities

        return prefix_propensities(self.weights(options), positions)

    def weights(self, options: Options) -> npt.NDArray[np.float64]:
        """(n, p) weights of the options, which sum to 1 in each row; 0 where an item may not be shown."""
        from personagym_recommenders.stochastic.kernels import mix_with_floor

        best = options.scores.max(axis=1, keepdims=True)
        share = options.scores - np.where(np.isfinite(best), best, 0.0)
        share /= self.temperature
        np.exp(share, out=share)
        # Without a floor, options whose weight would vanish stay possible, by a weight that products can still bear.
        mix_with_floor(share, options.scores, self.floor, 1e-200)
        return share
