"""Means that few values cannot carry far."""

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray


def shrunk_mean(ids: IntArray, values: FloatArray, size: int, strength: float, towards: float = 0.0) -> FloatArray:
    """(size,) mean of the values of each id, as if each had `strength` further ones at `towards`.

    Args:
        ids: (n,) in 0..size - 1.
        values: (n,).
        size: number of ids.
        strength: at least 0; an id without values needs it above 0.
        towards: what an id without values gets.
    """
    total = np.bincount(ids, values, minlength=size)
    return np.asarray((total + strength * towards) / (np.bincount(ids, minlength=size) + strength))
