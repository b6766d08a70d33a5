"""Which models RecBole has, of which type, and which of them a log of ratings cannot train; RecBole is not imported."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

INSTALL_LINES = "pip install --no-deps recbole==1.2.1\npip install 'personagym[recbole]'"
"""How to install RecBole; its own metadata pins an old Ray that only its tuner needs."""

ModelType = Literal["general", "sequential", "context-aware", "knowledge-aware", "decision trees"]
"""What a model learns from, as RecBole sorts its models."""
_FOLDERS: Mapping[str, ModelType] = {
    "general_recommender": "general",
    "sequential_recommender": "sequential",
    "context_aware_recommender": "context-aware",
    "knowledge_aware_recommender": "knowledge-aware",
    "exlib_recommender": "decision trees",
}

_GRAPH = "needs a knowledge graph with its links to the items, which a log of ratings does not have"
_TREES = "learns trees from labelled rows with features of users and items, which a log of ratings does not have"
_STAGES = (
    "is trained in {runs} runs, each of which reads the weights that the one before has pickled, and a recommender is "
    "fitted in one: the first stage alone would go by its name"
)
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("CFKG", "CKE", "KGAT", "KGCN", "KGIN", "KGNNLS", "KTUP", "MCCLK", "MKR", "RippleNet", "GRU4RecKG", "KSR"),
        _GRAPH,
    ),
    **dict.fromkeys(("lightgbm", "xgboost"), _TREES),
    "KD_DAGFM": _STAGES.format(runs="three (teacher, distillation, fine-tuning)"),
    "RaCT": _STAGES.format(runs="three (actor, critic, both)"),
    "S3Rec": _STAGES.format(runs="two (pre-training, fine-tuning)"),
    "NCL": "clusters users and items with faiss on a GPU once its 20 epochs of warming up are over, and faiss is no "
    "dependency of this package",
}
"""Models of RecBole 1.2.1 that are refused before anything is trained, and why."""


def find_recbole() -> Path:
    """The folder of the installed `recbole` package, found without importing it.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ImportError(f"this recommender needs RecBole, which is not installed. Install it with\n{INSTALL_LINES}")
    return Path(spec.origin).parent


def model_names() -> list[str]:
    """Every model of the installed RecBole.

    Raises:
        ImportError: it is not installed.
    """
    return sorted(path.stem for path in (find_recbole() / "properties" / "model").glob("*.yaml"))


def has_model(name: str) -> bool:
    """Whether the installed RecBole has a model of this name (its spelling counts)."""
    return re.fullmatch(r"\w+", name) is not None and name in model_names()


def model_type(name: str) -> ModelType:
    """What a model learns from.

    Raises:
        ImportError: RecBole is not installed.
        ValueError: it has no such model.
    """
    for folder, kind in _FOLDERS.items():
        if has_model(name) and (find_recbole() / "model" / folder / f"{name.lower()}.py").is_file():
            return kind
    near = [known for known in model_names() if known.lower() == name.lower()]
    raise ValueError(f"RecBole has no model {name!r}" + (f"; it spells it {near[0]!r}" if near else ""))


def refuse_untrainable(name: str) -> None:
    """Raise ValueError, with the reason, for a model that a log of ratings cannot train; RecBole is not needed."""
    for known, reason in REFUSED.items():
        if known.lower() == name.lower():
            raise ValueError(f"RecBole's {known} {reason}")
