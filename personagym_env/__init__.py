"""The world of PersonaGym: data in, Gymnasium out. Importing it makes `PersonaRec-v0` known to Gymnasium."""

from personagym_env import forks  # noqa: F401 - for what it does to forked processes
from personagym_env.data.sources import load_dataset
from personagym_env.data.tables import Catalogue, Dataset, Interactions, Users
from personagym_env.env import PersonaRecEnv
from personagym_env.protocols import NO_ITEM, Observation, Reaction, Recommender, UserAgent, UserSessions
from personagym_env.registration import register_envs
from personagym_env.session.parameters import SessionParameters
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World, make_world

__all__ = [
    "NO_ITEM",
    "Catalogue",
    "Dataset",
    "Interactions",
    "Observation",
    "PersonaRecEnv",
    "PersonaRecVectorEnv",
    "Reaction",
    "Recommender",
    "SessionParameters",
    "UserAgent",
    "UserSessions",
    "Users",
    "World",
    "load_dataset",
    "make_world",
    "register_envs",
]

register_envs()
