"""Ways to part a log into what is learned from and what is held out."""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, IntArray, Interactions


class Split(NamedTuple):
    """Two logs over the same users and items that share no row."""

    train: Interactions
    test: Interactions


def _part(log: Interactions, held_out: BoolArray) -> Split:
    return Split(train=log.take(~held_out), test=log.take(held_out))


def _rank_in_user(log: Interactions) -> IntArray:
    """(n,) 0 for a user's first row, 1 for the second, and so on."""
    return np.arange(len(log)) - np.repeat(log.indptr[:-1], log.counts)


def _check_share(train_share: float) -> None:
    if not 0 < train_share < 1:
        raise ValueError(f"train_share must lie strictly between 0 and 1, got {train_share}")


def temporal_split(log: Interactions, train_share: float = 0.8) -> Split:
    """Each user's first `train_share` of rows by time is train (at least one row), the rest test."""
    _check_share(train_share)
    kept = np.maximum(1, np.floor(log.counts * train_share + 1e-9).astype(np.int64))
    return _part(log, _rank_in_user(log) >= np.repeat(kept, log.counts))


def leave_last_n_split(log: Interactions, n: int = 1) -> Split:
    """Each user's last n rows by time are test; users with n rows or fewer stay in train whole."""
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    counts = np.repeat(log.counts, log.counts)
    return _part(log, (_rank_in_user(log) >= counts - n) & (counts > n))


def global_time_split(log: Interactions, train_share: float = 0.8) -> Split:
    """Everything after one moment, the `train_share` quantile of all timestamps, is test.

    Raises:
        ValueError: the log has no timestamps.
    """
    _check_share(train_share)
    if log.timestamps is None:
        raise ValueError("a split by global time needs timestamps, and this log has none")
    moment = np.quantile(log.timestamps, train_share, method="lower")
    return _part(log, log.timestamps > moment)


def random_split(log: Interactions, train_share: float = 0.8, *, rng: np.random.Generator) -> Split:
    """A random `1 - train_share` of all rows is test."""
    _check_share(train_share)
    held_out = np.zeros(len(log), np.bool_)
    held_out[rng.permutation(len(log))[round(len(log) * train_share) :]] = True
    return _part(log, held_out)
