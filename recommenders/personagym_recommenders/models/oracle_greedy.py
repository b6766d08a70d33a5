"""The reference that cheats: it asks the very users whom it will meet what they would like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import Observation, UserAgent
from personagym_recommenders.base import ScoringRecommender
from personagym_recommenders.memory import require_memory, size_of
from personagym_recommenders.recommender_file import read_saved


class OracleGreedy(ScoringRecommender):
    """Ranks items by want times expected rating, as the user agent gives them at the start of a session.

    What it knows, no recommender can know, so it marks about how much a greedy choice can reach in the simulation. It
    is no upper bound: it sees neither what the session does to the user nor what a slate's items do to each other.

    A user's scores are read when the user is first met, and kept: (u, m) floats in all. With a language model as agent
    that is m reactions per user, which is what takes the time.

    Args:
        agent: the users.
        block_users: users that are asked at once.
        block_items: items that a user is asked about at once.
        shortlist: ask only about the items with the most training ratings, so many of them; all others rank below.
            None asks about every item.
    """

    table_: npt.NDArray[np.float32]
    """(u, m) scores of the users that are known."""
    known_: BoolArray
    """(u,) whose scores have been read."""
    asked_: IntArray
    """Items that users are asked about."""

    def __init__(
        self, agent: UserAgent, block_users: int = 64, block_items: int = 256, shortlist: int | None = None
    ) -> None:
        if block_users < 1 or block_items < 1:
            raise ValueError(f"blocks must be at least 1, got {block_users} users and {block_items} items")
        if shortlist is not None and shortlist < 1:
            raise ValueError(f"shortlist must be at least 1 or None, got {shortlist}")
        self.agent: UserAgent | None = agent
        self.block_users = block_users
        self.block_items = block_items
        self.shortlist = shortlist

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Forget all scores; of the log only the items' counts are read, for the shortlist.

        Raises:
            ValueError: the agent has other users or items than the log.
        """
        agent = self._living_agent()
        if (agent.n_users, agent.n_items) != (log.n_users, log.n_items):
            raise ValueError(
                f"the agent {agent.name} has {agent.n_users} users and {agent.n_items} items, "
                f"the log {log.n_users} and {log.n_items}"
            )
        require_memory(
            f"{self.name}'s table of {log.n_users:,} users and {log.n_items:,} items",
            size_of((log.n_users, log.n_items), np.dtype(np.float32).itemsize),
            "judge with fewer users or items",
        )
        self.table_ = np.zeros((log.n_users, log.n_items), np.float32)
        self.known_ = np.zeros(log.n_users, np.bool_)
        counts = np.bincount(log.items, minlength=log.n_items)
        self.asked_ = np.sort(np.argsort(-counts, kind="stable")[: self.shortlist])

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) want times expected rating at the start of a session."""
        users = np.unique(observation["user"])
        self._read(users[~self.known_[users]])
        return self.table_[observation["user"]]

    def settings(self) -> dict[str, Any]:
        """The sizes of the blocks; an agent is not saved."""
        return {"block_users": self.block_users, "block_items": self.block_items, "shortlist": self.shortlist}

    def save(self, folder: str | Path) -> None:
        """Read the users that are missing and write the scores of all."""
        self._check_fitted()
        self._read(np.flatnonzero(~self.known_))
        super().save(folder)

    @classmethod
    def load(cls, folder: str | Path, agent: UserAgent | None = None) -> Self:
        """Read the scores that `save` wrote; the agent is needed only to fit again."""
        saved = read_saved(folder, cls.__name__)
        recommender = cls.__new__(cls)
        recommender.agent = agent
        for name, value in saved.settings.items():
            setattr(recommender, name, value)
        recommender.restore(saved.learned)
        return recommender

    def _living_agent(self) -> UserAgent:
        if self.agent is None:
            raise ValueError("this recommender was loaded without a user agent, so it cannot be fitted again")
        return self.agent

    def _read(self, users: IntArray) -> None:
        """Ask the users about all items and remember the answers."""
        for first in range(0, len(users), self.block_users):
            block = users[first : first + self.block_users]
            self.table_[block[:, None], self.asked_] = np.concatenate(list(self._ask(block)), axis=1)
            self.known_[block] = True

    def _ask(self, users: IntArray) -> Iterator[npt.NDArray[np.float32]]:
        """Scores (b, block_items), block by block of items."""
        agent = self._living_agent()
        scale = np.asarray(agent.scale)
        sessions, rows = agent.open(len(users)), np.arange(len(users))
        sessions.start(rows, users)
        for first in range(0, len(self.asked_), self.block_items):
            items = self.asked_[first : first + self.block_items]
            reaction = sessions.react(rows, np.tile(items, (len(users), 1)))
            yield np.asarray(reaction.choice_probability * (reaction.rating @ scale), np.float32)
