"""A user's ratings in chronological batches, and the folds that training leaves out.

Batches are counted from a user's latest rating backwards, so the last batch is always a full one: it is the short term,
the same rows that `personagym_env.data.traits` calls recent.
"""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.data.traits import RECENT_ROWS

BATCH_ROWS = RECENT_ROWS
"""Ratings that are reflected on at a time, the paper's 10."""
NO_FOLD = -1
"""A profile that leaves no fold out."""


class Batch(NamedTuple):
    """Some consecutive rows of one user."""

    user: int
    rows: slice
    """Of the log."""
    fold: int
    """Which of the folds the rows belong to."""


def batch_folds(log: Interactions, folds: int) -> IntArray:
    """(n,) the fold of every row: a user's batches take turns, the latest is in fold 0."""
    from_end = np.repeat(log.indptr[1:], log.counts) - 1 - np.arange(len(log))
    return np.asarray(from_end // BATCH_ROWS % max(folds, 1))


def chronological_batches(log: Interactions, folds: int, users: BoolArray | None = None) -> list[Batch]:
    """All batches of a log, by user, then time; of some users (u,) alone if these are given."""
    batches = []
    fold_of = batch_folds(log, folds)
    for user in np.flatnonzero(log.counts if users is None else log.counts * users).tolist():
        start, end = int(log.indptr[user]), int(log.indptr[user + 1])
        for last in range(start + (end - start - 1) % BATCH_ROWS + 1, end + 1, BATCH_ROWS):
            rows = slice(max(start, last - BATCH_ROWS), last)
            batches.append(Batch(user, rows, int(fold_of[rows.start])))
    return batches


def batch_numbers(log: Interactions) -> IntArray:
    """(n,) the batch of every row, counted over all users in order: of two rows of a user, the later never has less."""
    numbers = np.zeros(len(log), np.int64)
    for number, batch in enumerate(chronological_batches(log, 0)):
        numbers[batch.rows] = number
    return numbers
