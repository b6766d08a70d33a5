"""Draws without replacement and their propensities, compiled by Numba; one row's work needs no (n, m) arrays.

Shapes: n rows, p options of a row, k slate places. A weight of 0 stands for an option that may not be shown.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.session.random import UIntArray

Floats = npt.NDArray[np.float64]
_GAMMA, _MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S12, _S27, _S30, _S31 = np.uint64(12), np.uint64(27), np.uint64(30), np.uint64(31)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile for the arguments of the first call; kept for other processes where there is a place for it."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        return cast(_Function, njit(cache=True, **options)(function))
    except RuntimeError:  # neither beside the file nor in the user's folder can anything be written
        return cast(_Function, njit(**options)(function))


@compiled
def uniform(key: np.uint64, counter: int | np.integer) -> float:
    """A number in (0, 1): `personagym_env.session.random.splitmix64` of a key and a counter."""
    z = key + (np.uint64(counter) + np.uint64(1)) * _GAMMA
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return (np.float64((z ^ (z >> _S31)) >> _S12) + 0.5) * 2.0**-52


@compiled
def draw_without_replacement(weights: Floats, items: IntArray, keys: UIntArray, k: int) -> IntArray:
    """Options drawn one after the other, each in proportion to its weight among those that are left.

    Option i arrives at an exponential time of rate w_i, and the k first arrivals are taken. Their order has the
    Plackett-Luce distribution, as that of Gumbel top-k has (Yellott 1977; Kool, van Hoof and Welling, ICML 2019):
    minus the logarithm of the time is log w_i plus a Gumbel number. Times are only computed where they can win,
    because `-log(u) >= 1 - u`.

    Args:
        weights: (n, p) at least 0, k of each row above 0.
        items: (n, p) the option's item, which its luck belongs to, in whatever place it stands.
        keys: (n,) randomness of each row.
        k: places.

    Returns:
        (n, k) positions of the options.
    """
    n, p = weights.shape
    taken = np.full((n, k), -1, np.int64)
    times = np.empty(k)
    for row in range(n):
        times[:] = np.inf
        for i in range(p):
            weight = weights[row, i]
            if weight <= 0:
                continue
            u = uniform(keys[row], items[row, i])
            if 1.0 - u >= times[k - 1] * weight:
                continue
            time = -np.log(u) / weight
            if time >= times[k - 1]:
                continue
            place = k - 1
            while place > 0 and times[place - 1] > time:
                times[place] = times[place - 1]
                taken[row, place] = taken[row, place - 1]
                place -= 1
            times[place] = time
            taken[row, place] = i
    return taken


@compiled
def standardise(scores: Floats, allowed: BoolArray) -> Floats:
    """(n, p) scores of mean 0 and standard deviation 1 over what is allowed, minus infinity elsewhere.

    Where all that is allowed of a row have one score, they have 0.
    """
    found = np.empty_like(scores)
    for row in range(len(scores)):
        count, total, squares = 0, 0.0, 0.0
        for i in range(scores.shape[1]):
            if allowed[row, i]:
                count += 1
                total += scores[row, i]
        mean = total / max(count, 1)
        for i in range(scores.shape[1]):
            if allowed[row, i]:
                squares += (scores[row, i] - mean) ** 2
        spread = np.sqrt(squares / max(count, 1))
        scale = 1.0 / spread if spread > 0 else 0.0
        for i in range(scores.shape[1]):
            found[row, i] = (scores[row, i] - mean) * scale if allowed[row, i] else -np.inf
    return found


@compiled
def mix_with_floor(share: Floats, scores: Floats, floor: float, least: float) -> None:
    """Make shares (n, p) weights that sum to 1, in place; what has a score of minus infinity gets 0.

    Args:
        share: positive, of any sum.
        scores: (n, p)
        floor: part of each row's weight that its options have in equal parts.
        least: of an option's weight.
    """
    for row in range(len(share)):
        count, total = 0, 0.0
        for i in range(share.shape[1]):
            count += scores[row, i] > -np.inf
            total += share[row, i]
        scale, equal = (1.0 - floor) / max(total, 1e-300), floor / max(count, 1)
        for i in range(share.shape[1]):
            share[row, i] = max(share[row, i] * scale + equal, least) if scores[row, i] > -np.inf else 0.0


@compiled
def remove_consumed(scores: Floats, items: IntArray, users: IntArray, history: IntArray) -> None:
    """Set scores (n, p) of what histories (n, h) hold to minus infinity; row i chooses among items[users[i]]."""
    for row in range(len(scores)):
        for consumed in history[row]:
            if consumed >= 0:
                for i in range(items.shape[1]):
                    if items[users[row], i] == consumed:
                        scores[row, i] = -np.inf
                        break


@compiled
def find_positions(items: IntArray, slates: IntArray) -> IntArray:
    """(n, k) where each item of the slates (n, k) stands among the options (n, p); -1 where it is none of them."""
    n, k = slates.shape
    positions = np.full((n, k), -1, np.int64)
    for row in range(n):
        for i in range(items.shape[1]):
            for place in range(k):
                if items[row, i] == slates[row, place]:
                    positions[row, place] = i
    return positions


@compiled
def prefix_propensities(weights: Floats, positions: IntArray) -> Floats:
    """(n, k) probability that a draw without replacement begins with the options up to each place.

    Plackett (1975): the product over places of w_j over the sum of the weights that are left. Sums are built from the
    last place upwards, without differences, so that small weights behind large ones keep their digits.
    """
    n, k = positions.shape
    prefix = np.zeros((n, k))
    inside = np.zeros(weights.shape[1], np.bool_)
    left = np.empty(k)
    for row in range(n):
        mark(inside, positions[row], True)
        rest = 0.0
        for i in range(weights.shape[1]):
            if not inside[i]:
                rest += weights[row, i]
        for place in range(k - 1, -1, -1):
            rest += weight_at(weights[row], positions[row, place])
            left[place] = rest
        product = 1.0
        for place in range(k):
            here = weight_at(weights[row], positions[row, place])
            product = product * here / left[place] if here > 0 else 0.0
            prefix[row, place] = product
        mark(inside, positions[row], False)
    return prefix


@compiled
def mark(inside: npt.NDArray[np.bool_], positions: IntArray, value: bool) -> None:
    """Set the flags of options; a position of -1 is none."""
    for position in positions:
        if position >= 0:
            inside[position] = value


@compiled
def weight_at(weights: Floats, position: np.int64) -> float:
    """The weight of an option; 0 for what is no option."""
    return weights[position] if position >= 0 else 0.0
