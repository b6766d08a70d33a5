"""The rating scale of a log: inferred from the ratings or given, and the ratings put exactly on it."""

from collections.abc import Sequence

import numpy as np

from personagym_env.data.readers.table import Table
from personagym_env.data.tables import FloatArray, IntArray

_REMEDY = 'give `scale`, or "scale" in personagym.json beside the files'
_MOST_STEPS = 100
_RARE = 0.02
"""Share of the rows up to which a rating may be an odd one."""
_UNEQUAL = 10
"""Times as many rows as a rare end of the scale has that its neighbour has."""
_FAR = 4
"""Steps between an end of the scale and its neighbour that no scale leaves out: 99 among ratings of 1 to 5."""
_LEAST_RATING = 0.5
"""From here on up scales that do not begin at 0 begin."""
_FEWEST, _FEWEST_ROWS = 3, 20
"""Other ratings, and rows, from which on a scale can be told."""
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
        raise log.error(f"expected at least two distinct ratings, got {values.tolist()}; {_REMEDY}", column=column)
    step = float(np.diff(values).min())
    places = (values - values[0]) / step
    steps = round(float(places[-1]))
    off = np.abs(places - np.rint(places)) > _TOLERANCE * np.maximum(1, places)
    if steps > _MOST_STEPS or off.any():
        found = f"{len(values)} values from {values[0]:g} to {values[-1]:g} with a smallest gap of {step:g}"
        row = int(np.argmax(ratings == values[np.argmax(off)])) if off.any() else None
        message = f"expected ratings on an evenly spaced scale of at most {_MOST_STEPS} steps, got {found}; {_REMEDY}"
        raise log.error(message, row=row, column=column)
    _tell_odd_ratings(ratings, values, log, column)
    return _grid(values[0], values[-1], steps)


def _grid(low: float, high: float, steps: int) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in np.linspace(low, high, steps + 1))


def _tell_odd_ratings(ratings: FloatArray, values: FloatArray, log: Table, column: str) -> None:
    """Note the ratings without which the log would have another scale, where they are no ratings perhaps.

    One 0.0 among ratings of 1 to 5 marks a missing rating perhaps, and makes the scale 0 to 5; a single 4.5 makes it
    nine values, of which four are in no row.
    """
    counts = np.bincount(np.searchsorted(values, ratings), minlength=len(values))
    step = float(np.diff(values).min())
    for place in range(len(values)):
        if len(others := np.delete(values, place)) < _FEWEST or not _is_odd(values, counts, place):
            continue
        message = (
            f"the rating {values[place]:g}, which {counts[place]:,} of {len(ratings):,} rows have, makes the scale "
            f"{values[0]:g} to {values[-1]:g} in steps of {step:g}; without it: {others[0]:g} to {others[-1]:g} in "
            f"steps of {np.diff(others).min():g}. If it is no rating leave such rows out, else {_REMEDY}"
        )
        log.note(message, row=int(np.argmax(ratings == values[place])), column=column)


def _is_odd(values: FloatArray, counts: IntArray, place: int) -> bool:
    """Whether one of the (v,) distinct ratings, which (v,) rows have, may be something else than a rating.

    Below 0 alone, or farther from all others than they are apart: however many rows have it. Else hardly any row may:
    at 0 with all others above, more than a step from its neighbour, between the steps, or much rarer than its neighbour
    at the end.
    """
    others, value, rows = np.delete(values, place), values[place], counts.sum()
    step, step_without = (float(np.diff(some).min()) for some in (values, others))
    gap = abs(values[1 if place == 0 else place - 1] - value) / step_without
    far = np.abs(value - others).min() > max(_FAR * step_without, others[-1] - others[0])
    ends, rare = place in (0, len(values) - 1), counts[place] <= max(1, _RARE * rows)
    mark = place == 0 and value <= 0 and others[0] >= _LEAST_RATING
    if (mark and (value < 0 or rare)) or (far and rows >= _FEWEST_ROWS):
        return True
    finer, apart = step_without > step * (1 + _TOLERANCE), ends and gap > 1 + _TOLERANCE
    few = ends and counts[place] * _UNEQUAL <= counts[1 if place == 0 else place - 1]
    return bool(rare and rows >= _FEWEST_ROWS and (finer or apart or few))


def checked_scale(scale: Sequence[float]) -> tuple[float, ...]:
    """The scale as numbers.

    Raises:
        TypeError: it is no sequence of numbers.
        ValueError: it is not at least two ascending finite numbers.
    """
    grid = np.asarray([float(value) for value in scale])
    if len(grid) < 2 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise ValueError(f"scale must be at least two ascending finite numbers, got {tuple(scale)}")
    return tuple(grid.tolist())


def snap_to_scale(ratings: FloatArray, scale: Sequence[float], log: Table, column: str) -> FloatArray:
    """The (n,) ratings as exact values of the scale.

    Raises:
        DataError: the first rating that is no value of the scale.
    """
    grid = np.asarray(scale, np.float64)
    nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, ratings)
    snapped = grid[nearest]
    off = np.abs(ratings - snapped) > _TOLERANCE * np.diff(grid).min()
    if off.any():
        row = int(np.argmax(off))
        raise log.error(f"expected a rating of the scale {tuple(scale)}, got {ratings[row]:g}", row=row, column=column)
    return snapped
