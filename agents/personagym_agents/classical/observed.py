"""The real answers of people who rated everything, as users: what simulated sessions can be compared with.

Their ratings are the real ones, without chance. What they would choose nobody asked them, so that it is read off the
ratings: an item is chosen with the chance that it pleases its user more than another item does, drawn at random.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.protocols import Reaction, UserFingerprint

LEAST_CHANCE = 0.01
"""Of choosing what pleases least, and of leaving what pleases most."""


class ObservedUsers:
    """Users of a log who answer with their real ratings; those who did not rate all items have no sessions.

    Memory: 5 bytes per pair.
    """

    name = "observed"

    def __init__(self, log: Interactions) -> None:
        self.scale = log.scale
        self.n_users, self.n_items = log.n_users, log.n_items
        self.complete: npt.NDArray[np.bool_] = log.counts == log.n_items
        """(u,) who rated everything."""
        if not self.complete.any():
            raise ValueError(
                f"observed users answer with real ratings, and nobody rated all {log.n_items} items: at most "
                f"{log.counts.max(initial=0)} were rated by one user"
            )
        self.fingerprint = UserFingerprint(log.fingerprint(), "observed")
        self._place = np.cumsum(self.complete) - 1  # (u,) row in the tables
        rows = log.take(self.complete[log.users])
        shape = int(self.complete.sum()), log.n_items
        self._rating = np.zeros(shape, np.int8)  # index into the scale
        self._rating[self._place[rows.users], rows.items] = rows.rating_index
        self._choice = choice_probabilities(self._rating).astype(np.float32)

    def __repr__(self) -> str:
        return f"ObservedUsers({len(self._rating)} of {self.n_users} users, {self.n_items} items)"

    def open(self, n: int) -> "ObservedSessions":
        """See `UserAgent.open`."""
        if n < 1:
            raise ValueError(f"sessions to open must be at least 1, got {n}")
        return ObservedSessions(self, n)

    def answers(self, users: IntArray, slates: IntArray) -> Reaction:
        """Reactions of users (n,) to slates (n, k)."""
        place = self._place[users][:, None]
        rating = np.eye(len(self.scale), dtype=np.float32)[self._rating[place, slates]]
        return Reaction(self._choice[place, slates], rating)


class ObservedSessions:
    """Open sessions of `ObservedUsers`, in which nothing changes."""

    def __init__(self, agent: ObservedUsers, n: int) -> None:
        self._agent = agent
        self._user = np.full(n, -1)

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`.

        Raises:
            ValueError: a user does not exist, or did not rate all items.
        """
        agent = self._agent
        if len(users) and not (users.min() >= 0 and users.max() < agent.n_users):
            raise ValueError(f"users must lie in 0..{agent.n_users - 1}, got {users.min()}..{users.max()}")
        partial = np.asarray(users)[~agent.complete[users]]
        if len(partial):
            raise ValueError(f"users {partial[:5].tolist()} did not rate all {agent.n_items} items: nobody knows more")
        self._user[rows] = users

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`.

        Raises:
            ValueError: a row has not been started, or an item does not exist.
        """
        users = self._started(rows)
        self._check_indices("slates", slates, self._agent.n_items)
        return self._agent.answers(users, slates)

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Checks its arguments; see `UserSessions.consume`.

        Raises:
            ValueError: a row has not been started, or an item or rating does not exist.
        """
        self._started(rows)
        self._check_indices("items", items, self._agent.n_items)
        self._check_indices("ratings", ratings, len(self._agent.scale))

    def _started(self, rows: IntArray) -> IntArray:
        users = self._user[rows]
        if len(users) and users.min() < 0:
            raise ValueError(f"rows {np.asarray(rows)[users < 0].tolist()} have not been started")
        return np.asarray(users)

    @staticmethod
    def _check_indices(name: str, indices: IntArray, limit: int) -> None:
        if indices.size and (indices.min() < 0 or indices.max() >= limit):
            raise ValueError(f"{name} must lie in 0..{limit - 1}, got {indices.min()}..{indices.max()}")


def choice_probabilities(ratings: IntArray) -> FloatArray:
    """(u, m) chance that an item is rated above another one of the same user, ties counting half, a little inside 0..1.

    Args:
        ratings: (u, m)
    """
    others = max(ratings.shape[1] - 1, 1)
    chance = (stats.rankdata(ratings, axis=1) - 1) / others
    return np.asarray(np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE))
