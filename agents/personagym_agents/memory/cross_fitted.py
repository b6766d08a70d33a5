"""Training rows as the moments that they were: what the user knew just before, and what else could have been chosen.

A memory that knew a row would hand the model the answer, and the model would learn to trust it more than it deserves.
So nothing that is recalled at a row comes from the row itself, and what is recalled about the item chosen and about
unseen items comes from the same rows:

- what is expected of ratings is cross-fitted: the rows are dealt into folds, and each fold is recalled by models of the
  other folds; moods are those of the user's earlier rows;
- reasons are recalled from the user's earlier rows alone, with the same lag, and never from the row's own batch of
  ratings, which a chat model reads together;
- belonging is read off the user's earlier rows alone, as held-out rows are met: up to a fifth of what the user has
  rated by then is not known yet. What belongs together is learned from other users, dealt into folds likewise. With
  later rows of the same sitting in the history, what comes next would look far easier to tell than it is.

Shapes: n training rows, e unseen items at each, f fields of the memory.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from personagym_agents.classical.blend import Blend
from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.cross_fitting import known_before
from personagym_agents.classical.gated_ridge import fit_gated_ridge
from personagym_agents.classical.rating_evidence import Columns, RatingEvidence, fit_evidence
from personagym_agents.llm.batches import batch_numbers
from personagym_agents.memory.co_consumption import Histories, fit_co_consumption
from personagym_agents.memory.evidence import (
    BELONGING_FIELDS,
    RATING_FIELDS,
    Codes,
    Evidence,
    Memory,
    belonging_levels,
    rating_levels,
)
from personagym_agents.memory.reasons import ReasonMemory, fit_reason_memory
from personagym_agents.memory.settings import Recall
from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions

_FOLDS = 8
_UNSEEN = 16
"""Unseen items drawn for each row, of which every epoch takes one."""
_CELLS = 2**20
"""Rows x items whose readings are worked out at once."""


class CrossFittedExamples(NamedTuple):
    """What was there to choose, and what was recalled about it."""

    own: Codes
    """(n, f) of the row's item."""
    unseen: IntArray
    """(n, e) items that the user has no row for."""
    recalled: Codes
    """(n, e, f) of those."""


def draw_cross_fitted_examples(
    train: Interactions,
    catalogue: Catalogue,
    rng: np.random.Generator,
    *,
    evidence: bool = True,
    reasons: ReasonMemory | None = None,
) -> CrossFittedExamples:
    """Draw unseen items for each training row and recall them and the row's own item without the row.

    Args:
        train: rows to learn from.
        catalogue: of the log's items.
        rng: deals folds, and draws lags and items.
        evidence: whether users recall evidence.
        reasons: of these rows, if users recall them; with neither f = 0.
    """
    drawing, dealing_rows, dealing_users, lagging = rng.spawn(4)
    unseen = np.stack([sample_unseen(train, train.users, drawing) for _ in range(_UNSEEN)], axis=1)
    items = np.column_stack([train.items, unseen])
    known = known_before(train, lagging)
    parts: list[Codes] = [np.zeros((*items.shape, 0), np.uint8)]
    if reasons is not None:
        parts += [reasons.recall_before(items, np.minimum(known, _before_batch(train)))]
    if evidence:
        parts += [_rating_levels(train, catalogue, items, known, dealing_rows)]
        parts += [_belonging_levels(train, items, known, dealing_users)]
    codes: Codes = np.concatenate(parts, axis=-1)
    return CrossFittedExamples(codes[:, 0], unseen, codes[:, 1:])


def _before_batch(train: Interactions) -> IntArray:
    """(n,) rows of its user before the batch of each row."""
    number = batch_numbers(train)
    return np.asarray(np.searchsorted(number, number) - train.indptr[train.users])


def _deal(count: int, rng: np.random.Generator) -> IntArray:
    """(count,) fold of each."""
    return np.asarray(rng.permutation(count) % min(_FOLDS, max(2, count)))


def _without(train: Interactions, inside: BoolArray) -> Interactions:
    """The other rows; all of them if there are no others to learn from."""
    return train if inside.all() else train.take(~inside)


def _rating_levels(
    train: Interactions, catalogue: Catalogue, items: IntArray, known: IntArray, rng: np.random.Generator
) -> Codes:
    """(n, 1 + e, 3) levels at all rows.

    Each is recalled by models of the other folds and the mood of its user's earlier rows, and blended by weights that
    the rows of the other folds give.
    """
    fold = _deal(len(train), rng)
    inside = [np.flatnonzero(fold == number) for number in np.unique(fold)]
    models = [fit_evidence(_without(train, fold == fold[rows[0]]), catalogue) for rows in inside]
    own = _own_evidence(train, models, inside, known)
    found = np.zeros((*items.shape, len(RATING_FIELDS)), np.uint8)
    for rows, model in zip(inside, models, strict=True):
        others = np.isin(np.arange(len(train)), rows, invert=len(inside) > 1)
        blend = Blend(fit_gated_ridge(own[others], train.ratings[others]))
        found[rows, 0] = rating_levels(own[rows], blend)
        mood = model.mood_before(train, rows, known[rows])
        asked, times = items[rows, 1:].ravel(), items.shape[1] - 1
        unseen = model.at(np.repeat(train.users[rows], times), asked, np.repeat(mood, times, axis=0))
        found[rows, 1:] = rating_levels(unseen, blend).reshape(len(rows), -1, len(RATING_FIELDS))
    return found


def _own_evidence(
    train: Interactions, models: Sequence[RatingEvidence], inside: Sequence[IntArray], known: IntArray
) -> Columns:
    """(n, f) evidence on the log's own rows, those of each fold by its model."""
    parts = [
        model.at(train.users[rows], train.items[rows], model.mood_before(train, rows, known[rows]))
        for model, rows in zip(models, inside, strict=True)
    ]
    return np.concatenate(parts)[np.argsort(np.concatenate(inside))]


def _belonging_levels(train: Interactions, items: IntArray, known: IntArray, rng: np.random.Generator) -> Codes:
    """(n, 1 + e, 3) levels at all rows, each by its user's earlier rows and what belongs together to other users."""
    fold = _deal(train.n_users, rng)[train.users]
    found = np.zeros((*items.shape, len(BELONGING_FIELDS)), np.uint8)
    for number in np.unique(fold):
        model = fit_co_consumption(_without(train, fold == number))
        inside = np.flatnonzero(fold == number)
        for rows in np.array_split(inside, -(-len(inside) * train.n_items // _CELLS)):
            levels = belonging_levels(model, Histories(train, train.users[rows], known[rows]))
            found[rows] = np.take_along_axis(levels, items[rows][..., None], axis=1)
    return found


def make_memory(
    catalogue: Catalogue,
    train: Interactions,
    recall: Recall,
    written: Sequence[str | None] | None = None,
    blend: Blend | None = None,
) -> Memory | None:
    """What users recall; None where nothing is to be recalled.

    Args:
        catalogue: the log's items.
        train: rows to learn from.
        recall: what they recall.
        written: (n,) the texts of the reason book, see `fit_reason_memory`.
        blend: weights of the evidence that were fitted before; fitted to the rows if None.
    """
    fitted = fit_reason_memory(train, catalogue, recall.reasons, written, recall.encoder) if recall.reasons else None
    evidence = Evidence.fit(train, catalogue, blend) if recall.evidence else None
    return Memory(train, evidence, fitted) if recall else None
