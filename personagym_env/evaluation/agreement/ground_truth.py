"""Ways to know what a recommender's picks are worth to real users, by what the data can answer.

Each is a closed pool: items whose real ratings are known, from which recommenders pick. They differ in how the items
came to be rated, which is what selection bias is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import Dataset, IntArray, Interactions
from personagym_env.evaluation.agreement.truths import LEAST_USERS, TruthKind
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.statistics import RatioOfSums


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """One way to know real value."""

    name: str
    description: str
    pool: ClosedPool
    """Holds the rows of the users who take part, and no others."""
    kind: TruthKind = "rating"
    left_out: int = 0
    """Users with held-out rows who have too few."""
    unit: str = "points"

    @property
    def users(self) -> IntArray:
        """(n,) who take part."""
        return self.pool.users

    @property
    def bounds(self) -> Mapping[str, RatioOfSums]:
        """Value of a clairvoyant's picks, of chance and of the worst possible picks."""
        return {"best": self.pool.best, "chance": self.pool.chance, "worst": self.pool.worst}

    def value(self, slates: IntArray) -> RatioOfSums:
        """Mean real rating of the picks (n, k)."""
        return self.pool.value(slates)


def picks_and_least(held_out: Interactions, picks: int | None = None, least: int | None = None) -> tuple[int, int]:
    """How many items are picked from each user's held-out rows, and how many rows a user needs.

    By default five are picked, or fewer where half of the users have fewer than ten, or where fewer than `LEAST_USERS`
    have so many; and a user needs twice as many rows as are picked, so that there is a choice.

    Raises:
        ValueError: there are no held-out rows.
    """
    counts = held_out.counts[held_out.counts > 0]
    if not len(counts):
        raise ValueError("nothing is held out, so that nothing can be picked")
    if picks is None:
        picks = max(1, min(5, int(np.median(counts)) // 2 if least is None else least // 2))
        while least is None and picks > 1 and (counts >= 2 * picks).sum() < min(LEAST_USERS, len(counts)):
            picks -= 1
    return picks, 2 * picks if least is None else least


def _pool(held_out: Interactions, k: int | None, least: int | None) -> tuple[ClosedPool, int]:
    """The pools of all users with enough rows, without the rows of the others, and how many others there are.

    Raises:
        ValueError: no user has a pool of `least` items; see also `ClosedPool` and `picks_and_least`.
    """
    k, least = picks_and_least(held_out, k, least)
    everybody = ClosedPool(held_out, k, least)
    if not len(everybody.users):
        raise ValueError(f"no user has at least {least} held-out items: lower `least` or hold out more")
    pool = ClosedPool(held_out.take(np.isin(held_out.users, everybody.users)), k, least)
    return pool, int((held_out.counts > 0).sum()) - len(everybody.users)


def closed_pool(split: Split, *, k: int | None = None, least: int | None = None) -> GroundTruth:
    """Picks from each user's held-out items; these the user chose to rate, which is a selection.

    Args:
        split: its held-out rows.
        k: picks of each user; see `picks_and_least` if None.
        least: held-out items that a user needs; see `picks_and_least` if None.

    Raises:
        ValueError: see `ClosedPool`.
    """
    pool, left_out = _pool(split.test, k, least)
    told = f"{pool.k} picks from each user's own held-out items, at least {pool.least}"
    return GroundTruth("closed pool", told, pool, "rating", left_out)


def dense_users(split: Split, share: float, *, k: int | None = None, least: int | None = None) -> GroundTruth:
    """Picks of users who rated everything, or nearly so: whatever they may be shown, its value is known.

    Recommenders never show a user what stands in the user's training rows, and the pool holds all else that the user
    rated. Of users who rated the whole catalogue that is all that may be shown: pick and slate over the whole catalogue
    are then the same, and nothing was selected by taste. Where a share below 1 suffices, the rest of what may be shown
    has no known value and cannot be picked; the description says how much of it is known.

    Args:
        split: training and held-out rows, together all that users rated.
        share: of the catalogue that a user must have rated, in both parts together.
        k: picks of each user; see `picks_and_least` if None.
        least: held-out items that a user needs; see `picks_and_least` if None.

    Raises:
        ValueError: the share is out of range, or nobody rated so much; see also `ClosedPool`.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share of the catalogue must lie in 0..1 and be above 0, got {share}")
    train, test = split
    rated = (train.counts + test.counts) / test.n_items
    dense = rated >= share
    if not dense.any():
        raise ValueError(f"no user rated {share:.0%} of the {test.n_items} items; at most {rated.max():.1%} were rated")
    pool, left_out = _pool(test.take(dense[test.users]), k, least)
    may_be_shown = (test.n_items - train.counts[pool.users]).sum()
    told = (
        f"{pool.k} picks for users who rated at least {share:.0%} of the catalogue, from all that they rated outside "
        f"their training rows: {len(pool.held_out) / may_be_shown:.1%} of what they may be shown"
    )
    return GroundTruth("fully observed", told, pool, "full", left_out)


def random_exposure(
    dataset: Dataset, split: Split, shown: Dataset, *, k: int | None = None, least: int | None = None
) -> GroundTruth:
    """Picks from items that were shown at random and rated, so that nobody's taste selected them.

    Args:
        dataset: users and items that recommenders know.
        split: its training rows; pairs that are among them are left out.
        shown: ratings of randomly shown items, with the source ids of `dataset`.
        k: picks of each user; see `picks_and_least` if None.
        least: randomly shown items that a user needs; see `picks_and_least` if None.

    Raises:
        ValueError: the scales differ, or no user and item is known to both; see also `ClosedPool`.
    """
    log, mine = shown.interactions, dataset.interactions
    if log.scale != mine.scale:
        raise ValueError(f"the random test rates on {log.scale}, and {dataset.name!r} on {mine.scale}")
    users = _renumbered(shown.users.ids, dataset.users.ids)[log.users]
    items = _renumbered(shown.catalogue.ids, dataset.catalogue.ids)[log.items]
    known = (users >= 0) & (items >= 0)
    if not known.any():
        raise ValueError(f"{shown.name!r} shares no user and item with {dataset.name!r}: are the ids the same?")
    known[known] &= ~split.train.contains(users[known], items[known])
    rows = Interactions.from_columns(
        users[known],
        items[known],
        log.ratings[known],
        None if log.timestamps is None else log.timestamps[known],
        n_users=mine.n_users,
        n_items=mine.n_items,
        scale=mine.scale,
    )
    pool, left_out = _pool(rows, k, least)
    told = (
        f"{pool.k} picks from items shown to each user at random, at least {pool.least}; {(~known).sum():,} of "
        f"{len(log):,} rows left out, of unknown users or items or in training rows"
    )
    return GroundTruth("random exposure", told, pool, "shown", left_out)


def _renumbered(ids: Sequence[str], known: Sequence[str]) -> IntArray:
    """(len(ids),) internal numbers of source ids, -1 for unknown ones."""
    number = {name: at for at, name in enumerate(known)}
    return np.array([number.get(name, -1) for name in ids], np.int64)
