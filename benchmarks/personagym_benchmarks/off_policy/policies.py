"""The policies of the study: one that logs, and those whose value is asked for, from near to far."""

from collections.abc import Callable

from personagym_env.world import World
from personagym_recommenders import EASE, BestRated, ItemKNN, LeastPopular, MostPopular, WorstRated
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.models.rating_models import MatrixFactorisation
from personagym_recommenders.stochastic.epsilon_greedy import EpsilonGreedy
from personagym_recommenders.stochastic.options import ScoredOptions
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

LOGGING = 2.0
"""Temperature of the logging policy."""
FLOOR = 0.3
"""Share of its weight that all candidates have in equal parts."""
UNSUPPORTED = "own candidates"
"""What marks a policy that draws from other candidates than the logging policy."""
_RANKED: tuple[tuple[Callable[[], ScoringRecommender], tuple[float, ...]], ...] = (
    (EASE, (4.0, 1.0, 0.5)),
    (BestRated, (3.0, 1.5, 0.8)),
    (MatrixFactorisation, (2.0, 1.0, 0.5)),
    (ItemKNN, (1.5,)),
    (MostPopular, (1.5,)),
    (LeastPopular, (1.5,)),
    (WorstRated, (1.5,)),
)


def logging_policy(world: World, candidates: int) -> PlackettLuce:
    """EASE with much chance, over its own candidates; fitted."""
    policy = PlackettLuce(EASE(), LOGGING, candidates, FLOOR)
    return policy.fit(world.train, world.dataset.catalogue)


def evaluation_policies(world: World, candidates: int) -> dict[str, ScoredOptions]:
    """Policies by name, fitted; all but the last rank the candidates of the logging policy."""
    made: dict[str, ScoredOptions] = {}
    for recommender, temperatures in _RANKED:
        for temperature in temperatures:
            ranked = PlackettLuce(recommender(), temperature, candidates, 0.1, retrieval=EASE())
            made[f"{ranked.recommender.name} {temperature:g}"] = ranked
    made["MatrixFactorisation greedy"] = EpsilonGreedy(MatrixFactorisation(), 0.3, candidates, retrieval=EASE())
    made[f"MatrixFactorisation 1, {UNSUPPORTED}"] = PlackettLuce(MatrixFactorisation(), 1.0, candidates, 0.1)
    for policy in made.values():
        policy.fit(world.train, world.dataset.catalogue)
    return made
