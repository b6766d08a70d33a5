"""With which chance a rating came to be in a log, and how to learn as if all had been observed alike.

A log holds what people chose to rate. Counting each row with one over its propensity makes sums over the log unbiased
for sums over all pairs (Schnabel et al., "Recommendations as Treatments", ICML 2016, eq. 5). From a log alone the part
of selection can be told that goes by item and user; what goes by the rating itself takes ratings of random items.
"""

import numpy as np

from personagym_env.data.tables import FloatArray, Interactions

LARGEST_WEIGHT = 20.0
"""Times the mean weight that a row counts at most, which costs little bias and saves much variance."""


def margin_propensities(log: Interactions) -> FloatArray:
    """(n,) chance of each row by the popularity of its item and the activity of its user, as if these were all.

    The expected count of a pair given its margins, count of the item times count of the user over all rows, cut at 1.
    """
    if not len(log):
        raise ValueError("propensities are read off the rows of a log, and it has none")
    by_item = np.bincount(log.items, minlength=log.n_items)
    return np.asarray(np.minimum(1.0, log.counts[log.users] * by_item[log.items] / len(log)))


def inverse_weights(propensities: FloatArray, largest: float = LARGEST_WEIGHT) -> FloatArray:
    """(n,) one over each propensity, with mean 1; none above `largest` times the mean before it is cut.

    Raises:
        ValueError: a propensity is not in 0..1 and above 0.
    """
    chance = np.asarray(propensities, np.float64)
    if chance.ndim != 1 or not ((chance > 0) & (chance <= 1)).all():
        raise ValueError("propensities must be chances (n,) above 0 and up to 1")
    weights = 1 / chance
    weights = np.minimum(weights, largest * weights.mean())
    return np.asarray(weights / weights.mean())
