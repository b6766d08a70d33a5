"""Does a judge order better if it is silent about recommenders whose slates the log does not support?

Whoever drops the hardest recommenders gains, and whoever drops the easiest loses, so the control drops as many at
random.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray
from personagym_env.evaluation.core.statistics import kendall_tau
from personagym_env.evaluation.core.support import LEAST_SHARE

DRAWS = 200
"""Random choices of as many recommenders."""
LEAST_LEFT = 5
"""Recommenders below which nothing is told of what is left."""
DROPPED = 0.25
"""Share of the recommenders that the relative rules are silent about."""


@dataclass(frozen=True)
class Abstention:
    """One rule on one log: about whom a judge is silent, and how it orders the others."""

    silent: tuple[str, ...]
    """Names of recommenders."""
    tau: float
    """Over the others."""
    chance: float
    """Mean over random choices of as many that are left out."""


def silences(support: FloatArray, spread: FloatArray) -> Mapping[str, BoolArray]:
    """Name of a rule to (c,) about whom it is silent.

    Args:
        support: (c,) share of what a recommender shows that has near ratings.
        spread: (c,) of the answers about it.
    """
    few = round(DROPPED * len(support))
    return {
        f"under {LEAST_SHARE:.0%} supported": np.asarray(support < LEAST_SHARE),
        "least supported quarter": _first(support, few),
        "quarter of the widest answers": _first(-spread, few),
    }


def abstain(
    said: FloatArray, real: FloatArray, names: list[str], silent: BoolArray, rng: np.random.Generator
) -> Abstention | None:
    """What is gained by silence; None if nobody is dropped or too few are left.

    Args:
        said: (c,) what a judge says.
        real: (c,) real value.
        names: (c,)
        silent: (c,) whom it is silent about.
        rng: drops as many at random.
    """
    left = int((~silent).sum())
    if not silent.any() or left < LEAST_LEFT:
        return None
    chosen = np.argsort(rng.random((DRAWS, len(said))), axis=1)[:, :left]
    return Abstention(
        tuple(name for name, dropped in zip(names, silent, strict=True) if dropped),
        float(kendall_tau(said[None, ~silent], real[None, ~silent])[0]),
        float(kendall_tau(said[chosen], real[chosen]).mean()),
    )


def _first(values: FloatArray, few: int) -> BoolArray:
    mask = np.zeros(len(values), np.bool_)
    mask[np.argsort(values, kind="stable")[:few]] = True
    return mask
