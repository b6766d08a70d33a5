"""Rating noise: how far a user's judgements of two items that are nearly one lie apart."""

import numpy as np
from scipy import sparse
from scipy.stats import chi2

from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.session.estimates import Estimate

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


def _differences(ratings: sparse.csc_array, pairs: IntArray) -> FloatArray:
    """(d,) differences of the ratings of users who rated both items of a pair (p, 2)."""
    found = [np.zeros(0)]
    for one, other in pairs:
        (users, theirs), (partners, partner) = (_column(ratings, item) for item in (one, other))
        _, here, there = np.intersect1d(users, partners, assume_unique=True, return_indices=True)
        found.append(theirs[here] - partner[there])
    return np.concatenate(found).astype(np.float64)


def _column(ratings: sparse.csc_array, item: int) -> tuple[IntArray, FloatArray]:
    """Users who rated the item, and their ratings."""
    begin, end = ratings.indptr[item : item + 2]
    return ratings.indices[begin:end], ratings.data[begin:end]


def _noise(differences: FloatArray, method: str) -> Estimate:
    """Standard deviation of one rating from differences (d,) of two with the same mean; chi-square interval."""
    n = len(differences)
    variance = float((differences**2).mean() / 2)
    low, high = (np.sqrt(n * variance / chi2.ppf(share, n)) for share in (0.975, 0.025))
    return Estimate(float(np.sqrt(variance)), float(low), float(high), n, method)


def _most_similar(log: Interactions) -> IntArray:
    """(p, 2) items whose ratings correlate most over users who rated both, users' own means taken off (Pearson)."""
    items = np.sort(np.argsort(-np.bincount(log.items, minlength=log.n_items), kind="stable")[:_MOST_RATERS])
    mean = np.bincount(log.users, log.ratings, log.n_users) / np.maximum(log.counts, 1)
    centred = log.matrix(log.ratings - mean[log.users])[:, items]
    known = log.matrix(np.ones(len(log)))[:, items]
    common = (known.T @ known).toarray()
    power = (centred.power(2).T @ known).toarray()
    correlation = (centred.T @ centred).toarray() / np.sqrt(np.maximum(power * power.T, 1e-12))
    similarity = np.triu(correlation * common / (common + _SHRINKAGE), 1)
    similarity[common < _FEWEST_COMMON] = 0
    best = np.argsort(-similarity, axis=None, kind="stable")[:_NEAREST_PAIRS]
    best = best[similarity.ravel()[best] > 0]
    return np.asarray(items[np.column_stack(np.unravel_index(best, similarity.shape))])


def _similar_differences(log: Interactions) -> FloatArray:
    """(d,) differences within near-duplicates, which are chosen by one half of the users and measured on the other."""
    half = log.users % 2 == 0
    found = []
    for choosing, measuring in ((log.take(half), log.take(~half)), (log.take(~half), log.take(half))):
        ratings = _rating_columns(measuring)
        for pair in _most_similar(choosing):
            differences = _differences(ratings, pair[None])
            if len(differences) > 1:
                # Items that are nearly one may still differ in quality; n / (n - 1) for the mean that is taken off.
                centred = differences - differences.mean()
                found.append(centred * np.sqrt(len(centred) / (len(centred) - 1)))
    return np.concatenate(found) if found else np.zeros(0)


def fit_noise(log: Interactions, catalogue: Catalogue) -> tuple[dict[str, Estimate], str | None]:
    """Rating noise from titles that stand in the catalogue twice, and its upper bound from the most similar items.

    The first takes two judgements of one film for independent, which those made at once may not be, so it may come out
    low; the second has the difference between two films in it, so it comes out high.

    Returns:
        The estimates by name in `PARTS`, and why one of them is missing.
    """
    findings = {}
    twice = _differences(_rating_columns(log), same_titles(catalogue))
    if len(twice) >= _FEWEST_PAIRS:
        findings[PARTS[0]] = _noise(twice, "pairs of ratings by one user of one title and year, chi-square interval")
    similar = _similar_differences(log)
    if len(similar) >= _FEWEST_PAIRS:
        method = (
            f"pairs of ratings by one user of the {_NEAREST_PAIRS} most similar pairs of items, chosen on other users; "
            "an upper bound, chi-square interval"
        )
        findings[PARTS[1]] = _noise(similar, method)
    missing = [name for name in PARTS if name not in findings]
    note = f"{' and '.join(missing)}: fewer than {_FEWEST_PAIRS} pairs of ratings" if missing else None
    return findings, note
