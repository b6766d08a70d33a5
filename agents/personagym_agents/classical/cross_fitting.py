"""Evidence on a log's own rows, each read by other rows alone.

By rows at large, as if nobody had rated its item, or as if next to nothing were known of its user.

Shapes: n rows of a log, n' of them that are read, f columns of evidence.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from personagym_agents.classical.rating_evidence import Columns, fit_evidence
from personagym_env.data.tables import Catalogue, IntArray, Interactions

LARGEST_LAG = 0.25
"""Unknown rows right before a row, as a share of the known ones, at most: held-out rows are a fifth of a user's."""
BARELY_KNOWN = 8
"""Ratings below which next to nothing is known of a user."""
_FOLDS = 8
_USER_FOLDS = 3
"""Into which users are dealt to be read as if they were barely known."""
_ITEM_FOLDS = 10
"""Into which items are dealt to be read as if they were unknown: how much text says of these depends on how many others
are known, and in a log nearly all are."""
_FEWEST_FOLDS, _ENOUGH_ROWS, _ENOUGH_ITEMS = 3, 20_000, 500
"""Folds of items that are read at least, and how much is in them before no more are read."""
_COLD_ROWS = 30_000
"""Rows of unknown items, or of barely known users, that are read at most."""
_FEW = (0, 1, 2, 4, 7)
"""Ratings by which a barely known user is known."""


class ColdRows(NamedTuple):
    """Evidence on rows whose item, or user, is read as if it were unknown."""

    evidence: Columns
    """(n', f)"""
    rows: IntArray
    """(n',) places in the log."""
    fold: IntArray
    """(n',) of the row's item, or of its user."""


def cross_fitted_evidence(
    log: Interactions, catalogue: Catalogue | None = None, *, rng: np.random.Generator
) -> Columns:
    """(n, f) evidence on the log's own rows: dealt into folds, each read by the other folds, moods by earlier rows."""
    dealing, lagging = rng.spawn(2)
    fold = dealing.permutation(len(log)) % min(_FOLDS, len(log))
    known = known_before(log, lagging)
    parts = ((np.flatnonzero(fold == number), np.flatnonzero(fold != number)) for number in np.unique(fold))
    return _read(log, catalogue, parts, np.arange(len(log)), known)


def evidence_on_unknown_items(log: Interactions, catalogue: Catalogue | None, *, rng: np.random.Generator) -> ColdRows:
    """Evidence on some of the log's own rows, each by the rows of other items alone."""
    dealing, lagging, drawing = rng.spawn(3)
    fold = (dealing.permutation(log.n_items) % min(_ITEM_FOLDS, log.n_items))[log.items]
    rows = _some(np.flatnonzero(fold < _enough_folds(log, fold)), drawing)
    known = known_before(log, lagging)
    parts = ((rows[fold[rows] == number], np.flatnonzero(fold != number)) for number in np.unique(fold[rows]))
    return ColdRows(_read(log, catalogue, parts, rows, known), rows, fold[rows])


def evidence_on_barely_known_users(
    log: Interactions, catalogue: Catalogue | None, *, rng: np.random.Generator
) -> ColdRows:
    """Evidence on some of the log's own rows, each by the rows of other users and less than eight of its user's.

    Which ones are known is drawn at random; in a log of less ratings per user there are no such rows.
    """
    dealing, counting, drawing = rng.spawn(3)
    fold = (dealing.permutation(log.n_users) % min(_USER_FOLDS, log.n_users))[log.users]
    place = _shuffled_place(log, dealing)
    hidden = place >= counting.choice(_FEW, log.n_users)[log.users]
    rows = _some(np.flatnonzero(hidden), drawing)
    parts = (
        (rows[fold[rows] == number], np.flatnonzero((fold != number) | ~hidden)) for number in np.unique(fold[rows])
    )
    return ColdRows(_read(log, catalogue, parts, rows, None), rows, fold[rows])


def _enough_folds(log: Interactions, fold: IntArray) -> int:
    """How many folds hold enough rows and items, given the (n,) fold of each row's item."""
    rows = np.cumsum(np.bincount(fold))
    items = np.cumsum(np.bincount(fold[np.unique(log.items, return_index=True)[1]]))
    return max(_FEWEST_FOLDS, 1 + int(np.count_nonzero((rows < _ENOUGH_ROWS) | (items < _ENOUGH_ITEMS))))


def _some(rows: IntArray, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(rows, min(len(rows), _COLD_ROWS), replace=False))


def _shuffled_place(log: Interactions, rng: np.random.Generator) -> IntArray:
    """(n,) place of each row among its user's, in an order drawn at random."""
    order = np.lexsort((rng.random(len(log)), log.users))
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log)) - log.indptr[log.users[order]]
    return place


def _read(
    log: Interactions,
    catalogue: Catalogue | None,
    parts: Iterable[tuple[IntArray, IntArray]],
    rows: IntArray,
    known: IntArray | None,
) -> Columns:
    """(n', f) evidence on ascending rows, in the order of these.

    Args:
        log: the rows.
        catalogue: of the log's items.
        parts: rows that are read together, and those that they are read by; all where there are none.
        rows: (n',) all that are read.
        known: (n,) how many of a user's rows tell the mood at each row; None for those that it is read by.
    """
    found = np.empty((0, 0), np.float32)
    for inside, others in parts:
        evidence = fit_evidence(log.take(others) if len(others) else log, catalogue)
        users = log.users[inside]
        mood = evidence.mood[users] if known is None else evidence.mood_before(log, inside, known[inside])
        part = evidence.at(users, log.items[inside], mood)
        if not found.size:
            found = np.empty((len(rows), part.shape[1]), np.float32)
        found[np.searchsorted(rows, inside)] = part
    return found


def known_before(log: Interactions, rng: np.random.Generator) -> IntArray:
    """(n,) how many of its user's rows were known when each row came: those before it, less a random lag."""
    return np.asarray((log.rank_in_user / (1 + LARGEST_LAG * rng.random(len(log)))).astype(np.int64))
