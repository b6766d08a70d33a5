"""Recommenders by name, by file, by module or from a folder, and the line-ups of the leaderboard."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from personagym_env.protocols import Recommender
from personagym_recommenders.bandits.linear import LinearThompson, LinUCB
from personagym_recommenders.models.heuristics import BestRated, LeastPopular, MostPopular, Random, WorstRated
from personagym_recommenders.models.item_models import EASE, ItemKNN
from personagym_recommenders.recbole.recommender import RecBole, find_recbole, has_model
from personagym_recommenders.storable import load_storable
from personagym_recommenders.storage import FILE_NAME, read_saved

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "BPR": {"epochs": 22, "config": {"learning_rate": 0.01, "train_batch_size": 4096}},
    "LightGCN": {"epochs": 32, "config": {"learning_rate": 0.03, "train_batch_size": 8192}},
    "NeuMF": {"epochs": 27, "config": {"learning_rate": 0.003}},
    "SASRec": {"epochs": 10, "config": {"learning_rate": 0.003, "MAX_ITEM_LIST_LENGTH": 20}},
    "GRU4Rec": {"epochs": 10, "config": {"learning_rate": 0.003, "MAX_ITEM_LIST_LENGTH": 20}},
}
"""Options of RecBole models that a CPU can bear. For BPR, LightGCN and NeuMF they are the best of two to four settings
by NDCG@10 on the last 10 % of each user's training rows of ML-100K, one run each. For the sequential models they bound
the time and are not tuned: sequences are short and epochs few. `epochs=None` searches for the epochs anew."""

BUILT_IN: Mapping[str, Callable[..., Recommender]] = {
    "random": Random,
    "popular": MostPopular,
    "unpopular": LeastPopular,
    "best-rated": BestRated,
    "worst-rated": WorstRated,
    "item-knn": ItemKNN,
    "ease": EASE,
    "linucb": LinUCB,
    "thompson": LinearThompson,
}
"""Recommenders of this package that need no RecBole, by name."""

DEFAULT_CONTESTANTS = ("random", "popular", "best-rated", "item-knn", "ease", "BPR", "LightGCN", "NeuMF")
"""What the leaderboard compares unless told otherwise."""

ALL_CONTESTANTS = (*DEFAULT_CONTESTANTS, "linucb", "thompson", "SASRec", "GRU4Rec", "worst-rated", "unpopular")
"""Everything that has a name and a recipe; the sequential models are slow on a CPU. The bandits begin without any
experience and learn in the sessions that judge them; their closed-pool picks are those of a beginner."""


def load_recommender(spec: str, **options: Any) -> Recommender:
    """Make a recommender, to be fitted, from a word.

    Args:
        spec: a name out of `BUILT_IN` ("popular", "ease"), a RecBole model ("BPR", "SimpleX"), a class or function in a
            file ("path/to/file.py:MyRecommender"), one in a module ("package.module:MyRecommender"), or the folder of a
            saved recommender ("runs/ppo/policy"): a trained policy with all that it needs, see `SB3Recommender`, or any
            recommender of this package. Files of Stable-Baselines3 itself, which hold pickles, are not read.
        **options: keyword arguments of the constructor; for a model in `RECIPES` they replace the recipe's. A saved
            recommender has its own.

    Raises:
        ImportError: a RecBole model or a policy was asked for without RecBole or Stable-Baselines3, or a module does
            not exist.
        FileNotFoundError: a file does not exist, or nothing was saved in a folder.
        ValueError: nothing has that name, the options do not fit, or a folder holds something else.
        TypeError: what was found is no recommender.
    """
    if ":" in spec:
        return _make(spec, _find_attribute(spec), options)
    if spec in BUILT_IN:
        return _make(spec, BUILT_IN[spec], options)
    if spec in RECIPES:
        find_recbole()
        return _make(spec, RecBole, {"model": spec, **RECIPES[spec], **options})
    if Path(spec).suffix == ".zip" or (spec and Path(spec).is_dir()):
        return _load_saved(Path(spec), options)
    if spec and _installed_model(spec):
        return _make(spec, RecBole, {"model": spec, **options})
    raise ValueError(
        f"no recommender is called {spec!r}. Names: {', '.join(sorted({*BUILT_IN, *RECIPES}))}; "
        f"any other model of an installed RecBole by its name; or 'path/to/file.py:Class', 'package.module:Class', "
        f"or the folder of a saved recommender"
    )


def _load_saved(place: Path, options: Mapping[str, Any]) -> Recommender:
    if place.suffix == ".zip":
        raise ValueError(
            f"{place} is a file of Stable-Baselines3: it holds pickles, which run code when they are read, and lacks "
            "the action decoder. If you trust it, make a folder of it once and load that: "
            "SB3Recommender.from_zip(path, PPO, decoder).fit(log, catalogue).save(folder), from "
            "personagym_recommenders.rl.sb3_recommender"
        )
    if options:
        raise ValueError(f"the recommender saved in {place} has its own settings, got {dict(options)} besides")
    if not (place / FILE_NAME).is_file():
        inside = ", ".join(sorted(str(found.parent) for found in place.glob(f"*/{FILE_NAME}")))
        raise FileNotFoundError(
            f"no saved recommender in {place}: {FILE_NAME} is missing" + (f"; there are {inside}" if inside else "")
        )
    if read_saved(place).kind == "SB3Recommender":
        # Here, because it imports torch, which no other recommender of this package needs.
        import personagym_recommenders.rl.sb3_recommender  # noqa: F401
    saved = load_storable(place)
    if not isinstance(saved, Recommender):
        raise TypeError(f"{place} holds a saved {type(saved).__name__}, which is no recommender")
    return saved


def _installed_model(name: str) -> bool:
    try:
        return has_model(name)
    except ImportError:
        return False


def _make(spec: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Recommender:
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        raise ValueError(f"recommender {spec!r} cannot be made from {dict(options)}: {error}") from error
    recommender = factory(**options)
    if not isinstance(recommender, Recommender):
        missing = [name for name in ("name", "fit", "recommend") if not hasattr(recommender, name)]
        raise TypeError(f"{spec!r} is no Recommender: {type(recommender).__name__} lacks {', '.join(missing)}")
    return recommender


def _find_attribute(spec: str) -> Callable[..., Any]:
    place, _, attribute = spec.rpartition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    found = getattr(module, attribute, None)
    if found is None:
        raise ValueError(f"{place} has no {attribute!r}")
    if not callable(found):
        raise TypeError(f"{spec!r} must be a class or a function that makes a recommender, is {type(found).__name__}")
    made: Callable[..., Any] = found
    return made


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    name = f"personagym_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported as a Python module")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickling of the file's classes look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
