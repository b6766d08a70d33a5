"""Many options of light weight stand as few: what a sum over options needs, without the options.

An integral over a race sums a smooth function of the weight over all options. Within an octave of weights a
two-point Gauss rule with the options' own moments gives such a sum to six digits and more where there are hundreds
(Golub and Welsch, Mathematics of Computation 1969, for two nodes).
"""

import numpy as np

from personagym_recommenders.stochastic.kernels import Floats, compiled

MERGED_FROM = 200
"""Options of a row from which on merging pays."""
_LIGHTEST_END = 12.0
"""Mean arrivals of an option until the end of the race up to which it counts as light."""
_BINS = 24
"""Octaves of weights; what is lighter than all falls into the last."""
_FEWEST = 16
"""Options of an octave from which on they are merged. Of fewer, a node would stand for a broken number of options that
is small, whose arrivals are no probabilities."""


@compiled
def merge_light(weights: Floats, often: Floats, n: int, end: float) -> int:
    """Replace light options by weights with how often they stand, in place.

    Args:
        weights: the first n are the options' weights.
        often: the first n are 1.
        n: options.
        end: of the race, in the unit of 1 / weights.

    Returns:
        How many are left: the heavy ones and those of thin octaves as they were, and two at most for each other octave.
    """
    bins = np.zeros((_BINS, 4))  # count, sum, and second and third central moments of the weights
    heavy = 0
    lightest = _LIGHTEST_END / end
    for i in range(n):
        if weights[i] > lightest:
            weights[heavy], weights[i] = weights[i], weights[heavy]
            heavy += 1
    for i in range(heavy, n):
        b = _bin(weights[i], lightest)
        bins[b, 0] += 1.0
        bins[b, 1] += weights[i]
    for i in range(heavy, n):
        b = _bin(weights[i], lightest)
        if bins[b, 0] < _FEWEST:
            weights[heavy], weights[i] = weights[i], weights[heavy]
            heavy += 1
    for i in range(heavy, n):
        b = _bin(weights[i], lightest)
        off = weights[i] - bins[b, 1] / bins[b, 0]
        bins[b, 2] += off * off
        bins[b, 3] += off * off * off
    left = heavy
    for b in range(_BINS):
        count = bins[b, 0]
        if count < _FEWEST:
            continue
        mean, variance = bins[b, 1] / count, bins[b, 2] / count
        if variance <= 1e-18 * mean * mean:
            weights[left], often[left] = mean, count
            left += 1
            continue
        skew = bins[b, 3] / count / variance
        root = np.sqrt(skew * skew + 4.0 * variance)
        low, high = 0.5 * (skew - root), 0.5 * (skew + root)
        weights[left], often[left] = mean + low, count * high / root
        weights[left + 1], often[left + 1] = mean + high, -count * low / root
        left += 2
    return left


@compiled
def _bin(weight: float, lightest: float) -> int:
    return min(int(np.log2(lightest / weight)), _BINS - 1)
