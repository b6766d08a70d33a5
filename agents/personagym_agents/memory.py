"""What a user recalls about an item before answering: evidence from the training log, in words.

    akin 4.2; peers 3.9; lately 18; next 21; latent 14;

`akin` is what the user's own ratings of similar items suggest, `peers` what people of like taste give; the others say
how much the item belongs to what the user consumes (`belonging`). This is the reason memory of *Personas within
Parameters* composed from evidence: the items most similar to the candidate are retrieved from the user's history, and
what they say is told in numbers instead of prose. Shapes: b users, m items, n training rows, f = 5 fields.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from personagym_agents.belonging import READINGS, Histories, fit_belonging
from personagym_agents.classical_factors import FactorSettings, fit_factors
from personagym_agents.classical_knn import fit_neighbours
from personagym_env.data.tables import FloatArray, IntArray, Interactions

Codes = npt.NDArray[np.uint8]
"""(..., f) level of each field; `field_words` has their texts."""

_RATING_LEVELS = 41
"""Steps between the scale's ends: tenths of a star on a scale of five."""
_BELONGING_LEVELS = 33
_BELONGING_LOW, _BELONGING_STEP = -4.0, 0.25
"""Of logarithms: level 16 is the user's average item."""
_PEER_RANKS = (3, 8, 16)
"""Factor models of several ranks, of which `peers` is the mean: they err differently."""
_TABLE_BYTES = 2**26
"""Recollections of all users and items are kept if they fit into this; else they are worked out at every call."""
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


def fit_belongings(log: Interactions) -> Callable[[Histories], Codes]:
    """From b histories to (b, m, 3) levels of `READINGS`."""
    model = fit_belonging(log)
    return lambda histories: _levels(model.readings(histories), _BELONGING_LOW, _BELONGING_STEP, _BELONGING_LEVELS)


class Memory:
    """Recollections of all users, fitted on training rows alone.

    Args:
        train: rows that the users may know.
        own: (n, f) what each training row's user recalled before it, from `personagym_agents.occasions`.

    Raises:
        ValueError: `own` does not belong to `train`.
    """

    def __init__(self, train: Interactions, own: Codes) -> None:
        self.words = field_words(train.scale)
        expected = (len(train), len(self.words))
        if own.shape != expected:
            raise ValueError(f"recollections of the training rows need shape {expected}, got {own.shape}")
        self.own = own
        self._train = train
        self._opinions, self._belongings = fit_opinions(train), fit_belongings(train)
        size = (train.n_users, train.n_items, len(self.words))
        self._table = np.zeros(size, np.uint8) if np.prod(size) <= _TABLE_BYTES else None
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
        return np.concatenate([self._opinions(users), self._belongings(Histories(self._train, users))], axis=-1)
