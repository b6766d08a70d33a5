"""Every recommender of this package by the name that `--contestants` and `--recommender` take, with what it is.

One table serves the leaderboard, the agreement study and the robustness report. The model class is what the
self-preference audit goes by: does a judge rank its own class higher than real users do? Classes are named like those
of judges in `personagym agreement`.
"""

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.protocols import Recommender, UserAgent
from personagym_recommenders.bandits.linear import LinearThompson, LinUCB
from personagym_recommenders.models.heuristics import BestRated, LeastPopular, MostPopular, Random, Recent, WorstRated
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.models.oracle_greedy import OracleGreedy
from personagym_recommenders.models.rating_models import GenreTaste, MatrixFactorisation, UserKNN
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.rl.simulator_trained import SimulatorTrainedLinUCB, SimulatorTrainedPPO, UsersOf
from personagym_recommenders.stochastic.epsilon_greedy import EpsilonGreedy
from personagym_recommenders.stochastic.plackett_luce import PlackettLuce

Need = Literal["timestamps", "genres", "RecBole", "Stable-Baselines3", "users to learn with", "users who judge"]
"""What a recommender cannot do without, besides rows."""


@dataclass(frozen=True)
class RecommenderContext:
    """What surrounds a recommender that is to be made; None where there is no such thing."""

    liked: float | None = None
    """The least rating that counts as a sign of liking."""
    users: UsersOf | None = None
    """Makes the users with whom those learn who learn in sessions before they are judged."""
    judge: UserAgent | None = None
    """The users who will judge, for the reference that reads them."""


NO_CONTEXT = RecommenderContext()
_MISSING: Mapping[str, str] = {
    "liked": "the least rating that counts as liked",
    "users": "users to learn with",
    "judge": "the users who judge",
}
"""What to call an entry of the context that is None."""


@dataclass(frozen=True)
class RecommenderSpec:
    """One recommender before it is made and fitted."""

    name: str
    """What options call it, and tables."""
    model_class: str
    """What the self-preference audit groups by."""
    factory: Callable[..., Recommender]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the factory."""
    from_context: Mapping[str, str] = field(default_factory=dict)
    """Keyword arguments of the factory that come from the context, and under which name they stand there."""
    needs: frozenset[Need] = frozenset()
    slow: bool = False
    """Takes more than some ten seconds on a CPU core with 100,000 ratings."""
    stochastic: bool = False
    """Draws its slates, and says with which propensity."""
    online: bool = False
    """Begins without experience and learns in the sessions that judge it; its closed-pool picks are a beginner's."""
    default: bool = False
    """Whether the leaderboard compares it unless told otherwise."""

    def make(self, context: RecommenderContext = NO_CONTEXT, **options: Any) -> Recommender:
        """Make it, not fitted.

        Args:
            context: see `from_context`.
            **options: keyword arguments of the factory, in place of the spec's own.

        Raises:
            ValueError: the context lacks what it needs, or the options do not fit.
            TypeError: what the factory made is no recommender.
        """
        arguments = {**self.options, **options}
        for argument, source in self.from_context.items():
            if argument not in arguments:
                arguments[argument] = getattr(context, source)
                if arguments[argument] is None:
                    raise ValueError(f"recommender {self.name!r} needs {_MISSING[source]}, and there is none here")
        try:
            inspect.signature(self.factory).bind(**arguments)
        except TypeError as error:
            raise ValueError(f"recommender {self.name!r} cannot be made from {arguments}: {error}") from error
        made: Any = self.factory(**arguments)
        if not isinstance(made, Recommender):
            missing = [name for name in ("name", "fit", "recommend") if not hasattr(made, name)]
            raise TypeError(f"{self.name!r} is no Recommender: {type(made).__name__} lacks {', '.join(missing)}")
        return made


def _recbole(name: str, model_class: str, epochs: int, config: Mapping[str, Any], **tags: Any) -> RecommenderSpec:
    """A RecBole model with options that a CPU can bear; what follows a hyphen in the name tells a variant."""
    options = {"model": name.partition("-")[0], "epochs": epochs, "config": config}
    return RecommenderSpec(name, model_class, RecBole, options, needs=frozenset({"RecBole"}), **tags)


_TIMES: frozenset[Need] = frozenset({"timestamps"})
_GENRES: frozenset[Need] = frozenset({"genres"})
_LEARNS: frozenset[Need] = frozenset({"users to learn with"})
_PLAYS: frozenset[Need] = _LEARNS | {"Stable-Baselines3"}
_READS: frozenset[Need] = frozenset({"users who judge"})
_LIKED = {"min_rating": "liked"}
_USERS = {"users": "users"}
_BPR = {"learning_rate": 0.01, "train_batch_size": 4096}
_SEQUENTIAL = {"learning_rate": 0.003, "MAX_ITEM_LIST_LENGTH": 20}
_OVERFITTED = {"regularisation": 0.5}

