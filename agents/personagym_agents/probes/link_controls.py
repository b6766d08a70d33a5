"""Controls of users whose answers are linked to a log's scale: what is left when link, memory or base say nothing.

Weights stay as they are. What a link that is fitted without the base gets right is what it reads beside the answers:
the memory's numbers; what users with a masked memory get right comes from the history that their documents tell; and
what they lose with each other's memories is what they read in their own. Shapes: b users, m items, f fields of the
memory.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from personagym_agents.delegating import DelegatingUsers
from personagym_agents.inference.answer_link import indifferent
from personagym_agents.inference.linked_users import LinkedUsers
from personagym_agents.memory.evidence import Codes, Memory
from personagym_agents.probes.controls import told_otherwise
from personagym_env.data.tables import IntArray
from personagym_env.protocols import Reaction

_USERS = 64
"""Users who tell what a memory says on average."""


class SilentBase(DelegatingUsers):
    """Users whose base has nothing to say, through the link that was fitted without it."""

    users: LinkedUsers

    def __init__(self, users: LinkedUsers) -> None:
        self.name = f"{users.name}, link alone"
        self.users = users

    def open(self, n: int) -> "SilentSessions":
        """See `UserAgent.open`."""
        return SilentSessions(self, n)


class SilentSessions:
    """Open sessions of `SilentBase`."""

    def __init__(self, agent: SilentBase, n: int) -> None:
        self._users = agent.users
        self._sessions = agent.users.open(n)

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`; opens sessions that the base is never asked in."""
        self._sessions.start(rows, users)

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        said, read = indifferent(slates.shape, self._users.alone.levels), self._sessions.beside(rows, slates)
        wish = self._users.alone.choice_probability(said.choice_probability, read)
        return Reaction(wish, self._users.silent_rating(read))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Nothing that happens changes what they answer."""


class _OtherMemory(Memory):
    """A memory that recalls something else, and is the same in all other respects."""

    def __init__(self, memory: Memory, recall: Callable[[IntArray], Codes]) -> None:
        self.__dict__.update(memory.__dict__)
        self._recall_instead = recall

    def recall(self, users: IntArray) -> Codes:
        """(b, m, f) see `Memory.recall`."""
        return self._recall_instead(users)


def with_masked_memory(users: LinkedUsers, rng: np.random.Generator) -> LinkedUsers:
    """The population whose memory says the same of every item that is asked about: each field's median.

    Raises:
        ValueError: the users have no memory.
    """
    memory = _memory_of(users)
    few = rng.choice(users.n_users, min(users.n_users, _USERS), replace=False)
    median = np.median(memory.recall(few).reshape(-1, len(memory.words)), axis=0).astype(memory.code_type)

    def recall(asked: IntArray) -> Codes:
        return np.broadcast_to(median, (len(asked), users.n_items, len(median)))

    return _remembering(users, _OtherMemory(memory, recall), "memory masked")


def with_memory_of_others(users: LinkedUsers, rng: np.random.Generator) -> LinkedUsers:
    """The population in which each user recalls about an item what another user, drawn at random, would recall.

    Raises:
        ValueError: the users have no memory.
    """
    memory = _memory_of(users)
    circle = rng.permutation(users.n_users)
    other = np.empty_like(circle)
    other[circle] = np.roll(circle, 1)
    return _remembering(users, _OtherMemory(memory, lambda asked: memory.recall(other[asked])), "memory of others")


def _memory_of(users: LinkedUsers) -> Memory:
    memory = users.users.corpus.memory
    if memory is None:
        raise ValueError(f"{users.name!r} have no memory that could be taken from them")
    return memory


def _remembering(users: LinkedUsers, memory: Memory, what: str) -> LinkedUsers:
    agent = told_otherwise(users.users, replace(users.users.corpus, memory=memory), what, writer=users.users.writer)
    return LinkedUsers(agent, users.link, users.use, alone=users.alone, name=f"{users.name}, {what}")
