"""What PersonaGym judges: heuristics, item-kNN, EASE, RecBole models, bandits, trained policies, and a user's own.

Policies need Stable-Baselines3 and torch, so they are not imported here: see `personagym_recommenders.rl.sb3_vec_env`,
`sb3_features` and `sb3_recommender`.
"""

from personagym_recommenders.bandits.linear import LinearThompson, LinUCB
from personagym_recommenders.base import ScoringRecommender, top_k
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.models.heuristics import BestRated, LeastPopular, MostPopular, Random, WorstRated
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.models.oracle_greedy import OracleGreedy
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.registry import (
    ALL_CONTESTANTS,
    BUILT_IN,
    DEFAULT_CONTESTANTS,
    RECIPES,
    load_recommender,
)
from personagym_recommenders.rl.action_decoders import (
    ActionDecoder,
    ChosenCandidates,
    NamedItems,
    NearestItems,
    WeightedFeatures,
)
from personagym_recommenders.rl.action_wrappers import DecodeAction, VectorDecodeAction

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
    "OracleGreedy",
    "Random",
    "RecBole",
    "ScoringRecommender",
    "VectorDecodeAction",
    "WeightedFeatures",
    "WorstRated",
    "load_recommender",
    "top_k",
]
