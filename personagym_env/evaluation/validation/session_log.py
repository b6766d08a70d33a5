"""Logs in sessions, real and simulated in one form, so that the same figures can be taken from both.

Shapes: n rows, u users.
"""

from dataclasses import dataclass

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.session.cuts import cut_sessions
from personagym_env.session.parameters import GAP_MINUTES


@dataclass(frozen=True, eq=False, repr=False)
class SessionLog:
    """Consumptions with their places in sessions; what no log shows, steps without consumption, is not here."""

    log: Interactions
    """The rows, each user's in the order in which they happened."""
    position: IntArray | None
    """(n,) 1 for the first consumption of a session, 2 for the second; rows of a session that began before this log
    go on counting. None where nobody knows."""
    ended: BoolArray | None
    """(n,) whether the session is known to have ended after the row; None where `position` is. After a user's very last
    row nobody knows: the log stops there. To count it as an end would make sessions look short, because the share of
    a user's rows that is held out is then a share of what these sessions were."""

    def __post_init__(self) -> None:
        if (self.position is None) != (self.ended is None):
            raise ValueError("a SessionLog needs position and ended both, or neither")
        for name, column in (("position", self.position), ("ended", self.ended)):
            if column is not None and column.shape != (len(self.log),):
                raise ValueError(f"SessionLog.{name} must have shape {(len(self.log),)}, got {column.shape}")

    def __repr__(self) -> str:
        return f"SessionLog({self.log!r}, {'sessions known' if self.position is not None else 'no sessions'})"

    def opens(self) -> BoolArray:
        """(n,) whether the row is the first of its session in this log.

        Raises:
            ValueError: the log has no sessions.
        """
        if self.position is None:
            raise ValueError("this log has no sessions")
        goes_on = (np.diff(self.log.users) == 0) & (np.diff(self.position) == 1)
        return np.concatenate([np.ones(min(1, len(self.log)), np.bool_), ~goes_on])

    def of_users(self, chosen: BoolArray) -> "SessionLog":
        """The rows of some users, given as a mask (u,)."""
        keep = chosen[self.log.users]
        return SessionLog(
            self.log.take(keep),
            None if self.position is None else self.position[keep],
            None if self.ended is None else self.ended[keep],
        )


def held_out_sessions(split: Split, gap_minutes: float = GAP_MINUTES) -> SessionLog:
    """The held-out rows in the sessions that the whole log shows."""
    return _cut(split, gap_minutes)[1]


def preceding_sessions(split: Split, gap_minutes: float = GAP_MINUTES) -> SessionLog:
    """Each user's last training rows, as many as there are held-out ones: the real log nearest to the held-out one."""
    train = _cut(split, gap_minutes)[0]
    log = train.log
    from_the_end = np.repeat(log.indptr[1:], log.counts) - np.arange(len(log))  # 1 for a user's last row
    keep = from_the_end <= split.test.counts[log.users]
    return SessionLog(
        log.take(keep),
        None if train.position is None else train.position[keep],
        None if train.ended is None else train.ended[keep],
    )


def _cut(split: Split, gap_minutes: float) -> tuple[SessionLog, SessionLog]:
    """Training and held-out rows in the sessions of both together."""
    train, test = split
    if train.timestamps is None or test.timestamps is None:
        return SessionLog(train, None, None), SessionLog(test, None, None)
    times = np.concatenate([train.timestamps, test.timestamps])
    users = np.concatenate([train.users, test.users])
    held_out = np.repeat([False, True], [len(train), len(test)])
    order = np.lexsort((held_out, times, users))
    whole = Interactions(
        users=users[order],
        items=np.concatenate([train.items, test.items])[order],
        ratings=np.concatenate([train.ratings, test.ratings])[order],
        timestamps=times[order],
        n_users=train.n_users,
        n_items=train.n_items,
        scale=train.scale,
    )
    cuts = cut_sessions(whole, gap_minutes)
    late, ended = held_out[order], cuts.last & ~cuts.censored
    parts = (SessionLog(whole.take(rows), cuts.position[rows], ended[rows]) for rows in (~late, late))
    return next(parts), next(parts)
