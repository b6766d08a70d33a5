"""The line-up of the agreement study: recommenders of many kinds and strengths, each with its model class.

The class is what the self-preference audit goes by: does a judge rank its own class higher than real users do? Classes
are named like those of judges in `personagym agreement`.
"""

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.protocols import Recommender
from personagym_recommenders.models.heuristics import (
    BestRated,
    LeastPopular,
    MostPopular,
    Random,
    WorstRated,
)
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.models.rating_models import GenreTaste, MatrixFactorisation, UserKNN
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.registry import RECIPES
from personagym_recommenders.rl.trained import LearnsInSessions, TrainedBandit, TrainedPolicy, UsersOf

_DAY = 86_400.0
_RECBOLE = frozenset({"RecBole"})
_USERS = "users to learn with"
_POLICIES = "Stable-Baselines3"


class Recent(MostPopular):
    """The items with the most training rows of late: a row counts half as much for each half-life of age.

    Args:
        half_life: days, above 0.
    """

    def __init__(self, half_life: float = 14.0) -> None:
        if half_life <= 0:
            raise ValueError(f"half_life must be above 0 days, got {half_life}")
        self.half_life = half_life

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Sum the weights of each item's rows.

        Raises:
            ValueError: the log has no timestamps.
        """
        if log.timestamps is None:
            raise ValueError("Recent needs timestamps, and this log has none")
        newest = log.timestamps.max(initial=0)
        weight = 0.5 ** ((newest - log.timestamps) / (_DAY * self.half_life))
        self.item_scores_ = np.bincount(log.items, weight, minlength=log.n_items).astype(np.float64)


class Means(NamedTuple):
    """What contestants are made with."""

    liked: float
    """The least rating that counts as a sign of liking."""
    users: UsersOf | None = None
    """Users for those who learn in sessions; None leaves these out."""


class RecommenderSpec(NamedTuple):
    """One contestant before it is fitted."""

    model_class: str
    """What the self-preference audit groups by."""
    make: Callable[[Means], Recommender]
    """Makes it, not fitted."""
    needs: frozenset[str] = frozenset()
    """What must be there: timestamps, genres, users to learn with, RecBole, Stable-Baselines3."""
    slow: bool = False
    """Takes more than some ten seconds on a CPU core with 100,000 ratings."""


def _plain(make: Callable[..., Recommender], **options: Any) -> Callable[[Means], Recommender]:
    """For those who do not ask what was liked."""
    return lambda means: make(**options)


def _learner(make: type[LearnsInSessions]) -> Callable[[Means], Recommender]:
    def made(means: Means) -> Recommender:
        if means.users is None:
            raise ValueError(f"{make.__name__} learns in sessions, and there are no users to have them with")
        return make(means.users)

    return made


def _recbole(model: str, epochs: int | None = None) -> Callable[[Means], Recommender]:
    recipe = RECIPES[model]
    return lambda means: RecBole(model, epochs=epochs or recipe["epochs"], config=recipe["config"])


LINE_UP: Mapping[str, RecommenderSpec] = {
    "random": RecommenderSpec("chance", _plain(Random)),
    "popular": RecommenderSpec("popularity", _plain(MostPopular)),
    "unpopular": RecommenderSpec("popularity", _plain(LeastPopular)),
    "recent": RecommenderSpec("popularity", _plain(Recent), frozenset({"timestamps"})),
    "best rated": RecommenderSpec("bias", _plain(BestRated)),
    "best rated, unshrunk": RecommenderSpec("bias", _plain(BestRated, strength=0.01)),
    "worst rated": RecommenderSpec("bias", _plain(WorstRated)),
    "item-kNN": RecommenderSpec("neighbours", _plain(ItemKNN)),
    "item-kNN, liked rows": RecommenderSpec("neighbours", lambda means: ItemKNN(min_rating=means.liked)),
    "user-kNN": RecommenderSpec("neighbours", _plain(UserKNN)),
    "user-kNN, 5 neighbours": RecommenderSpec("neighbours", _plain(UserKNN, neighbours=5)),
    "EASE": RecommenderSpec("linear", _plain(EASE)),
    "EASE, liked rows": RecommenderSpec("linear", lambda means: EASE(min_rating=means.liked)),
    "MF, rank 2": RecommenderSpec("factors", _plain(MatrixFactorisation, rank=2, regularisation=4.0)),
    "MF, rank 8": RecommenderSpec("factors", _plain(MatrixFactorisation)),
    "MF, rank 32": RecommenderSpec("factors", _plain(MatrixFactorisation, rank=32, regularisation=14.0)),
    "MF, rank 8, overfitted": RecommenderSpec("factors", _plain(MatrixFactorisation, regularisation=0.5)),
    "MF, rank 8, undertrained": RecommenderSpec("factors", _plain(MatrixFactorisation, regularisation=0.5, sweeps=1)),
    "genres": RecommenderSpec("content", _plain(GenreTaste), frozenset({"genres"})),
    "genres and best rated": RecommenderSpec("content", _plain(GenreTaste, quality=True), frozenset({"genres"})),
    "BPR": RecommenderSpec("ranking factors", _recbole("BPR"), _RECBOLE),
    "BPR, undertrained": RecommenderSpec("ranking factors", _recbole("BPR", 2), _RECBOLE),
    "LightGCN": RecommenderSpec("network", _recbole("LightGCN"), _RECBOLE, slow=True),
    "NeuMF": RecommenderSpec("network", _recbole("NeuMF"), _RECBOLE, slow=True),
    "SASRec": RecommenderSpec("network", _recbole("SASRec"), _RECBOLE, slow=True),
    "GRU4Rec": RecommenderSpec("network", _recbole("GRU4Rec"), _RECBOLE, slow=True),
    "LinUCB": RecommenderSpec("bandit", _learner(TrainedBandit), frozenset({_USERS})),
    "PPO": RecommenderSpec("policy", _learner(TrainedPolicy), frozenset({_USERS, _POLICIES}), slow=True),
}
"""Contestants of the study by name, in no order of merit."""


def line_up(
    log: Interactions, catalogue: Catalogue, *, slow: bool = False, users: bool = False
) -> tuple[dict[str, RecommenderSpec], dict[str, str]]:
    """Who can take part with this data.

    Args:
        log: training rows.
        catalogue: of the data set.
        slow: whether models join that take long on a CPU.
        users: whether there are users for those who learn in sessions.

    Returns:
        Entries by name, and why each of the others is left out.
    """
    has = {
        "timestamps": log.timestamps is not None,
        "genres": bool(catalogue.genre_names),
        "RecBole": importlib.util.find_spec("recbole") is not None,
        _USERS: users,
        _POLICIES: importlib.util.find_spec("stable_baselines3") is not None,
    }
    chosen, left_out = {}, {}
    for name, entry in LINE_UP.items():
        missing = sorted(need for need in entry.needs if not has[need])
        if missing:
            left_out[name] = f"needs {' and '.join(missing)}"
        elif entry.slow and not slow:
            left_out[name] = "slow on a CPU, and was not asked for"
        else:
            chosen[name] = entry
    return chosen, left_out
