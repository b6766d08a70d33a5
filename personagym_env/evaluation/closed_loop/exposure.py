"""Who is seen: exposure of items and of their providers.

Shapes: d decisions, k slate places, m items, g providers.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, FloatArray, IntArray
from personagym_env.evaluation.core.metrics import gini

Floats = npt.NDArray[np.float64]


def exposure(slates: IntArray, examination: FloatArray, n_items: int) -> Floats:
    """(m,) each item's share of the exposure, as in Singh and Joachims (KDD 2018): places count as they are looked at.

    Args:
        slates: (d, k) items shown.
        examination: (k,) probability that a place is looked at.
        n_items: m
    """
    seen = np.bincount(slates.ravel(), np.tile(examination, len(slates)), minlength=n_items)
    return np.asarray(seen / seen.sum(), np.float64)


def concentration(shares: FloatArray, offered: BoolArray) -> float:
    """The Gini coefficient of the exposure (m,) of the items that are on offer (m,)."""
    return float(gini(np.sort(shares[offered])[None])[0])


def newcomers(shares: FloatArray, offered: BoolArray, arrived: BoolArray) -> float:
    """Exposure of items that have arrived, as a multiple of their share of the items on offer; NaN without any."""
    return float(shares[arrived].sum() / (arrived.sum() / offered.sum())) if arrived.any() else float("nan")


def by_provider(amounts: FloatArray, owners: FloatArray) -> Floats:
    """(g,) shares of what items (m,) have; an item's part is shared among its providers, see `owners`.

    Args:
        amounts: (m,) at least 0.
        owners: (m, g) rows that sum to 1, or to 0 for an item without provider, which counts nowhere.
    """
    total = amounts @ owners
    return np.asarray(total / total.sum(), np.float64)


def disparity(exposed: FloatArray, catalogue: FloatArray) -> float:
    """Share of exposure that would have to move for each provider (g,) to have its share of the catalogue (g,)."""
    return float(np.abs(exposed - catalogue).sum() / 2)
