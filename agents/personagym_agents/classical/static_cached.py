"""Users whose answers cannot change within a session, from a table that fills itself.

Where nothing that happens in a session enters the document, a user says the same of an item at every time. Each pair
of user and item is then asked at most once, and reinforcement learning soon runs at the price of a look-up. What is
lost is that the users notice what they have just consumed; satiation and leaving stay, for they belong to the
environment.
"""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from personagym_agents.delegating import DelegatingUsers
from personagym_env.data.tables import IntArray
from personagym_env.files import locked, replacing, write_atomically
from personagym_env.protocols import FingerprintedAgent, ForgetfulSessions, Reaction, UserAgent, UserFingerprint
from personagym_env.workers import own_arrays

TABLE_BYTES = 2**30
"""Memory that a table may take."""
PROBE = 16
"""Users and items, at most, whose pairs tell whether a table on disk belongs to the users at hand."""
PROBE_ERROR = 1e-3
"""Difference in probability between machines and numbers of threads that a probe forgives."""


class StaticCachedUsers(DelegatingUsers):
    """A population that is asked about each pair once. Memory: 4 (1 + r) + 1 bytes per user and item.

    Example: `StaticCachedUsers(load("persona", dataset, train), folder="runs/answers")` answers tomorrow from what was
    asked today.

    Args:
        agent: answers the first time.
        table_bytes: memory that the table may take, if it is in memory.
        folder: where the table is kept on disk, mapped into memory page by page; it may be there from an earlier run,
            and several processes may fill it at once. None keeps the table in memory.

    Raises:
        ValueError: the table would be larger than `table_bytes`, or the folder holds the answers of other users.
    """

    def __init__(self, agent: UserAgent, *, table_bytes: int = TABLE_BYTES, folder: str | Path | None = None) -> None:
        cells, answers = agent.n_users * agent.n_items, 1 + len(agent.scale)
        needed = cells * (4 * answers + 1)
        if folder is None and needed > table_bytes:
            raise ValueError(
                f"answers of {agent.n_users:,} users about {agent.n_items:,} items need {needed / 2**20:,.0f} MiB, and "
                f"table_bytes allows {table_bytes / 2**20:,.0f} MiB; name a folder to keep them on disk"
            )
        self.name = f"frozen {agent.name}"
        self.users = agent
        place = None if folder is None else _checked(Path(folder), agent)
        self.known: npt.NDArray[np.bool_] = _array(place, "known", (cells,), np.bool_)
        """(u m,) pairs that have been answered."""
        self.choice_probability: npt.NDArray[np.float32] = _array(place, "choice_probability", (cells,), np.float32)
        """(u m,)"""
        self.rating: npt.NDArray[np.float32] = _array(place, "rating", (cells, len(agent.scale)), np.float32)
        """(u m, r)"""
        self.dropped: npt.NDArray[np.int64] | None = (
            _array(place, "dropped", (agent.n_users,), np.int64)
            if isinstance(agent.open(1), ForgetfulSessions)
            else None
        )
        """(u,) history lines that did not fit into each user's document; None if the agent's memory has no end."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process too, the table goes on filling itself."""
        vars(self).update(own_arrays(state))

    @property
    def fingerprint(self) -> UserFingerprint | None:
        """That of the users behind, who answer otherwise once they remember."""
        behind = self.users.fingerprint if isinstance(self.users, FingerprintedAgent) else None
        return behind and UserFingerprint(behind.rows, sha256(f"frozen {behind.weights}".encode()).hexdigest())

    def open(self, n: int) -> "StaticCachedSessions":
        """See `UserAgent.open`."""
        return StaticCachedSessions(self, n)


def _array(folder: Path | None, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Zeros in memory, or what stands on disk, zeros at first."""
    if folder is None:
        return np.zeros(shape, dtype)
    path = folder / f"{name}.npy"
    with locked(folder):
        if not path.exists():
            with replacing(path) as scratch:
                np.lib.format.open_memmap(scratch, "w+", dtype, shape).flush()
    array = np.lib.format.open_memmap(path, "r+", dtype, shape)
    if array.shape != shape:
        raise ValueError(f"{path} holds an array of shape {array.shape}, expected {shape}: name another folder")
    return array


def _probe(agent: UserAgent) -> npt.NDArray[np.float32]:
    """(p, q, 1 + r) what some users say of some items."""
    users, items = (np.unique(np.linspace(0, n - 1, PROBE).astype(int)) for n in (agent.n_users, agent.n_items))
    sessions = agent.open(len(users))
    sessions.start(np.arange(len(users)), users)
    answer = sessions.react(np.arange(len(users)), np.tile(items, (len(users), 1)))
    return np.concatenate([answer.choice_probability[:, :, None], answer.rating], axis=2).astype(np.float32)


def _checked(folder: Path, agent: UserAgent) -> Path:
    """The folder of a table, made if it is not there.

    Raises:
        ValueError: it holds the answers of other users.
    """
    path, here = folder / "probe.npy", _probe(agent)
    with locked(folder):
        if not path.exists():
            if folder.is_dir() and any(folder.iterdir()):
                raise ValueError(f"{folder} is not empty and holds no table of answers: name another folder")
            probe = io.BytesIO()
            np.save(probe, here)
            write_atomically(path, probe.getvalue())
    kept = np.load(path, allow_pickle=False)
    if kept.shape != here.shape or np.abs(kept - here).max() > PROBE_ERROR:
        raise ValueError(f"{folder} holds the answers of other users than {agent.name!r}: name another folder")
    return folder


class StaticCachedSessions:
    """Open sessions of `StaticCachedUsers`."""

    def __init__(self, agent: StaticCachedUsers, n: int) -> None:
        self._agent = agent
        self._live = agent.users.open(n)
        self._user = np.full(n, -1)
        self._begun = np.zeros(n, np.bool_)
        """(n,) whether the population behind has been told of the session; most never need to be."""
        if agent.dropped is not None:
            self.dropped_lines = np.zeros(n, np.int64)
            """(n,) history lines that each document lacks from the start because the model's window is full."""

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        if len(users) and not (users.min() >= 0 and users.max() < self._agent.n_users):
            raise ValueError(f"users must lie in 0..{self._agent.n_users - 1}, got {users.min()}..{users.max()}")
        self._user[rows] = users
        self._begun[rows] = False
        if self._agent.dropped is not None:
            self.dropped_lines[rows] = 0

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
        unknown = ~table.known[pairs]
        count = unknown.sum(axis=1)
        # Rows that lack equally many answers are asked together, so that nobody is asked what is known already.
        for width in np.unique(count[count > 0]).tolist():
            asking = np.flatnonzero(count == width)
            place = np.nonzero(unknown[asking])[1].reshape(-1, width)
            self._ask(np.asarray(rows)[asking], slates[asking[:, None], place], pairs[asking[:, None], place])
        if table.dropped is not None:
            self.dropped_lines[rows] = table.dropped[users]
        return Reaction(table.choice_probability[pairs], table.rating[pairs])

    def _ask(self, rows: IntArray, slates: IntArray, pairs: IntArray) -> None:
        fresh = rows[~self._begun[rows]]
        if len(fresh):
            self._live.start(fresh, self._user[fresh])
            self._begun[fresh] = True
        answer, table = self._live.react(rows, slates), self._agent
        table.choice_probability[pairs], table.rating[pairs] = answer.choice_probability, answer.rating
        table.known[pairs] = True
        if table.dropped is not None and isinstance(self._live, ForgetfulSessions):
            table.dropped[self._user[rows]] = self._live.dropped_lines[rows]

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
