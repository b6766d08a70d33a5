"""The rating scale of a log: inferred from the ratings or given, and the ratings put exactly on it."""

from collections.abc import Sequence

import numpy as np

from personagym_env.data.readers.table import Table
from personagym_env.data.tables import FloatArray

_MOST_STEPS = 100
_TOLERANCE = 1e-4
"""Part of a step by which a rating may miss a value of the scale; covers ratings stored as 32-bit floats."""


def infer_scale(ratings: FloatArray, log: Table, column: str) -> tuple[float, ...]:
    """The evenly spaced grid from the lowest to the highest rating, whose step is the smallest gap between ratings.

    Ratings 1, 2, 4, 5 give 1..5: a value that nobody used is still part of the scale. Values at the ends that nobody
    used cannot be known; give the scale where that matters.

    Raises:
        DataError: fewer than two distinct ratings, ratings on no such grid, or more than 100 steps.
    """
    values = np.unique(ratings)
    if len(values) < 2:
        raise log.error(f"expected at least two distinct ratings, got {values.tolist()}; give `scale`", column=column)
    step = float(np.diff(values).min())
    places = (values - values[0]) / step
    steps = round(float(places[-1]))
    off = np.abs(places - np.rint(places)) > _TOLERANCE * np.maximum(1, places)
    if steps > _MOST_STEPS or off.any():
        found = f"{len(values)} values from {values[0]:g} to {values[-1]:g} with a smallest gap of {step:g}"
        row = int(np.argmax(ratings == values[np.argmax(off)])) if off.any() else None
        message = (
            f"expected ratings on an evenly spaced scale of at most {_MOST_STEPS} steps, got {found}; give `scale`"
        )
        raise log.error(message, row=row, column=column)
    grid = np.linspace(values[0], values[-1], steps + 1)
    return tuple(float(f"{value:.7g}") for value in grid)


def snap_to_scale(ratings: FloatArray, scale: Sequence[float], log: Table, column: str) -> FloatArray:
    """The (n,) ratings as exact values of the scale.

    Raises:
        DataError: the first rating that is no value of the scale.
        ValueError: the scale is not at least two ascending finite numbers.
    """
    grid = np.asarray(scale, np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise ValueError(f"scale must be at least two ascending finite numbers, got {tuple(scale)}")
    nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, ratings)
    snapped = grid[nearest]
    off = np.abs(ratings - snapped) > _TOLERANCE * np.diff(grid).min()
    if off.any():
        row = int(np.argmax(off))
        raise log.error(f"expected a rating of the scale {tuple(scale)}, got {ratings[row]:g}", row=row, column=column)
    return snapped
