"""Ask a user agent about many (user, item) pairs in few batched calls."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.protocols import UserAgent


class PairReactions(NamedTuple):
    """What users say about single items at the start of a session."""

    choice_probability: FloatArray
    """(n,) probability that the user would rather have the item than skip it."""
    rating: FloatArray
    """(n, r) distribution over the rating scale."""


def react_to_pairs(
    agent: UserAgent,
    users: IntArray,
    items: IntArray,
    *,
    rows: int = 64,
    slate_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> PairReactions:
    """Reactions to pairs in fresh sessions in which nothing is consumed, so the agent's own history is all it knows.

    Users with many pairs go first and share blocks, so that a block is nearly rectangular and each user's session is
    started once, however many pairs it answers.

    Args:
        agent: the population.
        users: (n,) internal user ids.
        items: (n,) internal item ids.
        rows: sessions open at once.
        slate_size: items asked about in one call and row.
        progress: told how many pairs were answered.
    """
    order = np.argsort(users, kind="stable")
    sorted_items = items[order]
    people, first, count = np.unique(users[order], return_index=True, return_counts=True)
    busiest = np.argsort(-count, kind="stable")
    people, first, count = people[busiest], first[busiest], count[busiest]
    choice_probability = np.empty(len(users))
    rating = np.empty((len(users), len(agent.scale)))
    sessions = agent.open(min(rows, max(len(people), 1)))
    for block in range(0, len(people), rows):
        in_block = slice(block, block + rows)
        sessions.start(np.arange(len(people[in_block])), people[in_block])
        for column in range(0, int(count[block]), slate_size):
            active = np.arange(int((count[in_block] > column).sum()))
            place = column + np.arange(slate_size)
            left = count[in_block][active, None]
            # A row with fewer pairs left repeats its last one; the copies are answered and dropped.
            at = first[in_block][active, None] + np.minimum(place, left - 1)
            reaction = sessions.react(active, sorted_items[at])
            asked = place < left
            choice_probability[order[at[asked]]] = reaction.choice_probability[asked]
            rating[order[at[asked]]] = reaction.rating[asked]
            if progress is not None:
                progress(int(asked.sum()))
    return PairReactions(choice_probability, rating)


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
