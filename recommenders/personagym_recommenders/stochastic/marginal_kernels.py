"""Marginal propensities of draws without replacement, by an integral over the time of an exponential race.

Shapes: n rows, p options of a row, k slate places, q nodes of the quadrature. A weight of 0 stands for an option that
may not be shown.
"""

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_recommenders.stochastic.kernels import Floats, compiled, mark, weight_at
from personagym_recommenders.stochastic.light_options import light_arrivals, light_first, odds_series

FIRST = 0.02
"""The earliest node of the quadrature, in units of the mean time until the first arrival. Before it the integrand of
place j is a power `t ** (j + 1)` with a factor that is linear to four digits, so the nodes that are left out there
have a sum in closed form: some `FIRST ** 2 / 2` of the second place's mass, right to `FIRST ** 2` of it."""
LAST, LAST_PER_PLACE = 20.0, 3.0
"""The latest node: `LAST + LAST_PER_PLACE * k` times the mean time that the lightest options which can be left at the
last place keep one waiting. Fewer than k have arrived by then with a probability below 1e-9, a Poisson tail."""
LANES = 8
"""Options whose arrivals are computed side by side."""


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
            x = weight * nodes[q]  # so small that five terms of 1 - exp(-x) have all digits that count
            lanes[q, b] = x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0))))
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
    binomial: sums over the light options (`light_arrivals`) and a recursion over the others give it for all nodes of a
    quadrature in log t. Right to six digits; the first place needs no integral.
    """
    n, k = positions.shape
    p = weights.shape[1]
    marginal = np.zeros((n, k))
    inside = np.zeros(p, np.bool_)
    outside, shown, heaviest = np.empty(p), np.empty(k), np.empty(k)
    series = odds_series(k)
    for row in range(n):
        total = 0.0
        for i in range(p):
            total += weights[row, i]
        marginal[row, 0] = weight_at(weights[row], positions[row, 0]) / total
        if k > 1:
            mark(inside, positions[row], True)
            end = (LAST + LAST_PER_PLACE * k) * total / _lightest(weights[row], k - 1, heaviest)
            octave = nodes_per_octave(k)
            nodes = np.empty(int(octave * np.log2(end / FIRST)) + 2)
            for q in range(len(nodes)):
                nodes[q] = 2.0 * nodes[q - octave] if q >= octave else FIRST * 2.0 ** (q / octave)
            others = 0
            for i in range(p):
                if weights[row, i] > 0 and not inside[i]:
                    outside[others] = weights[row, i] / total
                    others += 1
            for place in range(k):
                shown[place] = weight_at(weights[row], positions[row, place]) / total
            _later_places(shown, outside[:others], nodes, series, marginal[row])
            mark(inside, positions[row], False)
    return marginal


@compiled
def _lightest(weights: Floats, heavy: int, heaviest: Floats) -> float:
    """The sum of all weights (p,) but so many, the heaviest, which are kept in `heaviest` meanwhile."""
    heaviest[:] = 0.0
    light = 0.0
    for weight in weights:
        for place in range(heavy):
            if weight > heaviest[place]:
                heaviest[place], weight = weight, heaviest[place]
        light += weight
    return light


@compiled
def _later_places(shown: Floats, outside: Floats, nodes: Floats, series: Floats, marginal: Floats) -> None:
    """Fill in the places from the second on: weights of the slate (k,), and of the other options, which get sorted."""
    k, size, octave = len(shown), len(nodes), nodes_per_octave(len(shown))
    before = np.zeros((k, k, size))  # arrivals among the options outside the slate and at the places before
    behind = np.zeros((k, k, size))  # arrivals among the options at the places behind
    arrived = np.empty((k + LANES, size))
    lanes = np.empty((size, LANES))
    before[0, 0] = 1.0
    light = light_first(outside, nodes[-1])
    if light:
        light_arrivals(outside[:light], nodes, series, before[0])
    for begin in range(light, len(outside), LANES):
        _arrived(outside, begin, nodes, octave, lanes, arrived)
        for b in range(min(LANES, len(outside) - begin)):
            _include(before[0], arrived[b], before[0])
    for begin in range(0, k, LANES):
        _arrived(shown, begin, nodes, octave, lanes, arrived[begin:])
    behind[k - 1, 0] = 1.0
    for place in range(1, k):
        _include(before[place - 1], arrived[place - 1], before[place])
        _include(behind[k - place], arrived[k - place], behind[k - 1 - place])
    step = 2.0 ** (1.0 / octave)
    for place in range(1, k):
        found, first, second = 0.0, 0.0, 0.0
        for q in range(size):
            time = shown[place] * nodes[q]
            if time > 2 * LAST:
                break  # what is left of 1 - arrived is rounding
            exactly = 0.0
            for c in range(place + 1):
                exactly += before[place, c, q] * behind[place, place - c, q]
            here = time * (1.0 - arrived[place, q]) * exactly
            found += here
            if q == 0:
                first = here
            elif q == 1:
                second = here
        rises = step ** (place + 1)  # per node before the first: here = power + linear, which rise at two rates
        linear = (second - rises * first) / (rises * (step - 1.0))
        found += (first - linear) / (rises - 1.0) + linear / (rises * step - 1.0)
        marginal[place] = np.log(2.0) / octave * found
