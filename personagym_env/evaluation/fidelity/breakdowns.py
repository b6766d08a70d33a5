"""Ways to part held-out rows, so that errors are seen where they are: by history, by popularity, by group of users."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import IntArray

HISTORY_STEPS = (10, 20, 50, 100, 200)
"""Training ratings of the user at which a new part begins."""
POPULARITY_STEPS = (1, 10, 50, 150)
"""Training ratings of the item at which a new part begins."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A way to part n held-out rows."""

    by: str
    names: tuple[str, ...]
    of_row: IntArray
    """(n,) index into `names`."""


def by_history(split: Split, steps: Sequence[int] = HISTORY_STEPS) -> Labels:
    """By training ratings of the user: the first part is that of cold users."""
    return _by_count("training ratings of the user", split.train.counts[split.test.users], steps)


def by_popularity(split: Split, steps: Sequence[int] = POPULARITY_STEPS) -> Labels:
    """By training ratings of the item; the first part is that of items nobody has rated."""
    count = np.bincount(split.train.items, minlength=split.train.n_items)
    return _by_count("training ratings of the item", count[split.test.items], steps)


def by_group(split: Split, by: str, names: Sequence[str], groups: IntArray) -> Labels:
    """By a group (u,) that each user belongs to, such as a persona.

    Raises:
        ValueError: a group has no name, or not every user has a group.
    """
    if len(groups) != split.test.n_users or (len(groups) and not 0 <= groups.min() <= groups.max() < len(names)):
        raise ValueError(
            f"groups need {split.test.n_users} numbers in 0..{len(names) - 1}, one per user, got {len(groups)} in "
            f"{groups.min(initial=0)}..{groups.max(initial=0)}"
        )
    return Labels(by, tuple(names), np.asarray(groups)[split.test.users])


def _by_count(by: str, counts: IntArray, steps: Sequence[int]) -> Labels:
    ends = [0, *steps]
    names = [str(low) if low + 1 == high else f"{low}-{high - 1}" for low, high in itertools.pairwise(ends)]
    return Labels(by, (*names, f"{ends[-1]}+"), np.searchsorted(np.asarray(steps), counts, side="right"))
