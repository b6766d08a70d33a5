"""What a user recalls about an item before answering: evidence from the training log, in words.

    akin 4.2; peers 3.9; familiar 7;

`akin` is what the user's own ratings of similar items suggest, `peers` what people of like taste give, `familiar` how
much the item belongs to what the user consumes. This is the reason memory of *Personas within Parameters* composed from
evidence: the items most similar to the candidate are retrieved from the user's history, and what they say is told in
three numbers instead of prose. Shapes: b users, m items, n training rows, f = 3 fields.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from personagym_agents.classical import at_pairs
from personagym_agents.classical_factors import FactorSettings, fit_factors
from personagym_agents.classical_knn import fit_affinity, fit_neighbours
from personagym_env.data.tables import FloatArray, IntArray, Interactions

Codes = npt.NDArray[np.uint8]
"""(..., f) level of each field; `field_words` has their texts."""

_RATING_LEVELS = 41
"""Steps between the scale's ends: tenths of a star on a scale of five."""
_FAMILIAR_LEVELS = 13
_FAMILIAR_LOW, _FAMILIAR_STEP = -4.0, 0.5
"""Log of the co-consumption relative to the user's average item: level 8 is average."""
_FOLDS = 8
_PEER_RANKS = (3, 8, 16)
"""Factor models of several ranks, of which `peers` is the mean: they err differently."""
_TABLE_BYTES = 2**26
"""Recollections of all users and items are kept if they fit into this; else they are worked out at every call."""


def field_words(scale: tuple[float, ...]) -> list[list[str]]:
    """What each level of each field reads like."""
    ratings = [f"{value:.2g}" for value in np.linspace(scale[0], scale[-1], _RATING_LEVELS)]
    return [
        [f" akin {rating};" for rating in ratings],
        [f" peers {rating};" for rating in ratings],
        [f" familiar {level};" for level in range(_FAMILIAR_LEVELS)],
    ]


def _fit_recall(log: Interactions) -> Callable[[IntArray], Codes]:
    """From (b,) users to (b, m, f) levels, as the log has them."""
    neighbours, affinity = fit_neighbours(log), fit_affinity(log)
    factors = [fit_factors(log, FactorSettings(rank=rank)) for rank in _PEER_RANKS]
    low, high = log.scale[0], log.scale[-1]

    def level(values: FloatArray, start: float, step: float, levels: int) -> FloatArray:
        return np.asarray(np.clip(np.rint((values - start) / step), 0, levels - 1))

    def recall(users: IntArray) -> Codes:
        step = (high - low) / (_RATING_LEVELS - 1)
        levels = [
            level(neighbours.predict(users).mean, low, step, _RATING_LEVELS),
            level(np.mean([model.predict(users).mean for model in factors], axis=0), low, step, _RATING_LEVELS),
            level(affinity.log_affinity(users), _FAMILIAR_LOW, _FAMILIAR_STEP, _FAMILIAR_LEVELS),
        ]
        return np.stack(levels, axis=-1).astype(np.uint8)

    return recall


def recall_own_rows(train: Interactions, rng: np.random.Generator) -> Codes:
    """(n, f) what each training row's user recalls about its item when the row itself is not known.

    Cross-fitted: the rows are dealt into folds, and each fold is recalled by models of the other folds. A memory that
    knew the row would hand the model the answer, and the model would learn to trust it more than it deserves.
    """
    fold = rng.permutation(len(train)) % min(_FOLDS, max(2, len(train)))
    codes = np.zeros((len(train), len(field_words(train.scale))), np.uint8)
    for number in np.unique(fold):
        inside = fold == number
        recall = _fit_recall(train.take(~inside) if not inside.all() else train)
        codes[inside] = at_pairs(recall, train.users[inside], train.items[inside], train.n_items)
    return codes


class Memory:
    """Recollections of all users, fitted on training rows alone.

    Args:
        train: rows that the users may know.
        own: (n, f) of those rows, from `recall_own_rows`.

    Raises:
        ValueError: `own` does not belong to `train`.
    """

    def __init__(self, train: Interactions, own: Codes) -> None:
        self.words = field_words(train.scale)
        expected = (len(train), len(self.words))
        if own.shape != expected:
            raise ValueError(f"recollections of the training rows need shape {expected}, got {own.shape}")
        self.own = own
        self._recall = _fit_recall(train)
        size = (train.n_users, train.n_items, len(self.words))
        self._table = np.zeros(size, np.uint8) if np.prod(size) <= _TABLE_BYTES else None
        self._known = np.zeros(train.n_users, np.bool_)

    @classmethod
    def learn(cls, train: Interactions, rng: np.random.Generator) -> "Memory":
        """Fit on a log, its own rows included."""
        return cls(train, recall_own_rows(train, rng))

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) levels of every item for (b,) users."""
        if self._table is None:
            return self._recall(users)
        missing = np.unique(users[~self._known[users]])
        if len(missing):
            self._table[missing] = self._recall(missing)
            self._known[missing] = True
        return self._table[users]
