"""From a word to a recommender: a name of the registry, a RecBole model, a class of a file or module, a folder."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from personagym_env.protocols import Recommender
from personagym_recommenders.recbole.models import find_recbole, has_model, model_type, refuse_untrainable
from personagym_recommenders.recbole.recommender import RecBole
from personagym_recommenders.recommender_file import FILE_NAME, read_saved
from personagym_recommenders.registry import DRAWN, NO_CONTEXT, REGISTRY, RecommenderContext, RecommenderSpec
from personagym_recommenders.storage import load_storable

OWN_CLASS = "own"
"""Model class of recommenders that do not come from the registry."""

_WITH_TORCH: Mapping[str, str] = {
    "SB3Recommender": "personagym_recommenders.rl.sb3_recommender",
    "BehaviourCloning": "personagym_recommenders.offline.behaviour_cloning",
    "CQL": "personagym_recommenders.offline.cql",
    "IQL": "personagym_recommenders.offline.iql",
}
"""Modules of the saved recommenders that need torch, by class."""


class NamedRecommender(NamedTuple):
    """A recommender that takes part in a comparison."""

    name: str
    """For tables: that of the registry, or the one that a recommender from elsewhere gives itself."""
    model_class: str
    """See `RecommenderSpec`."""
    recommender: Recommender


def find_recommender(word: str) -> RecommenderSpec:
    """What a word stands for; nothing is read yet of a saved recommender, and no class is called.

    Args:
        word: a name out of `REGISTRY` ("popular", "ease"), a name out of `DRAWN` before one whose scores it draws from
            ("plackett-luce:ease"), another RecBole model ("SimpleX"), a class or function in a file
            ("path/to/file.py:MyRecommender"), one in a module ("package.module:MyRecommender"), or the folder of a
            saved recommender ("runs/ppo/policy"): a trained policy with all that it needs, see `SB3Recommender`, or any
            recommender of this package. Files of Stable-Baselines3 itself, which hold pickles, are not read.

    Raises:
        ImportError: a RecBole model was asked for without RecBole, or a module does not exist.
        FileNotFoundError: a file does not exist, or nothing was saved in a folder.
        ValueError: nothing has that name, or a RecBole model cannot be trained by a log of ratings.
        TypeError: what was found cannot be called.
    """
    if word in REGISTRY:
        if "RecBole" in REGISTRY[word].needs:
            find_recbole()
        return REGISTRY[word]
    kind, _, scores = word.partition(":")
    if kind in DRAWN:
        return _draw_from(word, DRAWN[kind], find_recommender(scores))
    if ":" in word:
        return RecommenderSpec(word, OWN_CLASS, _find_attribute(word))
    if Path(word).suffix == ".zip" or (word and Path(word).is_dir()):
        return RecommenderSpec(word, OWN_CLASS, partial(_load_saved, _find_saved(Path(word))))
    refuse_untrainable(word)
    if word and _installed_model(word):
        kind = f"RecBole, {model_type(word)}"
        return RecommenderSpec(word, kind, RecBole, {"model": word}, needs=frozenset({"RecBole"}))
    raise ValueError(
        f"no recommender is called {word!r}. Names: {', '.join(REGISTRY)}; these with {' or '.join(DRAWN)} and a colon "
        "before them; any other model of an installed RecBole by its name; or 'path/to/file.py:Class', "
        "'package.module:Class', or the folder of a saved recommender"
    )


def load_recommender(word: str, context: RecommenderContext = NO_CONTEXT, **options: Any) -> Recommender:
    """Make a recommender, to be fitted, from a word.

    Args:
        word: see `find_recommender`.
        context: what the recommender may need besides.
        **options: keyword arguments of the constructor; they replace those of the registry. A saved recommender has its
            own.

    Raises:
        ImportError: a RecBole model or a policy was asked for without RecBole or Stable-Baselines3, or a module does
            not exist.
        FileNotFoundError: a file does not exist, or nothing was saved in a folder.
        ValueError: nothing has that name, the context or the options do not fit, or a folder holds something else.
        TypeError: what was found is no recommender.
    """
    return find_recommender(word).make(context, **options)


def make_contestants(words: Iterable[str], context: RecommenderContext = NO_CONTEXT) -> list[NamedRecommender]:
    """Recommenders to be compared, none of them fitted.

    Args:
        words: see `find_recommender`.
        context: what a recommender may need besides.

    Raises:
        ValueError: two have the same name; and see `load_recommender` for all else that can be wrong with a word.
    """
    made = []
    for word in words:
        spec = find_recommender(word)
        recommender = spec.make(context)
        name = recommender.name if spec.model_class == OWN_CLASS else word
        made.append(NamedRecommender(name, spec.model_class, recommender))
    names = [one.name for one in made]
    if len(set(names)) != len(names):
        raise ValueError(f"recommenders need distinct names, got {names}")
    return made


def _draw_from(word: str, draw: Callable[..., Recommender], scores: RecommenderSpec) -> RecommenderSpec:
    """A stochastic recommender over the scores of another, which takes the same from the context as that one."""

    def make(**arguments: Any) -> Recommender:
        own = {name: arguments.pop(name) for name in inspect.signature(draw).parameters if name in arguments}
        return draw(scores.make(**arguments), **own)

    return replace(scores, name=word, factory=make, options={}, stochastic=True, default=False)


def _find_saved(place: Path) -> Path:
    """The folder, if it holds a saved recommender.

    Raises:
        FileNotFoundError: it does not.
        ValueError: it is a file of Stable-Baselines3.
    """
    if place.suffix == ".zip":
        raise ValueError(
            f"{place} is a file of Stable-Baselines3: it holds pickles, which run code when they are read, and lacks "
            "the action decoder. If you trust it, make a folder of it once and load that: "
            "SB3Recommender.from_zip(path, PPO, decoder).fit(log, catalogue).save(folder), from "
            "personagym_recommenders.rl.sb3_recommender"
        )
    if not (place / FILE_NAME).is_file():
        inside = ", ".join(sorted(str(found.parent) for found in place.glob(f"*/{FILE_NAME}")))
        raise FileNotFoundError(
            f"no saved recommender in {place}: {FILE_NAME} is missing" + (f"; there are {inside}" if inside else "")
        )
    return place


def _load_saved(place: Path) -> Recommender:
    # Imported here, because these import torch, which no other recommender of this package needs.
    if (module := _WITH_TORCH.get(read_saved(place).kind)) is not None:
        importlib.import_module(module)
    saved = load_storable(place)
    if not isinstance(saved, Recommender):
        raise TypeError(f"{place} holds a saved {type(saved).__name__}, which is no recommender")
    return saved


def _installed_model(name: str) -> bool:
    try:
        return has_model(name)
    except ImportError:
        return False


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
