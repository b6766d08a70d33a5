"""What a user recalls about an item before answering: evidence from the training log, in words.

    akin 4.2; peers 3.9; lately 18; next 21; latent 14;

`akin` is what the user's own ratings of similar items suggest, `peers` what people of like taste give; the others say
how much the item belongs to what the user consumes (`co_consumption`). Reasons are recalled before these, where a
memory has them (`personagym_agents.memory.reasons`). Shapes: b users, m items, n training rows, f fields.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from personagym_agents.classical.factors import FactorSettings, fit_factors
from personagym_agents.classical.neighbours import fit_neighbours
from personagym_agents.memory.co_consumption import READINGS, Histories, fit_co_consumption
from personagym_agents.memory.reasons import ReasonMemory
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


def fit_opinions(log: Interactions) -> Callable[[IntArray], Codes]:
    """From (b,) users to (b, m, 2) levels of `akin` and `peers`, as the log has them."""
    neighbours = fit_neighbours(log)
    factors = [fit_factors(log, FactorSettings(rank=rank)) for rank in _PEER_RANKS]
    low, step = log.scale[0], (log.scale[-1] - log.scale[0]) / (_RATING_LEVELS - 1)

    def opinions(users: IntArray) -> Codes:
        peers = np.mean([model.predict(users).mean for model in factors], axis=0)
        return _levels(np.stack([neighbours.predict(users).mean, peers], axis=-1), low, step, _RATING_LEVELS)

    return opinions


def fit_co_consumptions(log: Interactions) -> Callable[[Histories], Codes]:
    """From b histories to (b, m, 3) levels of `READINGS`."""
    model = fit_co_consumption(log)
    return lambda histories: _levels(model.readings(histories), _BELONGING_LOW, _BELONGING_STEP, _BELONGING_LEVELS)


class Memory:
    """Recollections of all users, fitted on training rows alone.

    Args:
        train: rows that the users may know.
        own: (n, f) what each training row's user recalled before it, from `personagym_agents.memory.cross_fitted`.
        evidence: whether the fields of evidence are recalled.
        reasons: what else is recalled, before the evidence.

    Raises:
        ValueError: `own` does not belong to `train` or to what is recalled, or nothing is.
    """

    def __init__(
        self, train: Interactions, own: Codes, *, evidence: bool = True, reasons: ReasonMemory | None = None
    ) -> None:
        self.words = ([] if reasons is None else [reasons.words] * reasons.count) + (
            field_words(train.scale) if evidence else []
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
        self._recollections: list[Callable[[IntArray], Codes]] = [] if reasons is None else [reasons.recall]
        if evidence:
            co_consumptions = fit_co_consumptions(train)
            self._recollections += [fit_opinions(train), lambda users: co_consumptions(Histories(train, users))]
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
        return np.concatenate([recollection(users) for recollection in self._recollections], axis=-1)

    def spoken(self) -> Iterator[str]:
        """What a tokenizer should know: levels of evidence many times, reasons as often as rows have them."""
        if self.reasons is not None:
            yield from self.reasons.spoken()
        for words in field_words(self._train.scale) if self.evidence else []:
            yield from words * _EMPHASIS
