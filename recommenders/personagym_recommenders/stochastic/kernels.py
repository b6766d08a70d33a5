"""Draws without replacement and their propensities, compiled by Numba; one row's work needs no (n, m) arrays.

Shapes: n rows, p options of a row, k slate places. A weight of 0 stands for an option that may not be shown.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from personagym_env.data.tables import IntArray
from personagym_env.session.random import UIntArray

Floats = npt.NDArray[np.float64]
FIRST = 1e-4
"""The earliest node of the quadrature, in units of the mean time until the first arrival; FIRST ** 2 lies before."""
LAST = 20.0
"""The latest node, in units of the mean time that the options left at the last place keep one waiting; exp(-LAST) of
the mass, 2e-9, lies behind."""
LANES = 8
"""Options whose arrivals are computed side by side."""
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
        _mark(inside, positions[row], True)
        rest = 0.0
        for i in range(weights.shape[1]):
            if not inside[i]:
                rest += weights[row, i]
        for place in range(k - 1, -1, -1):
            rest += _weight(weights[row], positions[row, place])
            left[place] = rest
        product = 1.0
        for place in range(k):
            here = _weight(weights[row], positions[row, place])
            product = product * here / left[place] if here > 0 else 0.0
            prefix[row, place] = product
        _mark(inside, positions[row], False)
    return prefix


@compiled
def _mark(inside: npt.NDArray[np.bool_], positions: IntArray, value: bool) -> None:
    for position in positions:
        if position >= 0:
            inside[position] = value


@compiled
def _weight(weights: Floats, position: np.int64) -> float:
    """The weight of an option; 0 for what is no option."""
    return weights[position] if position >= 0 else 0.0


@compiled
def nodes_per_octave(k: int) -> int:
    """How densely the nodes stand in log2 of time, for six digits and more in a slate of k.

    The trapezoidal rule converges geometrically (Trefethen and Weideman, SIAM Review 2014, theorem 5.1): at a distance
    h of the nodes in log time it errs at place j by about the least of `exp(-2 pi y / h) / cos(y) ** (j + 1)` over y.
    """
    return 2 + (k - 1) // 5


@compiled
def _arrived(weights: Floats, begin: int, nodes: Floats, octave: int, lanes: Floats, out: Floats) -> None:
    """(LANES, q) probabilities that the options from `begin` on have arrived by each node, 0 behind the last option.

    A node that is twice as late has probability `a (2 - a)`. So one option's probabilities are a chain, and options
    stand side by side in `lanes` (q, LANES) to hide how long its links take.
    """
    for b in range(LANES):
        weight = weights[begin + b] if begin + b < len(weights) else 0.0
        for q in range(octave):
            x = weight * nodes[q]  # so small that three terms of 1 - exp(-x) have all digits
            lanes[q, b] = x * (1.0 - x * (0.5 - x / 6.0))
    for q in range(octave, len(nodes)):
        for b in range(LANES):
            lanes[q, b] = lanes[q - octave, b] * (2.0 - lanes[q - octave, b])
    for b in range(LANES):
        for q in range(len(nodes)):
            out[b, q] = lanes[q, b]


@compiled
def _include(counts: Floats, arrived: Floats, out: Floats) -> None:
    """Let one more option arrive or not: (k, q) probabilities that 0, 1, ... have arrived; `out` may be `counts`."""
    for c in range(counts.shape[0] - 1, 0, -1):
        here, fewer, after = counts[c], counts[c - 1], out[c]
        for q in range(len(arrived)):
            after[q] = here[q] + arrived[q] * (fewer[q] - here[q])
    here, after = counts[0], out[0]
    for q in range(len(arrived)):
        after[q] = here[q] - arrived[q] * here[q]


@compiled
def marginal_propensities(weights: Floats, positions: IntArray) -> Floats:
    """(n, k) probability that a draw without replacement has the option of each place there, whatever else it has.

    In the race of `draw_without_replacement`, option i comes to place j if j others arrive before it:
    the integral over t of `w_i exp(-w_i t) P(j of the others have arrived by t)`. The number of arrivals is Poisson
    binomial, so one recursion over the options gives it for all nodes of a quadrature in log t. Right to six
    digits; the first place needs no integral.
    """
    n, k = positions.shape
    p = weights.shape[1]
    marginal = np.zeros((n, k))
    inside = np.zeros(p, np.bool_)
    outside, shown = np.empty(p), np.empty(k)
    for row in range(n):
        total, least, options = 0.0, np.inf, 0
        for i in range(p):
            if weights[row, i] > 0:
                total += weights[row, i]
                least = min(least, weights[row, i])
                options += 1
        marginal[row, 0] = _weight(weights[row], positions[row, 0]) / total
        if k > 1:
            _mark(inside, positions[row], True)
            end = LAST * total / (least * max(options - k + 1, 1))
            octave = nodes_per_octave(k)
            nodes = np.empty(octave * (int(np.log2(end / FIRST)) + 2))
            for q in range(len(nodes)):
                nodes[q] = FIRST * 2.0 ** (q / octave)
            others = 0
            for i in range(p):
                if weights[row, i] > 0 and not inside[i]:
                    outside[others] = weights[row, i] / total
                    others += 1
            for place in range(k):
                shown[place] = _weight(weights[row], positions[row, place]) / total
            _later_places(shown, outside[:others], nodes, marginal[row])
            _mark(inside, positions[row], False)
    return marginal


@compiled
def _later_places(shown: Floats, outside: Floats, nodes: Floats, marginal: Floats) -> None:
    """Fill in the places from the second on: weights of the slate (k,) and of all other options, which sum to 1."""
    k, size, octave = len(shown), len(nodes), nodes_per_octave(len(shown))
    before = np.zeros((k, k, size))  # arrivals among the options outside the slate and at the places before
    behind = np.zeros((k, k, size))  # arrivals among the options at the places behind
    arrived = np.empty((k + LANES, size))
    lanes = np.empty((size, LANES))
    before[0, 0] = 1.0
    for begin in range(0, len(outside), LANES):
        _arrived(outside, begin, nodes, octave, lanes, arrived)
        for b in range(min(LANES, len(outside) - begin)):
            _include(before[0], arrived[b], before[0])
    for begin in range(0, k, LANES):
        _arrived(shown, begin, nodes, octave, lanes, arrived[begin:])
    behind[k - 1, 0] = 1.0
    for place in range(1, k):
        _include(before[place - 1], arrived[place - 1], before[place])
        _include(behind[k - place], arrived[k - place], behind[k - 1 - place])
    for place in range(1, k):
        found = 0.0
        for q in range(size):
            time = shown[place] * nodes[q]
            if time > 2 * LAST:
                break  # what is left of 1 - arrived is rounding
            exactly = 0.0
            for c in range(place + 1):
                exactly += before[place, c, q] * behind[place, place - c, q]
            found += time * (1.0 - arrived[place, q]) * exactly
        marginal[place] = np.log(2.0) / octave * found
