"""A log cut into sessions, and what its users felt at each row by the rules of the kernel."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.session.parameters import GAP_MINUTES


class SessionCuts(NamedTuple):
    """A log cut into sessions. Shapes: n rows, s sessions."""

    first: IntArray
    """(s,) the row that begins each session."""
    length: IntArray
    """(s,) rows of each session."""
    last: BoolArray
    """(n,) whether the row ends its session."""
    censored: BoolArray
    """(n,) whether the row is its user's last: the log stops here, so nobody knows whether the session did."""
    opening: BoolArray
    """(n,) whether the row is of its user's first session in the log: that of the sign-up, or one that may have begun
    before the log does."""
    position: IntArray
    """(n,) rows of the same session up to and including this one: 1, 2, ..."""

    @property
    def telling(self) -> BoolArray:
        """(n,) whether the row tells when people who are known already leave: not the first session, nor the last row.

        Who signs up rates much at one go, and is often made to: on MovieLens-100K one in 80 leaves after the first
        rating of a first session, and one in five after that of a later one.
        """
        return ~(self.opening | self.censored)


def cut_sessions(log: Interactions, gap_minutes: float = GAP_MINUTES) -> SessionCuts:
    """Cut each user's rows wherever the pause is longer than `gap_minutes`.

    Raises:
        ValueError: the log has no timestamps or no rows, or the gap is not above 0.
    """
    if log.timestamps is None or not len(log):
        raise ValueError("sessions need a log with timestamps and at least one row")
    if not gap_minutes > 0:
        raise ValueError(f"gap_minutes must be above 0, got {gap_minutes}")
    other_user = np.diff(log.users) != 0
    cut = other_user | (np.diff(log.timestamps) > gap_minutes * 60)
    first = np.flatnonzero(np.concatenate([[True], cut]))
    length = np.diff(np.append(first, len(log)))
    opens = np.concatenate([[True], other_user])[first]
    return SessionCuts(
        first=first,
        length=length,
        last=np.append(cut, True),
        censored=np.append(other_user, True),
        opening=np.repeat(opens, length),
        position=np.arange(len(log)) - np.repeat(first, length) + 1,
    )


def walk_positions(sessions: SessionCuts) -> Iterator[tuple[IntArray, int]]:
    """The rows at position 1, 2, ... of all sessions that reach it, and how many reach it, longest sessions first.

    So a rule that runs through sessions needs a loop over positions only, with all sessions at once; the sessions that
    reach a position are the first of those that reach the one before.
    """
    longest_first = np.argsort(-sessions.length, kind="stable")
    first, length = sessions.first[longest_first], sessions.length[longest_first]
    reaching = np.searchsorted(-length, -np.arange(length[0]), side="left")
    return ((first[:count] + position, int(count)) for position, count in enumerate(reaching))


def satisfaction_after(normalised_rating: FloatArray, sessions: SessionCuts, initial: float, rate: float) -> FloatArray:
    """(n,) satisfaction right after each row, by the rule `s + rate * (normalised_rating - s)`, from `initial`."""
    level = np.full(len(sessions.first), initial)
    after = np.empty(len(normalised_rating))
    for rows, count in walk_positions(sessions):
        level[:count] += rate * (normalised_rating[rows] - level[:count])
        after[rows] = level[:count]
    return after


def exposure_before(log: Interactions, sessions: SessionCuts, genre_share: FloatArray, decay: float) -> FloatArray:
    """(n, g) float32: satiation with each genre just before the moment of each row, by the rule of the kernel.

    Rows of one second are one moment: the log does not say which of them came first.

    Args:
        log: n rows with timestamps.
        sessions: of the log.
        genre_share: (m, g) shares of each item's genres.
        decay: factor that each row applies.
    """
    assert log.timestamps is not None
    level = np.zeros((len(sessions.first), genre_share.shape[1]), np.float32)
    at_moment = level.copy()
    before = np.empty((len(log), genre_share.shape[1]), np.float32)
    for rows, count in walk_positions(sessions):
        later = np.ones(count, np.bool_)
        if sessions.position[rows[0]] > 1:
            later = log.timestamps[rows] > log.timestamps[rows - 1]
        at_moment[:count][later] = level[:count][later]
        before[rows] = at_moment[:count]
        level[:count] = np.float32(decay) * level[:count] + genre_share[log.items[rows]]
    return before
