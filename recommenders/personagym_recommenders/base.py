"""What recommenders that score items share: who has seen what, the choice of the best k, saving and loading."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NoReturn, Self

import numpy as np
from scipy import sparse

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.storage import Storable


def check_users(users: IntArray, n_users: int) -> None:
    """Raise ValueError if an internal user id lies outside `0..n_users - 1`."""
    if users.size and not (users.min() >= 0 and users.max() < n_users):
        raise ValueError(f"observation holds users {users.min()}..{users.max()}, known are 0..{n_users - 1}")


def top_k(scores: FloatArray, allowed: BoolArray, k: int) -> IntArray:
    """The k best allowed items of each row, best first; of equal scores the lower item id comes first.

    Args:
        scores: (n, m) finite where allowed; an item at minus infinity that is not among the k best goes unnoticed.
        allowed: (n, m) what may be chosen.
        k: places, at least 1.

    Returns:
        (n, k) distinct item ids in each row.

    Raises:
        ValueError: k is below 1, a row allows fewer than k items, or an allowed score is not finite.
    """
    if scores.shape != allowed.shape:
        raise ValueError(f"scores have shape {scores.shape}, allowed items {allowed.shape}; both must be (n, m)")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    n, m = scores.shape
    if m < k:
        _refuse(scores, allowed, k)
    masked = np.array(scores, np.result_type(scores, np.float32))
    masked[~allowed] = -np.inf
    threshold = np.partition(masked, m - k, axis=1)[:, m - k, None]  # (n, 1) score of place k
    # A row's largest number shows NaN and infinity, its threshold shows minus infinity among the k best.
    if not (np.isfinite(masked.max(axis=1)).all() and np.isfinite(threshold).all()):
        _refuse(scores, allowed, k)
    chosen = masked >= threshold  # (n, m)
    items = np.flatnonzero(chosen)
    if len(items) > n * k:
        # A partition leaves open which of several equal items at the threshold it takes: they are counted off by id.
        crowded = np.flatnonzero(np.count_nonzero(chosen, axis=1) > k)
        above, level = (compare(masked[crowded], threshold[crowded]) for compare in (np.greater, np.equal))
        room = k - above.sum(axis=1, keepdims=True)
        chosen[crowded] = above | (level & (np.cumsum(level, axis=1) <= room))
        items = np.flatnonzero(chosen)
    items = items.reshape(n, k) % m
    best = np.take_along_axis(masked, items, axis=1)
    return np.take_along_axis(items, np.argsort(-best, axis=1, kind="stable"), axis=1)


def top_k_or_empty(scores: FloatArray, allowed: BoolArray, k: int) -> IntArray:
    """(n, k) as `top_k`, but a row that allows fewer than k items has others in its last places.

    The environment takes these as empty places, since the user knows their items; where there are fewer than k items at
    all, the last one stands in several places, of which all but the first are empty.
    """
    short = np.count_nonzero(allowed, axis=1) < k
    if not short.any():
        return top_k(scores, allowed, k)
    items = np.empty((len(scores), k), np.int64)
    if not short.all():
        items[~short] = top_k(scores[~short], allowed[~short], k)
    order = np.argsort(-np.where(allowed[short], scores[short], -np.inf), axis=1, kind="stable")
    items[short] = order[:, np.minimum(np.arange(k), order.shape[1] - 1)]
    return items


def _refuse(scores: FloatArray, allowed: BoolArray, k: int) -> NoReturn:
    """Say why no k items of every row can be the best."""
    available = np.count_nonzero(allowed, axis=1)
    if (available < k).any():
        row = int(np.argmin(available))
        raise ValueError(f"row {row} has {available[row]} items to choose from, fewer than the k = {k} asked for")
    row, item = np.argwhere(allowed & ~np.isfinite(scores))[0]
    raise ValueError(f"scores of allowed items must be finite, got {scores[row, item]} for item {item} in row {row}")


def unconsumed(seen: sparse.csr_array, observation: Observation) -> BoolArray:
    """(n, m) what the user of each row has consumed neither in the training log nor in this session.

    Args:
        seen: (u, m) with an entry where the training log has the pair.
        observation: of n rows.
    """
    before, history = seen[observation["user"]], observation["history_items"]
    fresh = np.ones(before.shape, np.bool_)
    fresh[np.repeat(np.arange(len(fresh)), np.diff(before.indptr)), before.indices] = False
    rows, places = np.nonzero(history != NO_ITEM)
    fresh[rows, history[rows, places]] = False
    return fresh


class ScoringRecommender(Storable, ABC):
    """A recommender that gives every item a score and shows the k best.

    A subclass writes `learn` and `score`, and has everything else: exclusion of consumed items, candidates,
    deterministic choice, saving and loading; for the latter it keeps to the habits that `Storable` describes.
    """

    seen_: sparse.csr_array
    """(u, m) 1 where the training log has the pair, sorted by item."""

    @property
    def name(self) -> str:
        """A short name for tables."""
        return type(self).__name__

    @abstractmethod
    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Learn from the training rows; `seen_` is there already."""

    @abstractmethod
    def score(self, observation: Observation) -> FloatArray:
        """(n, m) a finite score for every item, higher is better; a row depends on its own row alone."""

    def fit(self, log: Interactions, catalogue: Catalogue) -> Self:
        """Learn from training rows; returns itself.

        Raises:
            ValueError: the log and the catalogue count different items.
        """
        if log.n_items != len(catalogue):
            raise ValueError(f"the log counts {log.n_items} items, the catalogue has {len(catalogue)}")
        self.seen_ = binary_matrix(log.users, log.items, (log.n_users, log.n_items))
        self.learn(log, catalogue)
        return self

    def recommend(self, observation: Observation, k: int, candidates: BoolArray | None = None) -> IntArray:
        """Choose the k items of highest score per row, best first; of equal scores the lower item id comes first.

        Args:
            observation: n rows.
            k: places of the slate.
            candidates: (n, m) which items may be shown; None means every item that the user has not consumed, neither
                in the training log nor in this session.

        Returns:
            (n, k) distinct internal item ids in each row.

        Raises:
            ValueError: not fitted, an unknown user, or a row with fewer than k items to choose from.
        """
        self._check_fitted()
        check_users(observation["user"], self.seen_.shape[0])
        allowed = unconsumed(self.seen_, observation) if candidates is None else np.asarray(candidates, np.bool_)
        return top_k(self.score(observation), allowed, k)

    def history(self, observation: Observation) -> sparse.csr_array:
        """(n, m) 1 for what each row's user has consumed in the training log or in this session."""
        before = self.seen_[observation["user"]]
        rows, columns = np.nonzero(observation["history_items"] != NO_ITEM)
        items = observation["history_items"][rows, columns]
        both = sparse.csr_array(before + binary_matrix(rows, items, before.shape))
        both.data[:] = 1
        return both

    def save(self, folder: str | Path) -> None:
        """Write what `load` reads; see `Storable.save`.

        Raises:
            ValueError: not fitted.
            TypeError: a constructor argument does not fit into JSON, or something learned is no array.
        """
        self._check_fitted()
        super().save(folder)

    def _check_fitted(self) -> None:
        if not hasattr(self, "seen_"):
            raise ValueError(f"{self.name} must be fitted before it is used")


def binary_matrix(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    """(n, m) 1 at the given places, which may repeat, float32 and with sorted indices."""
    matrix = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
