"""What PersonaGym judges: heuristics, item-kNN, EASE, RecBole models, bandits, trained policies, and a user's own.

Policies need Stable-Baselines3 and torch, so they are not imported here: see `personagym_recommenders.sb3_vec_env`,
`sb3_features` and `sb3_recommender`.
"""

from personagym_recommenders.action_decoders import (
    ActionDecoder,
    ChosenCandidates,
    NamedItems,
    NearestItems,
    WeightedFeatures,
)
from personagym_recommenders.action_wrappers import DecodeAction, VectorDecodeAction
from personagym_recommenders.bandits import LinearThompson, LinUCB
from personagym_recommenders.base import ScoringRecommender, top_k
from personagym_recommenders.candidates import CandidateFeatures
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
    "ActionDecoder",
    "BestRated",
    "CandidateFeatures",
    "ChosenCandidates",
    "DecodeAction",
    "ItemKNN",
    "LeastPopular",
    "LinUCB",
    "LinearThompson",
    "MostPopular",
    "NamedItems",
    "NearestItems",
    "Random",
    "RecBole",
    "ScoringRecommender",
    "UserAgentGreedy",
    "VectorDecodeAction",
    "WeightedFeatures",
    "WorstRated",
    "load_recommender",
    "top_k",
]
