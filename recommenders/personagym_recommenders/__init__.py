"""What PersonaGym judges: heuristics, item-kNN, EASE, RecBole models, and a user's own."""

from personagym_recommenders.base import ScoringRecommender, top_k
from personagym_recommenders.contestants import (
    ALL_CONTESTANTS,
    BUILT_IN,
    DEFAULT_CONTESTANTS,
    RECIPES,
    load_recommender,
)
from personagym_recommenders.greedy import UserAgentGreedy
from personagym_recommenders.heuristics import BestRated, LeastPopular, MostPopular, Random, WorstRated
from personagym_recommenders.item_models import EASE, ItemKNN
from personagym_recommenders.recbole import RecBole

__all__ = [
    "ALL_CONTESTANTS",
    "BUILT_IN",
    "DEFAULT_CONTESTANTS",
    "EASE",
    "RECIPES",
    "BestRated",
    "ItemKNN",
    "LeastPopular",
    "MostPopular",
    "Random",
    "RecBole",
    "ScoringRecommender",
    "UserAgentGreedy",
    "WorstRated",
    "load_recommender",
    "top_k",
]
