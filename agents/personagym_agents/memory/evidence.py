"""What a user recalls about an item before answering: evidence from the training log, in words.

    knn 4.2; support 5; mf3 3.9; mf8 4; mf16 3.8; sure 9; taste +0.10; mood5 -0.2; mood20 +0.1; lately 18; next 21; ...

The first ones are about the rating: what item neighbours and factor models expect, how much they know, the user's
residual on the item's genres and on the latest ratings (`personagym_agents.classical.rating_evidence`, which trees read
too). The last ones say how much the item belongs to what the user consumes (`co_consumption`). Reasons are recalled
before these, where a memory has them (`personagym_agents.memory.reasons`).

Ratings are told in levels that mean the same in every log (`personagym_agents.documents.told`). Shapes: b users, m
items, n training rows, f fields.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.rating_evidence import PAIR_COLUMNS, RatingEvidence, fit_evidence
from personagym_agents.documents.told import LEVELS
from personagym_agents.memory.co_consumption import READINGS, CoConsumptionModel, Histories, fit_co_consumption
from personagym_agents.memory.reasons import ReasonMemory
from personagym_env.collaborative.rating_model import user_blocks
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

Codes = npt.NDArray[np.integer]
"""(..., f) level of each field; `Memory.words` has their texts."""

_RATINGS = ("knn", "mf3", "mf8", "mf16")
_RATING_LEVELS = 41
"""Between the lowest and the highest level: tenths of a star on a scale of five."""
_TABLE_BYTES = 2**26
"""Recollections of all users and items are kept if they fit into this; else they are worked out at every call."""
_EMPHASIS = 100
"""Times that a tokenizer is shown each level of each field."""


class Field(NamedTuple):
    """How one number is told: as the nearest of evenly spaced levels."""

    name: str
    low: float
    step: float
    levels: int
    written: str

    def words(self) -> list[str]:
        """(levels,) what each level reads like."""
        values = (self.low + self.step * level for level in range(self.levels))
        return [f" {self.name} {value + 0.0:{self.written}};" for value in values]


def _rating_fields() -> tuple[Field, ...]:
    step = (LEVELS[-1] - LEVELS[0]) / (_RATING_LEVELS - 1)
    told = {name: Field(name, LEVELS[0], step, _RATING_LEVELS, ".2g") for name in _RATINGS}
    told["support"] = Field("support", 0, 1, 16, ".0f")
    told["sure"] = Field("sure", 0, 1, 21, ".0f")
    told["taste"] = Field("taste", -0.6, 0.05, 25, "+.2f")
    moods = (Field(name, -1.0, 0.1, 21, "+.1f") for name in ("mood5", "mood20"))
    return (*(told[name] for name in ("knn", "support", "mf3", "mf8", "mf16", "sure", "taste")), *moods)


RATING_FIELDS = _rating_fields()
"""How evidence on a rating is told."""
BELONGING_FIELDS = tuple(Field(name, 0, 1, 33, ".0f") for name in READINGS)
_BELONGING_LOW, _BELONGING_STEP = -4.0, 0.25
"""Of logarithms: level 16 is the user's average item."""


def field_words() -> list[list[str]]:
    """What each level of each field reads like."""
    return [field.words() for field in (*RATING_FIELDS, *BELONGING_FIELDS)]


def rating_levels(pairs: FloatArray, mood: FloatArray) -> Codes:
    """(..., 9) levels of (..., p) `PAIR_COLUMNS` and the (..., 2) mood of the user."""
    column = dict(zip(PAIR_COLUMNS, np.moveaxis(pairs, -1, 0), strict=True))
    column["support"] = 4 * np.sqrt(np.maximum(column["support"], 0))
    column["sure"] = -10 * np.log10(np.maximum(column["variance"], 1e-6))
    column["mood5"], column["mood20"] = np.moveaxis(np.broadcast_to(mood, (*pairs.shape[:-1], 2)), -1, 0)
    told = [_levels(column[field.name], field) for field in RATING_FIELDS]
    return np.asarray(np.stack(told, axis=-1))


def belonging_levels(model: CoConsumptionModel, histories: Histories) -> Codes:
    """(b, m, 3) levels of `READINGS` for b histories."""
    places = (model.readings(histories) - _BELONGING_LOW) / _BELONGING_STEP
    return _levels(places, BELONGING_FIELDS[0])


def _levels(values: FloatArray, field: Field) -> Codes:
    return np.asarray(np.clip(np.rint((values - field.low) / field.step), 0, field.levels - 1), np.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Fitted by `Evidence.fit`."""

    ratings: RatingEvidence
    belonging: CoConsumptionModel
    train: Interactions

    @classmethod
    def fit(cls, train: Interactions, catalogue: Catalogue) -> "Evidence":
        """Read evidence off a log.

        Raises:
            ValueError: the log has no rows.
        """
        return cls(fit_evidence(train, catalogue), fit_co_consumption(train), train)

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) levels for (b,) users."""
        rating = rating_levels(self.ratings.pairs(users), self.ratings.mood[users][:, None])
        return np.concatenate([rating, belonging_levels(self.belonging, Histories(self.train, users))], axis=-1)


class Memory:
    """Recollections of all users, fitted on training rows alone.

    Args:
        train: rows that the users may know.
        evidence: what is recalled of them in numbers; None for nothing.
        reasons: what else is recalled, before the evidence.

    Raises:
        ValueError: nothing is recalled.
    """

    def __init__(self, train: Interactions, evidence: Evidence | None, reasons: ReasonMemory | None = None) -> None:
        self.words = ([] if reasons is None else [reasons.words] * reasons.count) + (
            [] if evidence is None else field_words()
        )
        """(f,) what each level of each field reads like."""
        if not self.words:
            raise ValueError("a memory recalls evidence, reasons or both")
        self.reasons = reasons
        self.evidence = evidence
        self.train = train
        self.code_type: np.dtype[np.integer] = np.dtype(np.uint8) if reasons is None else np.dtype(np.int32)
        """Of the levels."""
        size = (train.n_users, train.n_items, len(self.words))
        fits = np.prod(size) * self.code_type.itemsize <= _TABLE_BYTES
        self._table = np.zeros(size, self.code_type) if fits else None
        self._known = np.zeros(train.n_users, np.bool_)

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) levels of every item for (b,) users."""
        if self._table is None:
            return self._recall(users)
        missing = np.unique(users[~self._known[users]])
        self._table[missing] = self._recall(missing)
        self._known[missing] = True
        return self._table[users]

    def _recall(self, users: IntArray) -> Codes:
        found = np.zeros((len(users), self.train.n_items, len(self.words)), self.code_type)
        begin = 0
        for block in user_blocks(users, self.train.n_items):
            parts = [part(block) for part in self._parts()]
            found[begin : begin + len(block)] = np.concatenate(parts, axis=-1)
            begin += len(block)
        return found

    def _parts(self) -> Iterator[Callable[[IntArray], Codes]]:
        if self.reasons is not None:
            yield self.reasons.recall
        if self.evidence is not None:
            yield self.evidence.recall

    def spoken(self) -> Iterator[str]:
        """What a tokenizer should know: levels of evidence many times, reasons as often as rows have them."""
        if self.reasons is not None:
            yield from self.reasons.spoken()
        for words in [] if self.evidence is None else field_words():
            yield from words * _EMPHASIS
