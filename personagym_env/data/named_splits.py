"""Ways to part a log that have a name: what trains users, what judges them and what measures them part it alike."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from personagym_env.data.sources import ML_100K_FINGERPRINT, ml_100k_first_pairs
from personagym_env.data.splits import (
    Split,
    cold_user_split,
    global_time_split,
    leave_last_n_split,
    paper_split,
    random_split,
    temporal_split,
)
from personagym_env.data.tables import Dataset, Interactions

TRAIN_SHARE = 0.8
"""Share of the rows that is known unless another is asked for."""
_U1_ROWS = 20_000
"""Rows at the beginning of ML-100K's file that its canonical split `u1` holds out."""


class NamedSplit(NamedTuple):
    """A log that has been parted."""

    name: str
    description: str
    """Which rows are training rows, in words."""
    split: Split


class _Way(NamedTuple):
    part: Callable[[Dataset, float], Split]
    description: str
    """With a place for the share."""
    has_share: bool = True


def _rng() -> np.random.Generator:
    """The same at every call, so that rows parted at random are the same too."""
    return np.random.default_rng(0)


def _of_log(part: Callable[[Interactions, float], Split]) -> Callable[[Dataset, float], Split]:
    return lambda dataset, share: part(dataset.interactions, share)


def _u1(dataset: Dataset, _: float) -> Split:
    log = dataset.interactions
    if log.fingerprint() != ML_100K_FINGERPRINT:
        raise ValueError(f"split 'u1' is one of MovieLens-100K, and {dataset.name!r} is another log")
    user, item = ({name: place for place, name in enumerate(ids)} for ids in (dataset.users.ids, dataset.catalogue.ids))
    held_out = [user[one] * log.n_items + item[other] for one, other in ml_100k_first_pairs(_U1_ROWS)]
    late = np.isin(log.users * log.n_items + log.items, held_out)
    return Split(log.take(~late), log.take(late))


SPLITS: Mapping[str, _Way] = {
    "temporal": _Way(_of_log(temporal_split), "each user's first {} of ratings by time are training rows"),
    "random": _Way(
        _of_log(lambda log, share: random_split(log, share, rng=_rng())), "a random {} of all rows are training rows"
    ),
    "leave-last": _Way(
        _of_log(lambda log, _: leave_last_n_split(log)), "all but each user's last rating are training rows", False
    ),
    "global-time": _Way(_of_log(global_time_split), "all ratings before one moment, {} of the log, are training rows"),
    "u1": _Way(_u1, "all but the first 20,000 rows of ML-100K's file, its split u1, are training rows", False),
    "paper": _Way(
        _of_log(lambda log, _: paper_split(log, rng=_rng())),
        "the first 60 % by time of 200 users with 100-200 ratings are training rows, and all rows of everybody else",
        False,
    ),
    "cold": _Way(
        _of_log(lambda log, _: cold_user_split(log, rng=_rng())),
        "the first 10 ratings of every fifth user, drawn at random, are training rows, and all rows of everybody else",
        False,
    ),
}
"""By name. The rows and users that some draw are the same at every call."""


def named_split(dataset: Dataset, name: str | None = None, train_share: float | None = None) -> NamedSplit:
    """Part the log of a data set.

    Args:
        dataset: its log.
        name: one of `SPLITS`; None for `temporal`, or `random` where the log has no times, which the description says.
        train_share: share of the rows that is known, 0.8 if None; of those splits alone that have a share.

    Raises:
        ValueError: there is no split of that name, it has no share and one is given, the share is out of range, or the
            log lacks what the split needs.
    """
    timed = dataset.interactions.timestamps is not None
    chosen = ("temporal" if timed else "random") if name is None else name
    if chosen not in SPLITS:
        raise ValueError(f"unknown split {chosen!r}: expected one of {', '.join(SPLITS)}")
    if chosen == "temporal" and not timed:
        raise ValueError(f"split 'temporal' needs times, and {dataset.name!r} has none: choose 'random'")
    way = SPLITS[chosen]
    if train_share is not None and not way.has_share:
        having = ", ".join(other for other, one in SPLITS.items() if one.has_share)
        raise ValueError(f"split {chosen!r} has no share of training rows, got {train_share}; those with one: {having}")
    share = TRAIN_SHARE if train_share is None else train_share
    words = way.description.format(f"{100 * share:g} %")
    because = "" if timed or name is not None else ", since the log has no times"
    return NamedSplit(chosen, words + because, way.part(dataset, share))
