"""How many of many light options have arrived in a race, from sums of powers of their weights.

Option i has arrived by time t with the odds `o_i = exp(w_i t) - 1`, so that c of them have with the probability
`exp(-t sum of w) e_c`, where e_c is the elementary symmetric polynomial of the odds. Newton's identities make it from
the power sums `sum of o_i ** c`, and these are series in t, whose coefficients hold the weights as sums of their powers
alone: once these are known, an option costs nothing at a node of a quadrature.

Shapes: o options, k numbers of arrivals from 0, q nodes, m terms of a series.
"""

import numpy as np

from personagym_recommenders.stochastic.kernels import Floats, compiled

LIGHT = 4.0
"""Mean arrivals of an option until the last node up to which it counts as light, so that the series converge soon."""
FEWEST = 16
"""Light options from which on sums pay; among very few, Newton's identities lose digits."""
_TERMS = 10
"""Terms beyond the number of arrivals, for eight digits where a slate is likely to be still open."""


@compiled
def odds_series(k: int) -> Floats:
    """(k, m) coefficients of `(exp(x) - 1) ** c` in powers of x."""
    terms = k + _TERMS
    series = np.zeros((k, terms))
    series[0, 0] = 1.0
    for c in range(1, k):
        for i in range(terms):
            coefficient = series[c - 1, i]
            for j in range(1, terms - i):
                coefficient /= j
                series[c, i + j] += coefficient
    return series


@compiled
def light_first(weights: Floats, end: float) -> int:
    """Sort options (o,) in place, light ones first; gives how many are light, 0 if that is too few to sum them."""
    light = 0
    for i in range(len(weights)):
        if weights[i] * end <= LIGHT:
            weights[light], weights[i] = weights[i], weights[light]
            light += 1
    return light if light >= FEWEST else 0


@compiled
def light_arrivals(weights: Floats, nodes: Floats, series: Floats, out: Floats) -> None:
    """(k, q) probabilities that 0, 1, ... of light options (o,) have arrived by each node."""
    k, terms = series.shape
    sums = _power_sums(weights, nodes[-1], terms)
    time = nodes / nodes[-1]
    odds = np.empty((k, len(nodes)))  # their power sums
    for c in range(1, k):
        here = odds[c]
        here[:] = 0.0
        for m in range(terms - 1, -1, -1):
            coefficient = series[c, m] * sums[m]
            for q in range(len(nodes)):
                here[q] = here[q] * time[q] + coefficient
    for q in range(len(nodes)):
        out[0, q] = np.exp(-sums[1] * time[q])
    for c in range(1, k):
        here = out[c]
        here[:] = 0.0
        for j in range(1, c + 1):
            fewer, power, share = out[c - j], odds[j], (1.0 if j % 2 else -1.0) / c
            for q in range(len(nodes)):
                here[q] += share * power[q] * fewer[q]


@compiled
def _power_sums(weights: Floats, end: float, terms: int) -> Floats:
    """(m,) sums of `(weight * end) ** m`."""
    sums = np.zeros(terms)
    for weight in weights:
        power = 1.0
        for m in range(terms):
            sums[m] += power
            power *= weight * end
    return sums
