"""Tiles of matrix products for functions that Numba compiles: few rows of as many columns as a vector has lanes.

What Numba keeps of functions that call these does not notice a change of this file: delete the `.nbi` files after one.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from personagym_agents.inference.kernels.simd import load, spread, store

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
def add_product(out: Floats, to: int, at: int, left: Floats, first: int, rows: int, right: Floats, begin: int) -> None:
    """Add some rows of left times a vector's columns of right to out.

    Args:
        out: takes the sums, in rows from `to` and columns from `at` on.
        to: row of out.
        at: column of out.
        left: (..., inner).
        first: row of left.
        rows: of left, at most `TILE`; all of a tile are the fastest.
        right: (inner, ...).
        begin: first column of right.
    """
    if rows < TILE:
        for k in range(rows):
            s = load(out, to + k, at)
            for x in range(len(right)):
                s = s + spread(left[first + k, x]) * load(right, x, begin)
            store(out, to + k, at, s)
        return
    s0, s1, s2, s3 = load(out, to, at), load(out, to + 1, at), load(out, to + 2, at), load(out, to + 3, at)
    s4, s5, s6, s7 = load(out, to + 4, at), load(out, to + 5, at), load(out, to + 6, at), load(out, to + 7, at)
    for x in range(len(right)):
        c = load(right, x, begin)
        s0 = s0 + spread(left[first, x]) * c
        s1 = s1 + spread(left[first + 1, x]) * c
        s2 = s2 + spread(left[first + 2, x]) * c
        s3 = s3 + spread(left[first + 3, x]) * c
        s4 = s4 + spread(left[first + 4, x]) * c
        s5 = s5 + spread(left[first + 5, x]) * c
        s6 = s6 + spread(left[first + 6, x]) * c
        s7 = s7 + spread(left[first + 7, x]) * c
    store(out, to, at, s0)
    store(out, to + 1, at, s1)
    store(out, to + 2, at, s2)
    store(out, to + 3, at, s3)
    store(out, to + 4, at, s4)
    store(out, to + 5, at, s5)
    store(out, to + 6, at, s6)
    store(out, to + 7, at, s7)
