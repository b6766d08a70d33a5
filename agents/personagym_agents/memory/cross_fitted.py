"""Training rows as the moments that they were: what the user knew just before, and what else could have been chosen.

A memory that knew a row would hand the model the answer, and the model would learn to trust it more than it deserves.
So nothing that is recalled at a row comes from the row itself, and what is recalled about the item chosen and about
unseen items comes from the same rows:

- opinions (`akin`, `peers`) are cross-fitted: the rows are dealt into folds, and each fold is recalled by models of the
  other folds;
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

from personagym_agents.classical.choice import sample_unseen
from personagym_agents.classical.rating_evidence import known_before
from personagym_agents.llm.batches import batch_numbers
from personagym_agents.memory.co_consumption import Histories, fit_co_consumption
from personagym_agents.memory.evidence import Codes, Memory, co_consumption_levels, field_words, fit_opinions
from personagym_agents.memory.reasons import ReasonMemory, fit_reason_memory
from personagym_agents.memory.settings import Recall
from personagym_env.collaborative.rating_model import at_pairs
from personagym_env.data.tables import BoolArray, Catalogue, IntArray, Interactions

_FOLDS = 8
_UNSEEN = 16
"""Unseen items drawn for each row, of which every epoch takes one."""
_BLOCK = 512
"""Rows whose histories are read at once."""


class CrossFittedExamples(NamedTuple):
    """What was there to choose, and what was recalled about it."""

    own: Codes
    """(n, f) of the row's item."""
    unseen: IntArray
    """(n, e) items that the user has no row for."""
    recalled: Codes
    """(n, e, f) of those."""


def draw_cross_fitted_examples(
    train: Interactions, rng: np.random.Generator, *, evidence: bool = True, reasons: ReasonMemory | None = None
) -> CrossFittedExamples:
    """Draw unseen items for each training row and recall them and the row's own item without the row.

    Args:
        train: rows to learn from.
        rng: deals folds, and draws lags and items.
        evidence: whether users recall evidence.
        reasons: of these rows, if users recall them; with neither f = 0.
    """
    drawing, dealing_rows, dealing_users, lagging = rng.spawn(4)
    unseen = np.stack([sample_unseen(train, train.users, drawing) for _ in range(_UNSEEN)], axis=1)
    items = np.column_stack([train.items, unseen])
    parts: list[Codes] = [np.zeros((*items.shape, 0), np.uint8)]
    if reasons is not None:
        parts += [reasons.recall_before(items, np.minimum(known_before(train, lagging), _before_batch(train)))]
    if evidence:
        every = np.arange(len(train))
        parts += [
            _opinions(train, every, items, dealing_rows, train.scale),
            _co_consumptions(train, every, items, dealing_users),
        ]
    codes: Codes = np.concatenate(parts, axis=-1)
    return CrossFittedExamples(codes[:, 0], unseen, codes[:, 1:])


def recall_rows(train: Interactions, rows: IntArray, rng: np.random.Generator, scale: tuple[float, ...]) -> Codes:
    """(n, f) evidence on some of the log's rows, each recalled without the row, and zeros for the others.

    Args:
        train: rows to learn from.
        rows: (q,) places of those to recall.
        rng: deals folds and draws lags.
        scale: that evidence is told on.
    """
    dealing_rows, dealing_users = rng.spawn(2)
    codes = np.zeros((len(train), len(field_words(scale))), np.uint8)
    if len(rows):
        items = train.items[rows][:, None]
        found = _opinions(train, rows, items, dealing_rows, scale), _co_consumptions(train, rows, items, dealing_users)
        codes[rows] = np.concatenate(found, axis=-1)[:, 0]
    return codes


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


def _opinions(
    train: Interactions, rows: IntArray, items: IntArray, rng: np.random.Generator, scale: tuple[float, ...]
) -> Codes:
    """(q, 1 + e, 2) levels at (q,) rows, each row by models of the other folds."""
    fold = _deal(len(rows), rng)
    found = np.zeros((*items.shape, 2), np.uint8)
    for number in np.unique(fold):
        inside = fold == number
        left_out = np.zeros(len(train), np.bool_)
        left_out[rows[inside]] = True
        asked = np.repeat(train.users[rows[inside]], items.shape[1])
        levels = at_pairs(fit_opinions(_without(train, left_out), scale), asked, items[inside].ravel(), train.n_items)
        found[inside] = levels.reshape(-1, *found.shape[1:])
    return found


def _co_consumptions(train: Interactions, rows: IntArray, items: IntArray, rng: np.random.Generator) -> Codes:
    """(q, 1 + e, 3) levels at (q,) rows, each by its user's earlier rows and what belongs together to other users."""
    fold = _deal(train.n_users, rng)[train.users]
    known = known_before(train, rng)
    found = np.zeros((*items.shape, len(field_words(train.scale)) - 2), np.uint8)
    for number in np.unique(fold[rows]):
        model = fit_co_consumption(_without(train, fold == number))
        inside = np.flatnonzero(fold[rows] == number)
        for block in np.array_split(inside, -(-len(inside) // _BLOCK)):
            at = rows[block]
            levels = co_consumption_levels(model, Histories(train, train.users[at], known[at]))
            found[block] = np.take_along_axis(levels, items[block][..., None], axis=1)
    return found


def make_memory(
    catalogue: Catalogue,
    train: Interactions,
    rng: np.random.Generator,
    recall: Recall,
    written: Sequence[str | None] | None = None,
) -> tuple[Memory | None, CrossFittedExamples]:
    """What users recall, and the occasions of the training rows; no memory where nothing is to be recalled.

    Args:
        catalogue: the log's items.
        train: rows to learn from.
        rng: see `draw_cross_fitted_examples`.
        recall: what they recall.
        written: (n,) the texts of the reason book, see `fit_reason_memory`.
    """
    reasons = fit_reason_memory(train, catalogue, recall.reasons, written) if recall.reasons else None
    examples = draw_cross_fitted_examples(train, rng, evidence=recall.evidence, reasons=reasons)
    memory = Memory(train, examples.own, evidence=recall.evidence, reasons=reasons) if recall else None
    return memory, examples
