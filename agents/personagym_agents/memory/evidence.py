"""What a user recalls about an item before answering: evidence from the training log, in words.

    akin 4.2; peers 3.9; lately 18; next 21; latent 14;

`akin` is what the user's own ratings of similar items suggest, `peers` what people of like taste give; the others say
how much the item belongs to what the user consumes (`co_consumption`). Reasons are recalled before these, where a
memory has them (`personagym_agents.memory.reasons`). Shapes: b users, m items, n training rows, f fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personagym_agents.memory.co_consumption import READINGS, CoConsumptionModel, Histories, fit_co_consumption
from personagym_agents.memory.reasons import ReasonMemory
from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.neighbours import fit_neighbours
from personagym_env.collaborative.rating_model import RatingModel
from personagym_env.data.tables import FloatArray, IntArray, Interactions

Codes = npt.NDArray[np.integer]
"""(..., f) level of each field; `Memory.words` has their texts."""

_RATING_LEVELS = 41
"""Steps between the scale's ends: tenths of a star on a scale of five."""
_BELONGING_LEVELS = 33
_BELONGING_LOW, _BELONGING_STEP = -4.0, 0.25
"""Of logarithms: level 16 is the user's average item."""
_PEER_RANKS = (3, 8, 16)
"""Factor models of several ranks, of which `peers` is the mean: they err differently."""
_TABLE_BYTES = 2**26
"""Recollections of all users and items are kept if they fit into this; else they are worked out at every call."""
_EMPHASIS = 100
"""Times that a tokenizer is shown each level of each field."""
_BLOCK = 512
"""Histories whose readings are worked out at once."""


def field_words(scale: tuple[float, ...]) -> list[list[str]]:
    """What each level of each field reads like."""
    ratings = [f"{value:.2g}" for value in np.linspace(scale[0], scale[-1], _RATING_LEVELS)]
    opinions = [[f" {name} {rating};" for rating in ratings] for name in ("akin", "peers")]
    return opinions + [[f" {name} {level};" for level in range(_BELONGING_LEVELS)] for name in READINGS]


def _levels(values: FloatArray, start: float, step: float, count: int) -> Codes:
    return np.asarray(np.clip(np.rint((values - start) / step), 0, count - 1), np.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Opinions:
    """From (b,) users to (b, m, 2) levels of `akin` and `peers`."""

    neighbours: RatingModel
    factors: tuple[RatingModel, ...]
    scale: tuple[float, ...]

    def __call__(self, users: IntArray) -> Codes:
        """(b, m, 2) levels for (b,) users."""
        low, step = self.scale[0], (self.scale[-1] - self.scale[0]) / (_RATING_LEVELS - 1)
        peers = np.mean([model.predict(users).mean for model in self.factors], axis=0)
        return _levels(np.stack([self.neighbours.predict(users).mean, peers], axis=-1), low, step, _RATING_LEVELS)


def fit_opinions(log: Interactions, scale: tuple[float, ...] | None = None) -> Opinions:
    """Opinions as the log has them, in levels between the ends of a scale: that of the log if None."""
    factors = tuple(fit_factors(log, FactorSettings(rank=rank)) for rank in _PEER_RANKS)
    return Opinions(fit_neighbours(log), factors, log.scale if scale is None else scale)


def co_consumption_levels(model: CoConsumptionModel, histories: Histories) -> Codes:
    """(b, m, 3) levels of `READINGS` for b histories."""
    return _levels(model.readings(histories), _BELONGING_LOW, _BELONGING_STEP, _BELONGING_LEVELS)


class Memory:
    """Recollections of all users, fitted on training rows alone.

    Args:
        train: rows that the users may know.
        own: (n, f) what each training row's user recalled before it, from `personagym_agents.memory.cross_fitted`.
        evidence: whether the fields of evidence are recalled.
        reasons: what else is recalled, before the evidence.
        scale: that evidence is told on; that of the rows if None.

    Raises:
        ValueError: `own` does not belong to `train` or to what is recalled, or nothing is.
    """

    def __init__(
        self,
        train: Interactions,
        own: Codes,
        *,
        evidence: bool = True,
        reasons: ReasonMemory | None = None,
        scale: tuple[float, ...] | None = None,
    ) -> None:
        self._scale = train.scale if scale is None else scale
        self.words = ([] if reasons is None else [reasons.words] * reasons.count) + (
            field_words(self._scale) if evidence else []
        )
        """(f,) what each level of each field reads like."""
        if not self.words:
            raise ValueError("a memory recalls evidence, reasons or both")
        expected = (len(train), len(self.words))
        if own.shape != expected:
            raise ValueError(f"recollections of the training rows need shape {expected}, got {own.shape}")
        self.own = own
        self.reasons = reasons
        self.evidence = evidence
        self._train = train
        self._opinions = fit_opinions(train, self._scale) if evidence else None
        self._co_consumption = fit_co_consumption(train) if evidence else None
        size = (train.n_users, train.n_items, len(self.words))
        fits = np.prod(size) * own.itemsize <= _TABLE_BYTES
        self._table = np.zeros(size, own.dtype) if fits else None
        self._known = np.zeros(train.n_users, np.bool_)

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) levels of every item for (b,) users."""
        if self._table is None:
            return self._recall(users)
        missing = np.unique(users[~self._known[users]])
        for block in np.array_split(missing, -(-len(missing) // _BLOCK) or 1):
            self._table[block] = self._recall(block)
        self._known[missing] = True
        return self._table[users]

    def _recall(self, users: IntArray) -> Codes:
        parts: list[Codes] = [] if self.reasons is None else [self.reasons.recall(users)]
        if self._opinions is not None and self._co_consumption is not None:
            histories = Histories(self._train, users)
            parts += [self._opinions(users), co_consumption_levels(self._co_consumption, histories)]
        return np.concatenate(parts, axis=-1)

    def spoken(self) -> Iterator[str]:
        """What a tokenizer should know: levels of evidence many times, reasons as often as rows have them."""
        if self.reasons is not None:
            yield from self.reasons.spoken()
        for words in field_words(self._scale) if self.evidence else []:
            yield from words * _EMPHASIS
