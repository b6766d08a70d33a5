"""What PersonaGym judges: heuristics, item-kNN, EASE, RecBole models, bandits, trained policies, and a user's own.

Policies need Stable-Baselines3 and torch, so they are not imported here: see `personagym_recommenders.rl.sb3_vec_env`,
`sb3_features` and `sb3_recommender`.
"""

from personagym_recommenders.bandits.linear import LinearThompson, LinUCB
from personagym_recommenders.base import ScoringRecommender, top_k
from personagym_recommenders.loading import NamedRecommender, find_recommender, load_recommender, make_contestants
from personagym_recommenders.models.candidates import CandidateFeatures
from personagym_recommenders.models.heuristics import BestRated, LeastPopular, MostPopular, Random, Recent, WorstRated
from personagym_recommenders.models.instruction_follower import InstructionFollower
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.models.oracle_greedy import OracleGreedy
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.registry import (
    DEFAULT_CONTESTANTS,
    REGISTRY,
    RecommenderContext,
    RecommenderSpec,
    available,
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
    "DEFAULT_CONTESTANTS",
    "EASE",
    "REGISTRY",
    "ActionDecoder",
    "BestRated",
    "CandidateFeatures",
    "ChosenCandidates",
    "DecodeAction",
    "InstructionFollower",
    "ItemKNN",
    "LeastPopular",
    "LinUCB",
    "LinearThompson",
    "MostPopular",
    "NamedItems",
    "NamedRecommender",
    "NearestItems",
    "OracleGreedy",
    "Random",
    "RecBole",
    "Recent",
    "RecommenderContext",
    "RecommenderSpec",
    "ScoringRecommender",
    "VectorDecodeAction",
    "WeightedFeatures",
    "WorstRated",
    "available",
    "find_recommender",
    "load_recommender",
    "make_contestants",
    "top_k",
]
