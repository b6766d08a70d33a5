"""Ask a user agent about many (user, item) pairs in few batched calls."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.protocols import UserAgent
from personagym_env.workers import InTurn, Workers


class PairReactions(NamedTuple):
    """What users say about single items at the start of a session."""

    choice_probability: FloatArray
    """(n,) probability that the user would rather have the item than skip it."""
    rating: FloatArray
    """(n, r) distribution over the rating scale."""


class _Asked(NamedTuple):
    """What all blocks of users share."""

    agent: UserAgent
    people: IntArray
    """(p,) users, those with many pairs first."""
    first: IntArray
    """(p,) where the pairs of each begin."""
    counts: IntArray
    """(p,) how many they are."""
    items: IntArray
    """(n,) of the pairs, by user."""
    slate_size: int


class _Answered(NamedTuple):
    """What a block of users said."""

    at: IntArray
    """(a,) places of the pairs among those by user."""
    reactions: PairReactions


def react_to_pairs(
    agent: UserAgent,
    users: IntArray,
    items: IntArray,
    *,
    rows: int = 64,
    slate_size: int = 16,
    progress: Callable[[int], None] | None = None,
    workers: Workers | None = None,
) -> PairReactions:
    """Reactions to pairs in fresh sessions in which nothing is consumed, so the agent's own history is all it knows.

    Users with many pairs go first and share blocks, so that a block is nearly rectangular and each user's session is
    started once, however many pairs it answers. A block is asked as a whole, so that who asks it moves no answer.

    Args:
        agent: the population.
        users: (n,) internal user ids.
        items: (n,) internal item ids.
        rows: users of a block.
        slate_size: items asked about in one call and row.
        progress: told how many pairs were answered.
        workers: ask the blocks; None for one after the other.
    """
    order = np.argsort(users, kind="stable")
    people, first, count = np.unique(users[order], return_index=True, return_counts=True)
    busiest = np.argsort(-count, kind="stable")
    asked = _Asked(agent, people[busiest], first[busiest], count[busiest], items[order], slate_size)
    choice_probability = np.empty(len(users))
    rating = np.empty((len(users), len(agent.scale)))
    blocks = [slice(begin, begin + rows) for begin in range(0, len(people), rows)]
    for _, (at, said) in (workers or InTurn()).done(_ask_block, asked, blocks):
        choice_probability[order[at]], rating[order[at]] = said
        if progress is not None:
            progress(len(at))
    return PairReactions(choice_probability, rating)


def _ask_block(asked: _Asked, block: slice) -> _Answered:
    people, first, count = asked.people[block], asked.first[block], asked.counts[block]
    sessions = asked.agent.open(len(people))
    sessions.start(np.arange(len(people)), people)
    said = []
    for column in range(0, int(count[0]), asked.slate_size):
        active = np.arange(int((count > column).sum()))
        place = column + np.arange(asked.slate_size)
        left = count[active, None]
        # A row with fewer pairs left repeats its last one; the copies are answered and dropped.
        at = first[active, None] + np.minimum(place, left - 1)
        reaction = sessions.react(active, asked.items[at])
        kept = place < left
        said.append((at[kept], reaction.choice_probability[kept], reaction.rating[kept]))
    at, choice_probability, rating = (np.concatenate(parts) for parts in zip(*said, strict=True))
    return _Answered(at, PairReactions(choice_probability, rating))


def expected_ratings(agent: UserAgent, log: Interactions, progress: Callable[[int], None] | None = None) -> FloatArray:
    """(n,) what simulated users expect to rate each row of the log, at the start of a session.

    Args:
        agent: the population.
        log: users and items to ask about; the ratings are not looked at.
        progress: told how many rows were answered.

    Raises:
        ValueError: the agent rates on another scale than the log.
    """
    if tuple(agent.scale) != log.scale:
        raise ValueError(f"agent {agent.name!r} rates on {agent.scale}, and the data on {log.scale}")
    reactions = react_to_pairs(agent, log.users, log.items, progress=progress)
    return np.asarray(reactions.rating @ np.asarray(log.scale))
