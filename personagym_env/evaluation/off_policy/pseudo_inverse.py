"""The pseudo-inverse estimator of single slates: unbiased if a slate's reward is a sum over its places.

Shapes: n decisions or situations, p candidates, k slate places, s slates.
"""

from itertools import permutations

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import Terms, WeightSums

Floats = npt.NDArray[np.float64]

MOST_SLATES = 10_000
"""Slates of a support that are enumerated at most."""


def pseudo_inverse(decisions: Decisions, weight: Floats) -> Terms:
    """PI: `mean(w r)` with the weights (d,) of `pseudo_inverse_weights`, which can be negative.

    Swaminathan et al. (NIPS 2017). Assumes support and that the expected reward of a slate is a sum of what
    its places' items bring, each by itself; only the slate's whole reward is read. Slates of one place give IPS.
    """
    decisions.only_single_decisions("the pseudo-inverse estimator")
    return Terms.mean(weight * decisions.reward, WeightSums.of(weight))


def all_slates(p: int, k: int) -> IntArray:
    """(s, k) positions of every ordered slate of k out of p candidates.

    Raises:
        ValueError: there are more than `MOST_SLATES`.
    """
    count = int(np.prod(np.arange(p - k + 1, p + 1, dtype=np.float64))) if p >= k else 0
    if not 0 < count <= MOST_SLATES:
        raise ValueError(f"{p} candidates give {count} slates of {k}; enumeration takes 1 to {MOST_SLATES}")
    return np.array(list(permutations(range(p), k)), np.int64)


def pseudo_inverse_weights(slates: IntArray, logging: Floats, evaluation: Floats) -> Floats:
    """(n, s) weight of every slate in n situations: `q' G+ 1_slate`.

    1_slate has a 1 for each place's item, G is the logging policy's expectation of `1_slate 1_slate'`, q the evaluation
    policy's of 1_slate, and G+ the Moore-Penrose inverse.

    Args:
        slates: (s, k) from `all_slates`.
        logging: (n, s) joint propensities of the slates.
        evaluation: (n, s) likewise.
    """
    p, k = int(slates.max()) + 1, slates.shape[1]
    hot = np.zeros((len(slates), k * p))
    np.put_along_axis(hot, slates + p * np.arange(k), 1.0, axis=1)
    weights = np.empty_like(logging)
    for row in range(len(logging)):
        second = (hot * logging[row][:, None]).T @ hot
        weights[row] = hot @ (np.linalg.pinv(second, rcond=1e-10, hermitian=True) @ (evaluation[row] @ hot))
    return weights
