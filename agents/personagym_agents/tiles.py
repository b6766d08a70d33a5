"""Tiles of matrix products for functions that Numba compiles: few rows of as many columns as a vector has lanes."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from personagym_agents.lanes import load, spread, store

Floats = npt.NDArray[np.float32]
TILE = 8
"""Rows of a tile: each has a register for its sum, and there are as many as hide how long a sum takes."""
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function for the arguments that it is first called with, and keep the result for other processes."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return cast(_Function, njit(cache=True, **options)(function))
    except RuntimeError:
        # Neither beside the file nor in the user's folder can anything be kept, so every process compiles for itself.
        return cast(_Function, njit(**options)(function))


@compiled
def multiply_rows(out: Floats, to: int, left: Floats, r: int, right: Floats, i: int) -> None:
    """Rows r:r + TILE of left times lanes i:i + WIDTH of right, into the first lanes of out's rows from `to` on."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = spread(np.float32(0))
    for x in range(len(right)):
        c = load(right, x, i)
        s0 = s0 + spread(left[r, x]) * c
        s1 = s1 + spread(left[r + 1, x]) * c
        s2 = s2 + spread(left[r + 2, x]) * c
        s3 = s3 + spread(left[r + 3, x]) * c
        s4 = s4 + spread(left[r + 4, x]) * c
        s5 = s5 + spread(left[r + 5, x]) * c
        s6 = s6 + spread(left[r + 6, x]) * c
        s7 = s7 + spread(left[r + 7, x]) * c
    store(out, to, 0, s0)
    store(out, to + 1, 0, s1)
    store(out, to + 2, 0, s2)
    store(out, to + 3, 0, s3)
    store(out, to + 4, 0, s4)
    store(out, to + 5, 0, s5)
    store(out, to + 6, 0, s6)
    store(out, to + 7, 0, s7)


@compiled
def add_rows(out: Floats, to: int, left: Floats, r: int, right: Floats, rows: int, i: int) -> None:
    """Add rows r:r + rows of left, at most TILE, times lanes i:i + WIDTH of right to out's rows from `to` on."""
    if rows < TILE:
        for k in range(rows):
            s = load(out, to + k, i)
            for x in range(len(right)):
                s = s + spread(left[r + k, x]) * load(right, x, i)
            store(out, to + k, i, s)
        return
    s0, s1, s2, s3 = load(out, to, i), load(out, to + 1, i), load(out, to + 2, i), load(out, to + 3, i)
    s4, s5, s6, s7 = load(out, to + 4, i), load(out, to + 5, i), load(out, to + 6, i), load(out, to + 7, i)
    for x in range(len(right)):
        c = load(right, x, i)
        s0 = s0 + spread(left[r, x]) * c
        s1 = s1 + spread(left[r + 1, x]) * c
        s2 = s2 + spread(left[r + 2, x]) * c
        s3 = s3 + spread(left[r + 3, x]) * c
        s4 = s4 + spread(left[r + 4, x]) * c
        s5 = s5 + spread(left[r + 5, x]) * c
        s6 = s6 + spread(left[r + 6, x]) * c
        s7 = s7 + spread(left[r + 7, x]) * c
    store(out, to, i, s0)
    store(out, to + 1, i, s1)
    store(out, to + 2, i, s2)
    store(out, to + 3, i, s3)
    store(out, to + 4, i, s4)
    store(out, to + 5, i, s5)
    store(out, to + 6, i, s6)
    store(out, to + 7, i, s7)
