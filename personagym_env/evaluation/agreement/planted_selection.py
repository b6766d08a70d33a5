"""Selection of one's own making: ratings of people who rated everything, hidden by known propensities.

What is left is a log as logs are, what is hidden is the truth that logs lack, and the strength of selection is known.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from personagym_env.data.tables import Dataset, FloatArray, Interactions

SelectionKind = Literal["popularity", "rating", "both"]
SELECTION_KINDS: tuple[SelectionKind, ...] = get_args(SelectionKind)


@dataclass(frozen=True)
class SelectionLaw:
    """Log odds of being kept rise by `strength` with each standard deviation of what the selection goes by."""

    kind: SelectionKind
    """An exposure of items that was drawn and has nothing to do with their quality; the rating itself; or both."""
    strength: float
    """0 keeps at random."""
    share: float = 0.4
    """Of all ratings that is kept."""

    def __post_init__(self) -> None:
        if self.kind not in SELECTION_KINDS:
            raise ValueError(f"selection goes by one of {', '.join(SELECTION_KINDS)}, got {self.kind!r}")
        if self.strength < 0 or not 0 < self.share < 1:
            raise ValueError(
                f"strength must not be negative and the share lie inside 0..1, got {self.strength} and {self.share}"
            )

    def propensities(self, ratings: FloatArray, exposure: FloatArray) -> FloatArray:
        """(u, m) chance of each rating (u, m) to be kept, `share` on average; `exposure` (m,) is of the items."""
        parts = {
            "popularity": np.broadcast_to(_standard(exposure), ratings.shape),
            "rating": _standard(ratings),
        }
        going = sum(parts.values()) if self.kind == "both" else parts[self.kind]
        odds = self.strength * np.asarray(going, np.float64)
        start = float(brentq(lambda level: expit(level + odds).mean() - self.share, -50, 50))
        return np.asarray(expit(start + odds))


@dataclass(frozen=True, eq=False)
class PlantedLog:
    """A log and all that it does not say."""

    dataset: Dataset
    """With the kept rows."""
    propensities: FloatArray
    """(rows of the log,) chance of each to be kept."""
    hidden: Interactions
    """The ratings that were not kept."""


def plant_selection(dataset: Dataset, law: SelectionLaw, rng: np.random.Generator) -> PlantedLog:
    """Keep each rating with its propensity.

    Args:
        dataset: of which every user rated everything.
        law: of the selection.
        rng: draws exposures and what is kept.

    Raises:
        ValueError: somebody did not rate everything.
    """
    log = dataset.interactions
    if not (log.counts == log.n_items).all():
        raise ValueError(f"a planted selection needs users who rated all {log.n_items} items of {dataset.name!r}")
    ratings = log.matrix(log.ratings.astype(np.float64)).toarray()
    chance = law.propensities(ratings, rng.normal(size=log.n_items))[log.users, log.items]
    kept = rng.random(len(log)) < chance
    manifest = replace(dataset.manifest, fully_observed=None)
    selected = replace(dataset, interactions=log.take(kept), manifest=manifest)
    return PlantedLog(selected, chance[kept], log.take(~kept))


def _standard(values: FloatArray) -> FloatArray:
    """Values less their mean, over their standard deviation; all 0 where they do not differ."""
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread > 0 else np.zeros_like(values))
