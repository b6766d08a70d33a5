"""Who is on the leaderboard, none of them fitted."""

from functools import partial

import personagym_agents
from personagym_benchmarks.leaderboard.settings import LeaderboardSettings
from personagym_env.evaluation.core.offline import liked_from
from personagym_env.world import World
from personagym_recommenders import (
    DEFAULT_CONTESTANTS,
    REGISTRY,
    NamedRecommender,
    OracleGreedy,
    RecommenderContext,
    available,
    find_recommender,
    make_contestants,
)

LEARN_WITH = "mf"
"""Users with whom those recommenders learn who learn in sessions before they are judged; they know the recommenders'
half."""
DEFAULT, ALL = "default", "all"
"""Words for several recommenders."""
REFERENCE = "oracle-greedy"
"""What is shown beside the recommenders and stands outside the agreement."""


def check_words(args: LeaderboardSettings) -> None:
    """Refuse a word that stands for no recommender, before users are made.

    Raises:
        ValueError: one does.
    """
    for word in (*args.contestants, *args.recommender):
        if word not in (DEFAULT, ALL):
            find_recommender(word)


def choose_recommenders(args: LeaderboardSettings, world: World) -> list[NamedRecommender]:
    """The recommenders by name, those from files, and the reference; not fitted.

    Raises:
        ValueError: a name is unknown, or two recommenders have the same one.
    """
    context = RecommenderContext(liked_from(world.train), partial(personagym_agents.load, LEARN_WITH))
    everybody = tuple(available(world.train, world.dataset.catalogue, context)[0])
    groups = {DEFAULT: DEFAULT_CONTESTANTS, ALL: everybody}
    words = [word for name in args.contestants for word in groups.get(name, (name,))]
    chosen = make_contestants(dict.fromkeys((*words, *args.recommender)), context)
    if args.reference:
        reference = OracleGreedy(world.agent, shortlist=args.shortlist)
        chosen.append(NamedRecommender(REFERENCE, REGISTRY[REFERENCE].model_class, reference))
    return chosen
