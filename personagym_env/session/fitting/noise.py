"""Rating noise: how far a user's judgements of two items that are nearly one lie apart.

Some users are steadier than others, so differences of one user are no independent witnesses of the mean square: its
error is that of a mean over clusters of them (`personagym_env.session.fitting.estimates.mean_error`).
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from personagym_env.collaborative.similarity import CommonColumns
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.session.fitting.estimates import Z_95, Estimate, mean_error

_FEWEST_PAIRS = 10
_MOST_RATERS = 400
"""Items are compared among this many with most ratings, so that the work does not grow with the catalogue."""
_FEWEST_COMMON = 20
"""Users who rated both items, without whom their likeness is not known."""
_SHRINKAGE = 20.0
"""Users' worth of no correlation that a similarity is shrunk by."""
_NEAREST_PAIRS = 50
"""Most similar pairs of items that count as near-duplicates."""

PARTS = ("rating noise, one title under two ids", "rating noise, most similar items")
"""Names of the two estimates, both the standard deviation of one rating in points of the scale."""


def same_titles(catalogue: Catalogue) -> IntArray:
    """(p, 2) pairs of item ids with the same title and year."""
    groups: dict[tuple[str, int], list[int]] = {}
    for item, (title, year) in enumerate(zip(catalogue.titles, catalogue.years.tolist(), strict=True)):
        groups.setdefault((" ".join(title.casefold().split()), year), []).append(item)
    pairs = [(one, other) for group in groups.values() for i, one in enumerate(group) for other in group[i + 1 :]]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _rating_columns(log: Interactions) -> sparse.csc_array:
    """(u, m) ratings by column, moved up so that the lowest is 1 and 0 stands for no rating."""
    return sparse.csc_array(log.matrix(log.ratings - np.float32(log.scale[0] - 1.0)))


class _Differences(NamedTuple):
    """Differences of two ratings by one user. Shapes: d differences."""

    users: IntArray
    """(d,)"""
    values: FloatArray
    """(d,) float64"""

    @classmethod
    def joined(cls, parts: "list[_Differences]") -> "_Differences":
        """Those of several pairs of items."""
        users = [np.zeros(0, np.int64), *(part.users for part in parts)]
        return cls(np.concatenate(users), np.concatenate([np.zeros(0), *(part.values for part in parts)]))

    @property
    def enough(self) -> bool:
        """Whether there are enough to tell a noise from, and of more than one user to tell its interval."""
        return len(self.values) >= _FEWEST_PAIRS and len(np.unique(self.users)) > 1

    def noise(self, method: str) -> Estimate:
        """Standard deviation of one rating, from the mean square of differences of two with the same mean.

        The normal interval belongs to the logarithm, by the delta method, so that it stays above 0. Differences that
        are all 0 leave no interval: it is from 0 to 0.
        """
        variances = self.values**2 / 2
        variance = float(variances.mean())
        if variance == 0:
            return Estimate(0.0, 0.0, 0.0, len(self.values), method)
        error = mean_error(variances, self.users) / (2 * variance)
        value, (low, high) = np.sqrt(variance), np.sqrt(variance) * np.exp(np.array([-Z_95, Z_95]) * error)
        return Estimate(float(value), float(low), float(high), len(self.values), method)


def _differences(ratings: sparse.csc_array, pair: IntArray) -> _Differences:
    """Of the users who rated both items of a pair (2,)."""
    (users, theirs), (partners, partner) = (_column(ratings, item) for item in pair)
    both, here, there = np.intersect1d(users, partners, assume_unique=True, return_indices=True)
    return _Differences(both, (theirs[here] - partner[there]).astype(np.float64))


def _column(ratings: sparse.csc_array, item: int) -> tuple[IntArray, FloatArray]:
    """Users who rated the item, and their ratings."""
    begin, end = ratings.indptr[item : item + 2]
    return ratings.indices[begin:end], ratings.data[begin:end]


def _most_similar(log: Interactions) -> IntArray:
    """(p, 2) items whose ratings correlate most over users who rated both, users' own means taken off (Pearson)."""
    items = np.sort(np.argsort(-np.bincount(log.items, minlength=log.n_items), kind="stable")[:_MOST_RATERS])
    mean = np.bincount(log.users, log.ratings, log.n_users) / np.maximum(log.counts, 1)
    centred = log.matrix(log.ratings - mean[log.users])[:, items]
    agreement = CommonColumns(sparse.csr_array(centred.T))(slice(None))
    similarity = np.triu(agreement.shrunk(_SHRINKAGE), 1)
    similarity[agreement.common < _FEWEST_COMMON] = 0
    best = np.argsort(-similarity, axis=None, kind="stable")[:_NEAREST_PAIRS]
    best = best[similarity.ravel()[best] > 0]
    return np.asarray(items[np.column_stack(np.unravel_index(best, similarity.shape))])


def _similar_differences(log: Interactions) -> _Differences:
    """Differences within near-duplicates, which are chosen by one half of the users and measured on the other."""
    half = log.users % 2 == 0
    found = []
    for choosing, measuring in ((log.take(half), log.take(~half)), (log.take(~half), log.take(half))):
        ratings = _rating_columns(measuring)
        for pair in _most_similar(choosing):
            users, values = _differences(ratings, pair)
            if len(values) > 1:
                # Items that are nearly one may still differ in quality; n / (n - 1) for the mean that is taken off.
                centred = values - values.mean()
                found.append(_Differences(users, centred * np.sqrt(len(centred) / (len(centred) - 1))))
    return _Differences.joined(found)


def fit_noise(log: Interactions, catalogue: Catalogue) -> tuple[dict[str, Estimate], str | None]:
    """Rating noise from titles that stand in the catalogue twice, and its upper bound from the most similar items.

    The first takes two judgements of one film for independent, which those made at once may not be, so it may come out
    low; the second has the difference between two films in it, so it comes out high.

    Returns:
        The estimates by name in `PARTS`, and why one of them is missing.
    """
    findings, robust = {}, "interval robust to dependence within users"
    ratings = _rating_columns(log)
    twice = _Differences.joined([_differences(ratings, pair) for pair in same_titles(catalogue)])
    if twice.enough:
        findings[PARTS[0]] = twice.noise(f"pairs of ratings by one user of one title and year, {robust}")
    similar = _similar_differences(log)
    if similar.enough:
        findings[PARTS[1]] = similar.noise(
            f"pairs of ratings by one user of the {_NEAREST_PAIRS} most similar pairs of items, chosen on other users; "
            f"an upper bound, {robust}"
        )
    missing = [name for name in PARTS if name not in findings]
    few = f"fewer than {_FEWEST_PAIRS} pairs of ratings, or those of one user"
    return findings, f"{' and '.join(missing)}: {few}" if missing else None
