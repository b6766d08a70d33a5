"""Offline metrics on top-k lists, batched, with one value per user.

The definitions are RecBole's (`recbole.evaluator.metrics`), without a rating threshold: every held-out item is
relevant. Shapes: n users, k places of the list, m items.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions


def find_hits(slates: IntArray, users: IntArray, held_out: Interactions) -> BoolArray:
    """(n, k) whether each recommended item is among its user's held-out items."""
    return held_out.contains(users[:, None], slates)


def hit(hits: BoolArray) -> FloatArray:
    """(n,) 1 where the list holds at least one relevant item, else 0."""
    return np.asarray(hits.any(axis=1), np.float64)


def recall(hits: BoolArray, relevant: IntArray) -> FloatArray:
    """Share of the user's relevant items that the list holds.

    Args:
        hits: (n, k) which places hold a relevant item.
        relevant: (n,) relevant items of each user, at least 1.

    Returns:
        (n,) values in 0..1; a user with more than k relevant items cannot reach 1.
    """
    _check(hits, relevant)
    return np.asarray(hits.sum(axis=1) / relevant)


def reciprocal_rank(hits: BoolArray) -> FloatArray:
    """(n,) 1 / rank of the first relevant item, 0 where the list holds none; its mean is MRR."""
    return np.asarray(hits.any(axis=1) / (hits.argmax(axis=1) + 1.0))


def ndcg(hits: BoolArray, relevant: IntArray) -> FloatArray:
    """Normalised discounted cumulative gain with binary gain and discount 1 / log2(rank + 1).

    The ideal list has min(relevant, k) hits in front (Jarvelin and Kekalainen 2002, as RecBole cuts it).

    Args:
        hits: (n, k) which places hold a relevant item.
        relevant: (n,) relevant items of each user, at least 1.

    Returns:
        (n,) values in 0..1; 1 exactly where no relevant item stands behind an irrelevant one and the list is full of
        them or holds them all.
    """
    _check(hits, relevant)
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, hits.shape[1]) - 1]
    return np.asarray(hits @ discounts / ideal)


def average_popularity(slates: IntArray, item_counts: IntArray) -> FloatArray:
    """(n,) mean count of training ratings of the listed items; `item_counts` is (m,)."""
    return np.asarray(item_counts[slates].mean(axis=1))


def novelty(slates: IntArray, item_counts: IntArray, n_users: int) -> FloatArray:
    """Mean self-information of the listed items in bits (Zhou et al. 2010, eq. 5): log2(users / raters of the item).

    An item without training ratings counts as rated once, so that the value stays finite.

    Args:
        slates: (n, k) listed items.
        item_counts: (m,) training ratings of each item.
        n_users: users of the training log.

    Returns:
        (n,) 0 where everybody has rated all of the list, log2(n_users) at most.
    """
    return np.asarray(np.log2(n_users / np.maximum(item_counts, 1))[slates].mean(axis=1))


def gini(ascending: FloatArray) -> FloatArray:
    """(b,) the Gini coefficient of each row: 0 if all have alike, near 1 if one has everything.

    Args:
        ascending: (b, m) shares that sum to 1 in each row, the smallest first.
    """
    m = ascending.shape[1]
    return np.asarray(ascending @ (2 * np.arange(1, m + 1) - m - 1) / m)


@dataclass(frozen=True, eq=False)
class ItemCoverage:
    """Share of the catalogue that appears in at least one list: a `Statistic` that is no mean over users."""

    listed: sparse.csr_array
    """(u, m) how often each user's list holds each item."""

    @classmethod
    def of_slates(cls, slates: IntArray, users: IntArray, shape: tuple[int, int]) -> "ItemCoverage":
        """Coverage of the lists (n, k) of `users` (n,) in a log of `shape` (u, m)."""
        owners = np.repeat(users, slates.shape[1])
        return cls(sparse.csr_array((np.ones(slates.size), (owners, slates.ravel())), shape=shape))

    def resampled(self, weights: FloatArray) -> FloatArray:
        """(b,) share of the m items that the drawn users' lists hold."""
        return np.asarray(((weights @ self.listed) > 0).mean(axis=1))


def _check(hits: BoolArray, relevant: IntArray) -> None:
    if hits.ndim != 2 or relevant.shape != hits.shape[:1]:
        raise ValueError(f"hits need shape (n, k) and relevant (n,), got {hits.shape} and {relevant.shape}")
    if len(relevant) and relevant.min() < 1:
        raise ValueError("every user needs at least one relevant item; leave out users without held-out items")
