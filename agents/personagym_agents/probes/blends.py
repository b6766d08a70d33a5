"""Adapters blended: each user answers through a weighted sum of adapters that were trained apart.

What a low-rank adapter adds to a layer is a product of two factors, so a weighted sum of adapters is one adapter again,
exactly, whose factors stand side by side. With it one may ask what lies between sharing and not sharing an adapter:
personas shrunk towards everybody, or users between several personas. Shapes: u users, a adapters.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer

from personagym_agents.bundle.manifest import read_manifest
from personagym_agents.bundle.storage import load_bundle_agent, read_adapters
from personagym_agents.documents.field_tokens import field_ids
from personagym_agents.inference.language_users import LanguageUserAgent
from personagym_agents.model.adapters import Factors, LowRank, mix_adapters
from personagym_env.data.tables import Dataset, FloatArray, IntArray, Interactions

_STEPS = 16
"""Weights are rounded to such parts of 1, so that users of nearly the same blend share one."""


def blended(adapters: Sequence[Factors], weights: FloatArray) -> Factors:
    """The sum of adapters, weighted by (a,)."""
    return {
        layer: LowRank(
            torch.cat([factors[layer].down for factors in adapters], dim=1),
            torch.cat([float(w) * factors[layer].up for factors, w in zip(adapters, weights, strict=True)]),
        )
        for layer in adapters[0]
    }


def load_blended_agent(
    places: Sequence[Path], weights: FloatArray, dataset: Dataset, train: Interactions, *, name: str
) -> LanguageUserAgent:
    """The users of bundles on one base, each with a blend of all adapters of those bundles.

    Args:
        places: the bundles; documents are those of the first.
        weights: (u, a) of the adapters, bundle after bundle; rounded to sixteenths.
        dataset: texts of items and users.
        train: the rows that the bundles were trained on.
        name: for tables.

    Raises:
        ValueError: the weights do not fit users and adapters, or adapters have embeddings of their own, which no sum of
            factors holds.
    """
    for place in places:
        if field_ids(AutoTokenizer.from_pretrained(place / "base")):
            raise ValueError(
                f"the adapters of the bundle at {place} have embeddings of their own: they cannot be blended"
            )
    agent = load_bundle_agent(places[0], dataset, train, adapters=False)
    model = agent.population.model
    adapters = [factors for place in places for factors in read_adapters(model, place)]
    if weights.shape != (train.n_users, len(adapters)):
        raise ValueError(f"weights need shape {(train.n_users, len(adapters))} (users, adapters), got {weights.shape}")
    blends, blend_of = np.unique(np.rint(weights * _STEPS) / _STEPS, axis=0, return_inverse=True)
    return LanguageUserAgent(
        model,
        agent.corpus,
        name=name,
        gate=mix_adapters(model, [blended(adapters, blend) for blend in blends]),
        adapter_of=np.asarray(blend_of.ravel(), np.int64),
        history_lines=read_manifest(places[0]).settings.history_lines,
        writer=agent.writer,
    )


def shrunk(groups: IntArray, share: float) -> FloatArray:
    """(u, g + 1) weights of each user's own of g adapters and of one for everybody behind them, which gets `share`."""
    own = np.eye(int(groups.max()) + 1)[groups]
    return np.column_stack([(1 - share) * own, np.full(len(groups), share)])


def by_nearness(distances: FloatArray, sharpness: float) -> FloatArray:
    """(u, p) weights that fall with the square of (u, p) distances to the personas' centres.

    At a `sharpness` of 1 a persona at twice the least distance gets 1/e^3 of the nearest one's weight.
    """
    relative = (distances / distances.min(axis=1, keepdims=True)) ** 2
    weight = np.exp(-sharpness * (relative - 1))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