# Options of BPR, LightGCN and NeuMF are the best of two to four settings by NDCG@10 on the last 10 % of each user's
# training rows of ML-100K, one run each. Those of the sequential models bound the time and are not tuned: sequences are
# short and epochs few. `epochs=None` searches for the epochs anew.
_SPECS = (
    RecommenderSpec("random", "chance", Random, default=True),
    RecommenderSpec("popular", "popularity", MostPopular, default=True),
    RecommenderSpec("unpopular", "popularity", LeastPopular),
    RecommenderSpec("recent", "popularity", Recent, needs=_TIMES),
    RecommenderSpec("best-rated", "bias", BestRated, default=True),
    RecommenderSpec("best-rated-unshrunk", "bias", BestRated, {"strength": 0.01}),
    RecommenderSpec("worst-rated", "bias", WorstRated),
    RecommenderSpec("item-knn", "neighbours", ItemKNN, default=True),
    RecommenderSpec("item-knn-liked", "neighbours", ItemKNN, from_context=_LIKED),
    RecommenderSpec("user-knn", "neighbours", UserKNN),
    RecommenderSpec("user-knn-5", "neighbours", UserKNN, {"neighbours": 5}),
    RecommenderSpec("ease", "linear", EASE, default=True),
    RecommenderSpec("ease-liked", "linear", EASE, from_context=_LIKED),
    RecommenderSpec("mf-2", "factors", MatrixFactorisation, {"rank": 2, "regularisation": 4.0}),
    RecommenderSpec("mf-8", "factors", MatrixFactorisation),
    RecommenderSpec("mf-32", "factors", MatrixFactorisation, {"rank": 32, "regularisation": 14.0}),
    RecommenderSpec("mf-8-overfitted", "factors", MatrixFactorisation, _OVERFITTED),
    RecommenderSpec("mf-8-undertrained", "factors", MatrixFactorisation, {**_OVERFITTED, "sweeps": 1}),
    RecommenderSpec("genres", "content", GenreTaste, needs=_GENRES),
    RecommenderSpec("genres-best-rated", "content", GenreTaste, {"quality": True}, needs=_GENRES),
    _recbole("BPR", "ranking factors", 22, _BPR, default=True),
    _recbole("BPR-undertrained", "ranking factors", 2, _BPR),
    _recbole("LightGCN", "network", 32, {"learning_rate": 0.03, "train_batch_size": 8192}, slow=True, default=True),
    _recbole("NeuMF", "network", 27, {"learning_rate": 0.003}, slow=True, default=True),
    _recbole("SASRec", "network", 10, _SEQUENTIAL, slow=True),
    _recbole("GRU4Rec", "network", 10, _SEQUENTIAL, slow=True),
    RecommenderSpec("linucb", "bandit", LinUCB, online=True),
    RecommenderSpec("thompson", "bandit", LinearThompson, online=True),
    RecommenderSpec("linucb-trained", "bandit", SimulatorTrainedLinUCB, from_context=_USERS, needs=_LEARNS),
    RecommenderSpec("ppo-trained", "policy", SimulatorTrainedPPO, from_context=_USERS, needs=_PLAYS, slow=True),
    RecommenderSpec("oracle-greedy", "oracle", OracleGreedy, from_context={"agent": "judge"}, needs=_READS),
)
DRAWN: Mapping[str, Callable[..., Recommender]] = {"plackett-luce": PlackettLuce, "epsilon-greedy": EpsilonGreedy}
"""Stochastic recommenders over the scores of another one: `plackett-luce:ease` draws from what `ease` scores."""
REGISTRY: Mapping[str, RecommenderSpec] = {spec.name: spec for spec in _SPECS}
"""Recommenders by name, in no order of merit."""
DEFAULT_CONTESTANTS = tuple(name for name, spec in REGISTRY.items() if spec.default)
"""What the leaderboard compares unless told otherwise."""


def available(
    log: Interactions,
    catalogue: Catalogue,
    context: RecommenderContext = NO_CONTEXT,
    *,
    slow: bool = True,
    online: bool = True,
) -> tuple[dict[str, RecommenderSpec], dict[str, str]]:
    """Who can take part with this data.

    Args:
        log: training rows.
        catalogue: of the data set.
        context: whether there are users to learn with, and users who judge.
        slow: whether models join that take long on a CPU.
        online: whether those join that learn in the sessions that judge them.

    Returns:
        Specs by name, and why each of the others is left out.
    """
    has: dict[Need, bool] = {
        "timestamps": log.timestamps is not None,
        "genres": bool(catalogue.genre_names),
        "RecBole": importlib.util.find_spec("recbole") is not None,
        "Stable-Baselines3": importlib.util.find_spec("stable_baselines3") is not None,
        "users to learn with": context.users is not None,
        "users who judge": context.judge is not None,
    }
    chosen, left_out = {}, {}
    for name, spec in REGISTRY.items():
        missing = sorted(need for need in spec.needs if not has[need])
        if missing:
            left_out[name] = f"needs {' and '.join(missing)}"
        elif spec.slow and not slow:
            left_out[name] = "slow on a CPU, and was not asked for"
        elif spec.online and not online:
            left_out[name] = "learns in the sessions that judge it, and nobody has had any before"
        else:
            chosen[name] = spec
    return chosen, left_out
