"""Users whose answers cannot change within a session, from a table that fills itself.

Where nothing that happens in a session enters the document, a user says the same of an item at every time. Each pair
of user and item is then asked at most once, and reinforcement learning soon runs at the price of a look-up. What is
lost is that the users notice what they have just consumed; satiation and leaving stay, for they belong to the
environment.
"""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction, UserAgent

TABLE_BYTES = 2**30
"""Memory that a table may take."""


class FrozenUsers:
    """A population that is asked about each pair once. Memory: 4 (1 + r) + 1 bytes per user and item.

    Args:
        agent: answers the first time.
        table_bytes: memory that the table may take.

    Raises:
        ValueError: the table would be larger.
    """

    def __init__(self, agent: UserAgent, *, table_bytes: int = TABLE_BYTES) -> None:
        cells, answers = agent.n_users * agent.n_items, 1 + len(agent.scale)
        needed = cells * (4 * answers + 1)
        if needed > table_bytes:
            raise ValueError(
                f"answers of {agent.n_users:,} users about {agent.n_items:,} items need {needed / 2**20:,.0f} MiB, and "
                f"table_bytes allows {table_bytes / 2**20:,.0f} MiB"
            )
        self.name = f"frozen {agent.name}"
        self.scale = agent.scale
        self.n_users, self.n_items = agent.n_users, agent.n_items
        self.agent = agent
        self.known: npt.NDArray[np.bool_] = np.zeros(cells, np.bool_)
        """(u m,) pairs that have been answered."""
        self.want = np.zeros(cells, np.float32)
        """(u m,)"""
        self.rating = np.zeros((cells, len(agent.scale)), np.float32)
        """(u m, r)"""

    def open(self, n: int) -> "FrozenSessions":
        """See `UserAgent.open`."""
        return FrozenSessions(self, n)


class FrozenSessions:
    """Open sessions of `FrozenUsers`."""

    def __init__(self, agent: FrozenUsers, n: int) -> None:
        self._agent = agent
        self._live = agent.agent.open(n)
        self._user = np.full(n, -1)
        self._begun = np.zeros(n, np.bool_)
        """(n,) whether the population behind has been told of the session; most never need to be."""

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        if len(users) and not (users.min() >= 0 and users.max() < self._agent.n_users):
            raise ValueError(f"users must lie in 0..{self._agent.n_users - 1}, got {users.min()}..{users.max()}")
        self._user[rows] = users
        self._begun[rows] = False

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`.

        Raises:
            ValueError: a row has not been started, or an item does not exist.
        """
        users = self._user[rows]
        if len(users) and users.min() < 0:
            raise ValueError(f"rows {np.asarray(rows)[users < 0].tolist()} have not been started")
        if slates.size and not (slates.min() >= 0 and slates.max() < self._agent.n_items):
            raise ValueError(f"slates must lie in 0..{self._agent.n_items - 1}, got {slates.min()}..{slates.max()}")
        table, pairs = self._agent, users[:, None] * self._agent.n_items + slates
        asking = ~table.known[pairs].all(axis=1)
        if asking.any():
            self._ask(np.asarray(rows)[asking], slates[asking], pairs[asking])
        return Reaction(table.want[pairs], table.rating[pairs])

    def _ask(self, rows: IntArray, slates: IntArray, pairs: IntArray) -> None:
        fresh = rows[~self._begun[rows]]
        if len(fresh):
            self._live.start(fresh, self._user[fresh])
            self._begun[fresh] = True
        answer, table = self._live.react(rows, slates), self._agent
        table.want[pairs], table.rating[pairs] = answer.want, answer.rating
        table.known[pairs] = True

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Checks its arguments; see `UserSessions.consume`. Nothing changes.

        Raises:
            ValueError: a row has not been started, or an item or rating does not exist.
        """
        if len(rows) and self._user[rows].min() < 0:
            raise ValueError("a row has not been started")
        for name, values, limit in (
            ("items", items, self._agent.n_items),
            ("ratings", ratings, len(self._agent.scale)),
        ):
            if values.size and not (values.min() >= 0 and values.max() < limit):
                raise ValueError(f"{name} must lie in 0..{limit - 1}, got {values.min()}..{values.max()}")
