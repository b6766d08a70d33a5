"""Ways to part a log into what is learned from and what is held out."""

from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, Interactions


class Split(NamedTuple):
    """Two logs over the same users and items that share no row."""

    train: Interactions
    test: Interactions


def _part(log: Interactions, held_out: BoolArray) -> Split:
    return Split(train=log.take(~held_out), test=log.take(held_out))


def _late(log: Interactions, train_share: float) -> BoolArray:
    """(n,) whether a row comes after the first `train_share` of its user's rows, of which there is at least one."""
    kept = np.maximum(1, np.floor(log.counts * train_share + 1e-9).astype(np.int64))
    return np.asarray(log.rank_in_user >= np.repeat(kept, log.counts))


def _check_share(train_share: float) -> None:
    if not 0 < train_share < 1:
        raise ValueError(f"train_share must lie strictly between 0 and 1, got {train_share}")


def temporal_split(log: Interactions, train_share: float = 0.8) -> Split:
    """Each user's first `train_share` of rows by time is train (at least one row), the rest test."""
    _check_share(train_share)
    return _part(log, _late(log, train_share))


def leave_last_n_split(log: Interactions, n: int = 1) -> Split:
    """Each user's last n rows by time are test; users with n rows or fewer stay in train whole."""
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    counts = np.repeat(log.counts, log.counts)
    return _part(log, (log.rank_in_user >= counts - n) & (counts > n))


def global_time_split(log: Interactions, train_share: float = 0.8) -> Split:
    """Everything after one moment, the `train_share` quantile of all timestamps, is test.

    Raises:
        ValueError: the log has no timestamps.
    """
    _check_share(train_share)
    if log.timestamps is None:
        raise ValueError("a split by global time needs timestamps, and this log has none")
    moment = np.quantile(log.timestamps, train_share, method="lower")
    return _part(log, log.timestamps > moment)


def random_split(log: Interactions, train_share: float = 0.8, *, rng: np.random.Generator) -> Split:
    """A random `1 - train_share` of all rows is test."""
    _check_share(train_share)
    held_out = np.zeros(len(log), np.bool_)
    held_out[rng.permutation(len(log))[round(len(log) * train_share) :]] = True
    return _part(log, held_out)


def paper_split(
    log: Interactions,
    *,
    rng: np.random.Generator,
    users: int = 200,
    least: int = 100,
    most: int = 200,
    train_share: float = 0.6,
) -> Split:
    """The protocol of *Personas within Parameters* (arXiv 2509.09689): few users with middling logs, parted by time.

    Everybody else is known entirely, for the paper tells its users each item's historical average rating, which is the
    crowd's. Without that crowd the floors are higher: on ML-100K a bias model then has an RMSE of 1.01, with it .97.

    Args:
        log: the whole log.
        rng: draws the users.
        users: users to draw.
        least: ratings that a user needs to be drawn.
        most: ratings that a user may have to be drawn.
        train_share: share of each drawn user's rows, by time, that is train.

    Raises:
        ValueError: fewer users have so many ratings.
    """
    _check_share(train_share)
    eligible = np.flatnonzero((log.counts >= least) & (log.counts <= most))
    if len(eligible) < users:
        raise ValueError(f"{users} users with {least}-{most} ratings are needed, and the log has {len(eligible)}")
    drawn = np.zeros(log.n_users, np.bool_)
    drawn[rng.choice(eligible, users, replace=False)] = True
    return _part(log, drawn[log.users] & _late(log, train_share))


def cold_user_split(log: Interactions, *, rng: np.random.Generator, known: int = 10, share: float = 0.2) -> Split:
    """Some users are known by their first few rows alone; everybody else is known entirely.

    Args:
        log: the whole log.
        rng: draws the cold users.
        known: rows of each cold user that are train; the rest are test.
        share: share of the users that have more rows than that, who are made cold (at least one).

    Raises:
        ValueError: `known` is below 1, or no user has more rows.
    """
    _check_share(share)
    if known < 1:
        raise ValueError(f"known must be at least 1, got {known}")
    eligible = np.flatnonzero(log.counts > known)
    if not len(eligible):
        raise ValueError(f"no user has more than {known} rows, so none can be made cold")
    cold = np.zeros(log.n_users, np.bool_)
    cold[rng.choice(eligible, max(1, round(share * len(eligible))), replace=False)] = True
    return _part(log, cold[log.users] & (log.rank_in_user >= known))
