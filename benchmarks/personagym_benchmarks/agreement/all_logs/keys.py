"""By what kept answers and picks are known again: what makes users answer, and recommenders show, as they do.

Nothing is fitted to tell it. Versions and hashes of weights stand for what they cover, sources for the rest, and edits
of anything else keep what was kept.
"""

from importlib.metadata import version

from personagym_agents.bundle.manifest import base_for, bundle_hash, find_shipped
from personagym_agents.classical.users import RATING_FITS, fingerprint_of
from personagym_env.data.tables import Catalogue, Interactions
from personagym_env.fit_cache.sources import imported_sources
from personagym_env.protocols import UserFingerprint
from personagym_recommenders.registry import RecommenderSpec

ENGINE = ("engine", "kernels", "linear", "model_hooks", "pass_layout", "whole_documents")
"""Modules of `inference` for which, with those that only they import, `ENGINE_VERSION` stands."""

OWN_MODULE = ("trees", "stack")
"""Classical users whose rating model has a module of `classical` by their name, which others do without."""


def classical_key(name: str, train: Interactions, catalogue: Catalogue) -> str:
    """Of users that `fit_classical` fits to rows.

    Raises:
        ValueError: there are no such users.
    """
    if name not in RATING_FITS:
        raise ValueError(f"expected classical users, {', '.join(RATING_FITS)}, got {name!r}")
    known = fingerprint_of(name, train, catalogue)
    others = tuple(f"personagym_agents.classical.{one}" for one in OWN_MODULE if one != name)
    return repr((known.rows, known.weights, imported_sources("personagym_agents.classical.users", apart=others)))


def language_key(train: Interactions) -> str:
    """Of the shipped bundle where it was trained on the rows, else of the shipped base as it reads them."""
    # Here, because these import torch.
    from personagym_agents.bundle.zero_shot import FIT_VERSION
    from personagym_agents.inference.engine import ENGINE_VERSION
    from personagym_agents.model.causal_lm import chosen_device

    apart = tuple(f"personagym_agents.inference.{module}" for module in ENGINE)
    name = "zero_shot" if find_shipped(train) is None else "storage"
    fits = imported_sources(f"personagym_agents.bundle.{name}", apart=apart)
    weights = bundle_hash(base_for(train))
    return repr((name, train.fingerprint(), weights, FIT_VERSION, ENGINE_VERSION, str(chosen_device(None)), fits))


def recommender_key(spec: RecommenderSpec, users: UserFingerprint) -> str:
    """Of what a spec makes, before it is fitted.

    Args:
        spec: of the recommender.
        users: with whom it learns, if it does.
    """
    makers = (spec.factory, *(value for value in spec.options.values() if isinstance(value, type)))
    modules = sorted({maker.__module__ for maker in makers})
    options = sorted((name, repr(value)) for name, value in spec.options.items())
    # RecBole is imported by names that the program makes up.
    libraries = version("recbole") if "RecBole" in spec.needs else None
    learns_with = users if "users to learn with" in spec.needs else None
    made = (spec.name, spec.factory.__qualname__, options, sorted(spec.from_context), libraries, learns_with)
    return repr((*made, imported_sources(*modules)))
