"""With which chance a rating came to be in a log, and how to learn as if all had been observed alike.

A log holds what people chose to rate. Counting each row with one over its propensity makes sums over the log unbiased
for sums over all pairs (Schnabel et al., "Recommendations as Treatments", ICML 2016, eq. 5). From a log alone the part
of selection can be told that goes by item and user; what goes by the rating itself takes ratings of random items.
"""

from typing import Any, Literal, get_args

import numpy as np

from personagym_env.collaborative.affinity import fit_affinity
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.tables import FloatArray, IntArray, Interactions

PropensityKind = Literal["margins", "co-consumption"]
"""What the chance of a row is read off a log by."""
PROPENSITY_KINDS: tuple[PropensityKind, ...] = get_args(PropensityKind)

LARGEST_WEIGHT = 20.0
"""Times the mean weight that a row counts at most, which costs little bias and saves much variance."""
FOLDS = 4
"""Parts of the rows, each of which is told by what is consumed together in the others."""


def propensities_of(kind: PropensityKind, log: Interactions, *, seed: int = 0) -> FloatArray:
    """(n,) chance of each row, read off the log itself; `seed` is for those that draw.

    Raises:
        ValueError: the kind is unknown, or the log has no rows.
    """
    if kind not in PROPENSITY_KINDS:
        raise ValueError(f"propensities are read off a log by {' or '.join(PROPENSITY_KINDS)}, got {kind!r}")
    return margin_propensities(log) if kind == "margins" else co_consumption_propensities(log, seed=seed)


def margin_propensities(log: Interactions) -> FloatArray:
    """(n,) chance of each row by the popularity of its item and the activity of its user, as if these were all.

    The expected count of a pair given its margins, count of the item times count of the user over all rows, cut at 1.
    """
    if not len(log):
        raise ValueError("propensities are read off the rows of a log, and it has none")
    by_item = np.bincount(log.items, minlength=log.n_items)
    return np.asarray(np.minimum(1.0, log.counts[log.users] * by_item[log.items] / len(log)))


def co_consumption_propensities(log: Interactions, *, seed: int = 0) -> FloatArray:
    """(n,) chance of each row by popularity, activity and how much the item belongs to what the user consumed.

    A logistic model tells rows from pairs without one, of which as many are drawn and stand for all. What it reads is
    counted on other folds of the rows, lest a row speak for itself. Where what is consumed together tells nothing, the
    chances are those of a logistic model of the margins.

    Args:
        log: rows.
        seed: deals the folds and draws the pairs without a row.

    Raises:
        ValueError: the log has no rows, or a row for every pair.
    """
    # Here, because a log that is not weighted does without.
    from sklearn.linear_model import LogisticRegression

    pairs = log.n_users * log.n_items
    if not 0 < len(log) < pairs:
        raise ValueError(f"propensities tell rows from pairs without one, got {len(log)} rows and {pairs} pairs")
    rng = np.random.default_rng(seed)
    keys = (
        rng.choice(pairs, min(pairs, 2 * len(log)), replace=False)
        if pairs < 2**24
        else rng.integers(pairs, size=len(log))
    )
    drawn = keys // log.n_items, keys % log.n_items
    free = ~log.contains(*drawn)
    users, items = (np.concatenate(both) for both in ((log.users, drawn[0][free]), (log.items, drawn[1][free])))
    row_fold = rng.permutation(len(log)) % min(FOLDS, len(log))
    fold = np.concatenate([row_fold, rng.integers(row_fold.max() + 1, size=free.sum())])
    features = np.empty((len(users), 3))
    for number in range(row_fold.max() + 1):
        place = np.flatnonzero(fold == number)
        features[place] = _belonging(log.take(row_fold != number), users[place], items[place])
    label = np.arange(len(users)) < len(log)
    counted = np.where(label, 1.0, (pairs - len(log)) / max(free.sum(), 1))
    model: Any = LogisticRegression(C=len(users), max_iter=1000)  # type: ignore[no-untyped-call]
    model.fit(features, label, sample_weight=counted / counted.mean())
    return np.asarray(model.predict_proba(features[: len(log)])[:, 1], np.float64)


def _belonging(log: Interactions, users: IntArray, items: IntArray) -> FloatArray:
    """(n, 3) log popularity, log activity and log affinity of pairs, as some rows tell them."""
    if not len(log):
        return np.zeros((len(users), 3))
    by_item = np.bincount(log.items, minlength=log.n_items)
    affinity = at_pairs(fit_affinity(log).log_affinity, users, items, log.n_items)
    return np.column_stack([np.log(by_item[items] + 0.5), np.log(log.counts[users] + 0.5), affinity])


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
