"""Controls of users whose answers are linked to a log's scale: what is left when link, memory or base say nothing.

Link and weights stay as they are. What the link alone gets right is the spread of a log's ratings; what users with a
masked memory get right comes from the history that their documents tell; and what they lose with each other's memories
is what they read in their own. Shapes: b users, m items, f fields of the memory, l levels, k places.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from personagym_agents.inference.linked_users import LinkedUsers, scatter_at
from personagym_agents.memory.evidence import Codes, Memory
from personagym_agents.probes.controls import told_otherwise
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.protocols import Reaction

_PAIRS = 400
"""Pairs that tell what users answer on average."""
_USERS = 64
"""Users who tell what a memory says on average."""


class ConstantAnswers:
    """Users for whom the base says the same of every item, through the link of others.

    Args:
        users: whose link is asked.
        wish: the probability of a wish.
        answer: (l,) over the levels.
    """

    def __init__(self, users: LinkedUsers, wish: float, answer: FloatArray) -> None:
        self.name = f"{users.name}, link alone"
        self.scale = users.scale
        self.n_users, self.n_items = users.n_users, users.n_items
        self.link, self.spread = users.link, users.spread
        self.wish, self.answer = wish, answer

    def open(self, n: int) -> "ConstantSessions":
        """See `UserAgent.open`."""
        return ConstantSessions(self, n)


class ConstantSessions:
    """Open sessions of `ConstantAnswers`."""

    def __init__(self, agent: ConstantAnswers, n: int) -> None:
        self._agent = agent
        self._user = np.zeros(n, np.int64)

    def start(self, rows: IntArray, users: IntArray) -> None:
        """See `UserSessions.start`."""
        self._user[rows] = users

    def react(self, rows: IntArray, slates: IntArray) -> Reaction:
        """See `UserSessions.react`."""
        agent = self._agent
        scatter = scatter_at(agent.spread, np.broadcast_to(self._user[rows][:, None], slates.shape), slates)
        answers = np.broadcast_to(agent.answer, (*slates.shape, len(agent.answer)))
        wish = agent.link.choice_probability(np.full(slates.shape, agent.wish))
        return Reaction(wish, agent.link.rating(answers, scatter))

    def consume(self, rows: IntArray, items: IntArray, ratings: IntArray) -> None:
        """Nothing that happens changes what they answer."""


def link_alone(users: LinkedUsers, rng: np.random.Generator) -> ConstantAnswers:
    """Users for whom the base says what it says on average over rows that it is told of."""
    train = users.users.corpus.train
    rows = rng.choice(len(train), min(len(train), _PAIRS), replace=False)
    said = react_to_pairs(users.users, train.users[rows], train.items[rows])
    return ConstantAnswers(users, float(said.choice_probability.mean()), said.rating.mean(axis=0))


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
    return LinkedUsers(agent, users.link, users.spread, name=f"{users.name}, {what}")
