"""What a user recalls about an item before answering: evidence from the training log, in words.

    expected 3.85; support 5; sure 9; lately 18; next 21; latent 17;

The first ones are about the rating: what a stack of rating models expects (`personagym_agents.classical.stack`), how
many neighbours of the item the user has rated, and how sure a factor model is. The last ones say how much the item
belongs to what the user consumes (`co_consumption`). Reasons are recalled before these, where a memory has them
(`personagym_agents.memory.reasons`).

Ratings are told in levels that mean the same in every log (`personagym_agents.documents.told`). Shapes: b users, m
items, n training rows, f fields.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.blend import Blend, fit_cross_fitted_blend
from personagym_agents.classical.rating_evidence import EVIDENCE_COLUMNS, Columns, RatingEvidence, fit_evidence
from personagym_agents.documents.told import LEVELS
from personagym_agents.memory.co_consumption import READINGS, CoConsumptionModel, Histories, fit_co_consumption
from personagym_agents.memory.reasons import ReasonMemory
from personagym_env.collaborative.rating_model import user_blocks
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.workers import own_arrays

Codes = npt.NDArray[np.integer]
"""(..., f) level of each field; `Memory.words` has their texts."""

_EXPECTED_STEPS = 80
"""Between the lowest and the highest level: twentieths of a star on a scale of five."""
_BEYOND = 40
"""Steps below the lowest level and above the highest that are known, as the ratings of a log may lie there (see
`documents.told`), and told as these levels."""
_TABLE_BYTES = 2**26
"""Recollections of all users and items are kept if they fit into this; else they are worked out at every call."""
_EMPHASIS = 100
"""Times that a tokenizer is shown each level of each field."""
_STEP = (LEVELS[-1] - LEVELS[0]) / _EXPECTED_STEPS


class Field(NamedTuple):
    """How one number is told: as the nearest of evenly spaced levels."""

    name: str
    low: float
    step: float
    levels: int
    written: str
    beyond: int = 0
    """Levels at either end that read like the nearest one between them."""

    def words(self) -> list[str]:
        """(levels,) what each level reads like."""
        most = self.levels - 1 - self.beyond
        values = (self.low + self.step * min(max(level, self.beyond), most) for level in range(self.levels))
        return [f" {self.name} {value + 0.0:{self.written}};" for value in values]


RATING_FIELDS = (
    Field("expected", LEVELS[0] - _BEYOND * _STEP, _STEP, _EXPECTED_STEPS + 1 + 2 * _BEYOND, ".2f", _BEYOND),
    Field("support", 0, 1, 16, ".0f"),
    Field("sure", 0, 1, 21, ".0f"),
)
"""How evidence on a rating is told."""
BELONGING_FIELDS = tuple(Field(name, 0, 1, 33, ".0f") for name in READINGS)
_BELONGING_LOW, _BELONGING_STEP = -4.0, 0.25
"""Of logarithms: level 16 is the user's average item."""


def field_words() -> list[list[str]]:
    """What each level of each field reads like."""
    return [field.words() for field in (*RATING_FIELDS, *BELONGING_FIELDS)]


class Recalled(NamedTuple):
    """What levels say, as numbers."""

    expected: npt.NDArray[np.float32]
    """(...) the rating that is told as expected."""
    belonging: npt.NDArray[np.float32]
    """(..., 3) levels of `READINGS`."""


def recalled_numbers(codes: Codes) -> Recalled:
    """Numbers of (..., f) levels whose last fields are those of evidence."""
    expected, first = RATING_FIELDS[0], codes.shape[-1] - len(RATING_FIELDS) - len(BELONGING_FIELDS)
    told = expected.low + expected.step * codes[..., first].astype(np.float32)
    return Recalled(np.asarray(told, np.float32), codes[..., -len(BELONGING_FIELDS) :].astype(np.float32))


def rating_levels(evidence: Columns, blend: Blend) -> Codes:
    """(..., 3) levels of (..., f) columns of `RatingEvidence`."""
    support, variance = (evidence[..., EVIDENCE_COLUMNS.index(name)] for name in ("support", "variance"))
    told = [blend(evidence), 4 * np.sqrt(np.maximum(support, 0)), -10 * np.log10(np.maximum(variance, 1e-6))]
    return np.stack([_levels(value, field) for value, field in zip(told, RATING_FIELDS, strict=True)], axis=-1)


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
    blend: Blend
    belonging: CoConsumptionModel
    train: Interactions

    @classmethod
    def fit(cls, train: Interactions, catalogue: Catalogue, blend: Blend | None = None) -> "Evidence":
        """Read evidence off a log.

        Args:
            train: rows that the users may know.
            catalogue: of the log's items.
            blend: weights that were fitted before, to these rows or to most of them; fitted here if None.

        Raises:
            ValueError: the log has no rows.
        """
        ratings = fit_evidence(train, catalogue)
        blend = fit_cross_fitted_blend(train, catalogue) if blend is None else blend
        return cls(ratings, blend, fit_co_consumption(train), train)

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) levels for (b,) users."""
        rating = rating_levels(self.ratings.features(users), self.blend)
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process too, the table goes on filling itself."""
        vars(self).update(own_arrays(state))

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
            yield from [*dict.fromkeys(words)] * _EMPHASIS
