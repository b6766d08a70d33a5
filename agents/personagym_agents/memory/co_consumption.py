"""How much an item belongs to what a user consumes: three readings of one consumption log.

- `lately`: summed co-consumption with what the user consumed, the last counting most;
- `next`: how often the item came soon after those, which tells order and sitting where co-consumption is blind to both
  (an ordered form of the item transitions of Rendle, Freudenthaler and Schmidt-Thieme, "Factorizing personalized Markov
  chains for next-basket recommendation", WWW 2010);
- `latent`: the item's score under a low-rank approximation of the log (PureSVD: Cremonesi, Koren and Turrin,
  "Performance of recommender algorithms on top-n recommendation tasks", RecSys 2010), of everything that the user
  consumed.

All three are linear in the user's history, so that a user of whom nothing was learned is folded in by a product, and
all are told as a logarithm relative to the user's average item. Shapes: b histories, m items, n rows, c = 3 readings,
d rank.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personagym_env.collaborative.affinity import FLOOR, fit_affinity, log_relative
from personagym_env.collaborative.pure_svd import item_directions
from personagym_env.data.tables import IntArray, Interactions
from personagym_env.fit_cache.kept import kept

READINGS = ("lately", "next", "latent")


@dataclass(frozen=True)
class CoConsumptionSettings:
    """How the readings are made. All were chosen by hand when the first weights were trained, and none was tuned.

    Weights have learned what the levels of these readings mean, so a change asks for weights that are trained anew.
    `benchmarks/ablations/constants.py` halves and doubles each and measures how well each reading then tells what
    users of MovieLens-100K took next (area under the curve: `lately` .907, `next` .911, `latent` .868, with
    twice the rank and the neighbours that stand here now).
    """

    recent: float = 10.0
    """Later consumptions after which one counts 1/e in `lately`."""
    last: float = 5.0
    """The same in `next`."""
    window: int = 20
    """Places after a consumption within which another counts as following it; two of `soon`, where 1/e^2 is left."""
    soon: float = 10.0
    """Places after which a follower counts 1/e."""
    follower_shrinkage: float = 10.0
    """Consumptions added to the geometric mean of two items' numbers, by which their followings are divided."""
    neighbours: int = 200
    """Items that an item's similarity reaches, for `lately`."""
    similarity_shrinkage: float = 10.0
    """Users added to the geometric mean of two items' numbers, by which their common users are divided."""
    rank: int = 8
    """Directions of `latent`."""
    prior_items: float = 1.0
    """Average consumptions that every history is mixed with: a short one says little, an empty one what is popular."""
    prior_followed: float = 0.05
    """The same for `next`."""
    floor: float = FLOOR
    """Added to a score relative to its mean, so that an item without any has a finite logarithm."""


DEFAULTS = CoConsumptionSettings()


class Histories:
    """What b users had consumed, as weights of items.

    Args:
        log: the rows, in order of time within each user.
        users: (b,) whose rows.
        length: (b,) how many of the user's first rows count; None for all.
        settings: how fast a consumption fades.
    """

    def __init__(
        self,
        log: Interactions,
        users: IntArray,
        length: IntArray | None = None,
        settings: CoConsumptionSettings = DEFAULTS,
    ) -> None:
        length = log.counts[users] if length is None else length
        ends = np.cumsum(length)
        indptr = np.concatenate([[0], ends])
        offset = np.arange(indptr[-1]) - np.repeat(indptr[:-1], length)
        items = log.items[np.repeat(log.indptr[users], length) + offset]
        age = np.repeat(length, length) - 1 - offset
        shape = (len(users), log.n_items)
        self.whole = sparse.csr_array((np.ones(len(items), np.float32), items, indptr), shape=shape)
        """(b, m) 1 where consumed."""
        self.late, self.last = (
            sparse.csr_array((np.exp(-age / fading).astype(np.float32), items, indptr), shape=shape)
            for fading in (settings.recent, settings.last)
        )
        """(b, m) from 1 for the last consumption downward, slowly and fast."""


@dataclass(frozen=True, eq=False, repr=False)
class CoConsumptionModel:
    """Fitted by `fit_co_consumption`. Memory: 8 bytes for each pair of items that is similar or met, and 4 m d."""

    similarities: sparse.csr_array
    """(m, m) column i holds how much each item speaks for i."""
    followers: sparse.csr_array
    """(m, m) column i holds how often i came soon after each item."""
    factors: npt.NDArray[np.float32]
    """(m, d) right singular vectors."""
    prior_linked: npt.NDArray[np.float32]
    """(m,) score by `similarities` that every history is mixed with."""
    prior_followed: npt.NDArray[np.float32]
    """(m,) the same by `followers`."""
    prior_latent: npt.NDArray[np.float32]
    """(m,) the same by `factors`."""
    floor: float
    """See `CoConsumptionSettings`."""

    def readings(self, histories: Histories) -> npt.NDArray[np.float32]:
        """(b, m, c) logs of what histories say about every item, relative to each history's mean over the catalogue."""
        scores = [
            (histories.late @ self.similarities).toarray() + self.prior_linked,
            (histories.last @ self.followers).toarray() + self.prior_followed,
            (histories.whole @ self.factors) @ self.factors.T + self.prior_latent,
        ]
        return np.stack([log_relative(score, self.floor) for score in scores], axis=-1)


def _fit_followers(log: Interactions, settings: CoConsumptionSettings) -> sparse.csr_array:
    """(m, m) how often column came within the window after row, the sooner the more, over their numbers."""
    met = sparse.csr_array((log.n_items, log.n_items), dtype=np.float32)
    for distance in range(1, settings.window + 1):
        same = log.users[:-distance] == log.users[distance:]
        pairs = log.items[:-distance][same], log.items[distance:][same]
        weight = np.full(len(pairs[0]), np.exp(-(distance - 1) / settings.soon), np.float32)
        met = met + sparse.csr_array((weight, pairs), shape=met.shape)
    count = np.bincount(log.items, minlength=log.n_items)
    row = np.repeat(np.arange(log.n_items), np.diff(met.indptr))
    expected = np.sqrt(count[row] * count[met.indices]) + settings.follower_shrinkage
    return sparse.csr_array(((met.data / expected).astype(np.float32), met.indices, met.indptr), shape=met.shape)


@kept(CoConsumptionModel)
def fit_co_consumption(log: Interactions, settings: CoConsumptionSettings = DEFAULTS) -> CoConsumptionModel:
    """Learn what is consumed together; deterministic.

    Raises:
        ValueError: the log has no rows.
    """
    if not len(log):
        raise ValueError("what belongs together cannot be learned from a log without rows")
    _, factors = item_directions(log, settings.rank)
    similarities = fit_affinity(log, settings.neighbours, settings.similarity_shrinkage).similarities
    followers = _fit_followers(log, settings)
    popularity = (np.bincount(log.items, minlength=log.n_items) / len(log)).astype(np.float32)
    average = np.asarray(settings.prior_items * popularity, np.float32)
    return CoConsumptionModel(
        similarities,
        followers,
        factors,
        average @ similarities,
        settings.prior_followed * popularity @ followers,
        np.asarray((average @ factors) @ factors.T, np.float32),
        settings.floor,
    )
