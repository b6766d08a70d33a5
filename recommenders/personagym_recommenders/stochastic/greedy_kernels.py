"""Epsilon-greedy draws and their propensities, compiled by Numba.

Shapes: n rows, p options of a row, k slate places. A score of minus infinity stands for what may not be shown; of
equal scores the earlier position is better.
"""

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.session.random import UIntArray
from personagym_recommenders.stochastic.kernels import Floats, compiled, uniform


@compiled
def draw_epsilon_greedy(scores: Floats, keys: UIntArray, epsilon: float, k: int) -> IntArray:
    """(n, k) positions of the options shown; each place draws whether it explores, and with what."""
    n, p = scores.shape
    taken = np.full((n, k), -1, np.int64)
    inside = np.zeros(p, np.bool_)
    for row in range(n):
        left = 0
        for i in range(p):
            left += scores[row, i] > -np.inf
        for place in range(k):
            explores = uniform(keys[row], 2 * place) < epsilon
            nth = min(int(uniform(keys[row], 2 * place + 1) * left), left - 1)
            found, seen = -1, 0
            for i in range(p):
                if inside[i] or scores[row, i] == -np.inf:
                    continue
                if explores and seen == nth:
                    found = i
                    break
                if not explores and (found < 0 or scores[row, i] > scores[row, found]):
                    found = i
                seen += 1
            taken[row, place] = found
            inside[found] = True
            left -= 1
        for place in range(k):
            inside[taken[row, place]] = False
    return taken


@compiled
def epsilon_greedy_propensities(scores: Floats, positions: IntArray, epsilon: float) -> tuple[Floats, Floats]:
    """(n, k) each: probability that a slate begins with the options up to each place, and that one stands at its place.

    The option of rank r (0 the best) is the best that is left exactly if the r better ones stand at earlier places.
    For the marginal, the state before place j is the rank b of the best that is left: all b better ones are taken, so
    j - b of those behind it are, each set of so many with the same probability, because only exploring takes them.
    """
    n, k = positions.shape
    prefix, marginal = np.zeros((n, k)), np.zeros((n, k))
    ranks = np.empty(k, np.int64)
    for row in range(n):
        options = 0
        for i in range(scores.shape[1]):
            options += scores[row, i] > -np.inf
        for place in range(k):
            ranks[place] = _rank(scores[row], positions[row, place])
        product = 1.0
        for place in range(k):
            better = 0
            for earlier in range(place):
                better += ranks[earlier] < ranks[place]
            by_chance = epsilon / (options - place)
            here = by_chance + (1 - epsilon if better == ranks[place] else 0.0)
            product = product * here if ranks[place] >= 0 else 0.0
            prefix[row, place] = product
        _marginals(options, ranks, epsilon, marginal[row])
    return prefix, marginal


@compiled
def _rank(scores: Floats, position: np.int64) -> int:
    """How many options are better than the one at a position; -1 for what is no option."""
    if position < 0:
        return -1
    rank = 0
    for i in range(len(scores)):
        if scores[i] > scores[position] or (scores[i] == scores[position] and i < position):
            rank += 1
    return rank


@compiled
def _marginals(options: int, ranks: IntArray, epsilon: float, marginal: Floats) -> None:
    """Fill in the marginal propensity of each place's option."""
    k = len(ranks)
    state, after = np.zeros(k + 1), np.zeros(k + 1)  # probability of each rank of the best that is left
    state[0] = 1.0
    for place in range(k):
        left = options - place
        for best in range(place + 1):
            behind, taken = options - 1 - best, place - best
            if ranks[place] == best:
                marginal[place] += state[best] * (1 - epsilon + epsilon / left)
            elif ranks[place] > best:
                marginal[place] += state[best] * epsilon / left * (1 - taken / behind)
        after[:] = 0.0
        for best in range(place + 1):
            after[best] += state[best] * epsilon * (left - 1) / left
            # The best is taken: of the options behind it, those that are taken are skipped.
            skipped = state[best] * (1 - epsilon + epsilon / left)
            for i in range(place - best + 1):
                behind, taken = options - 1 - best - i, place - best - i
                if behind > 0:
                    after[best + 1 + i] += skipped * (1 - taken / behind)
                    skipped *= taken / behind
        state[:] = after
