"""Epsilon-greedy slates: each place explores with a fixed probability, and else takes the best that is left."""

from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.session.random import UIntArray
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.stochastic.options import Options, ScoredOptions


class EpsilonGreedy(ScoredOptions):
    """Each place goes, with probability epsilon, to any of the options that are left, all alike, else to the best.

    All propensities are exact, marginals too. Limiting cases: epsilon 0 shows the k best, so it is how a deterministic
    recommender tells its propensities of 0 and 1; epsilon 1 shows uniformly random slates.

    Args:
        recommender: whose scores; `fit` fits it.
        epsilon: probability of exploring, in 0..1.
        candidates: options of each user, see `ScoredOptions`.
        retrieval: where the candidates come from, see `ScoredOptions`.
    """

    def __init__(
        self,
        recommender: ScoringRecommender,
        epsilon: float = 0.1,
        candidates: int | None = None,
        retrieval: ScoringRecommender | None = None,
    ) -> None:
        super().__init__(recommender, candidates, retrieval)
        if not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon must lie in 0..1, got {epsilon}")
        self.epsilon = epsilon

    @property
    def name(self) -> str:
        """For tables: the recommender and epsilon."""
        return f"EpsilonGreedy({self.recommender.name}, {self.epsilon:g})"

    def choose(self, options: Options, keys: UIntArray, k: int) -> IntArray:
        """(n, k) see `ScoredOptions.choose`."""
        from personagym_recommenders.stochastic.greedy_kernels import draw_epsilon_greedy

        return draw_epsilon_greedy(options.scores, keys, self.epsilon, k)

    def probabilities(self, options: Options, positions: IntArray) -> tuple[FloatArray, FloatArray]:
        """(n, k) each, see `ScoredOptions.probabilities`."""
        from personagym_recommenders.stochastic.greedy_kernels import epsilon_greedy_propensities

        return epsilon_greedy_propensities(options.scores, positions, self.epsilon)
