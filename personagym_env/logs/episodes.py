"""Plays the episodes of one part of a log, on the rows of the vector environment.

Row i plays the episodes that row i of `PersonaRecVectorEnv` plays under the same seed, through autoresets. Shapes: n
rows, b live rows, d decisions, k slate places, h steps that a history looks back.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding

from personagym_env.data.tables import IntArray
from personagym_env.env import draw_key
from personagym_env.protocols import NO_ITEM, LoggingRecommender, Observation, Propensities, StochasticRecommender
from personagym_env.session.batched_episodes import BatchedEpisodes
from personagym_env.session.kernel import Place
from personagym_env.session.random import UIntArray
from personagym_env.world import World

Columns = dict[str, npt.NDArray[Any]]


def play_part(
    policy: StochasticRecommender,
    world: World,
    sessions: BatchedEpisodes,
    first_seed: int,
    episodes: IntArray,
) -> Columns:
    """Play so many episodes (n,) in each of the first n rows and give all decisions, sorted by row, episode and step.

    Args:
        policy: draws the slates.
        world: whose users react.
        sessions: with n rows or more; they are keyed and restarted here.
        first_seed: of row 0; row i is seeded with `first_seed + i`.
        episodes: (n,) episodes to play in each row, at least 1.

    Returns:
        Columns of d decisions by name; `episode` counts from 0 in this part, and `length` is the length of each of
        the histories, which stand one behind the other in `next_history_items` and `next_history_ratings`.

    Raises:
        ValueError: a slate has an item twice.
    """
    rows = np.arange(len(episodes))
    keys = [draw_key(seeding.np_random(first_seed + int(row))[0]) for row in rows]
    sessions.set_keys(rows, np.concatenate(keys))
    sessions.restart(rows)
    begins = np.cumsum(episodes) - episodes  # (n,) number of each row's first episode
    played = np.zeros_like(episodes)
    live, parts = rows, []
    while len(live):
        parts.append(_step(policy, world, sessions, live) | {"episode": begins[live] + played[live]})
        over = live[parts[-1]["terminated"] | parts[-1]["truncated"]]
        played[over] += 1
        again = over[played[over] < episodes[over]]
        if len(again):
            sessions.restart(again)
        live = live[played[live] < episodes[live]]
    return _sorted(parts)


def _step(policy: StochasticRecommender, world: World, sessions: BatchedEpisodes, live: IntArray) -> Columns:
    """One decision of rows (b,)."""
    observation = sessions.observe(live)
    slates, propensities = _decide(policy, observation, sessions.slate_size, sessions.policy_keys(live))
    step = sessions.advance(live, slates)
    if (repeated := step.outcome.places == Place.REPEATED).any():
        row, place = np.argwhere(repeated)[0]
        raise ValueError(f"{policy.name} showed item {slates[row, place]} twice in a slate: {slates[row].tolist()}")
    after = sessions.observe(live)
    length = np.minimum(observation["step"] + 1, sessions.history_length)
    kept = np.arange(sessions.history_length) >= sessions.history_length - length[:, None]
    took = step.outcome.item != NO_ITEM
    return {
        "user": observation["user"],
        "step": observation["step"],
        "session": sessions.describe(live, step)["session"],
        "slate": slates,
        "propensity": propensities.joint,
        "prefix": propensities.prefix,
        "marginal": propensities.marginal,
        "marginal_error": propensities.marginal_error,
        "click_place": step.outcome.place,
        "rating": np.where(took, world.dynamics.scale[step.outcome.rating], np.float32(0)),
        "reward": step.reward,
        **{f"reward_{name}": component for name, component in step.components.items()},
        "length": length,
        "next_history_items": after["history_items"][kept],
        "next_history_ratings": after["history_ratings"][kept],
        "terminated": step.terminated,
        "truncated": step.truncated & ~step.terminated,
    }


def _decide(
    policy: StochasticRecommender, observation: Observation, k: int, keys: UIntArray
) -> tuple[IntArray, Propensities]:
    if isinstance(policy, LoggingRecommender):
        return policy.draw_with_propensities(observation, k, keys)
    slates = np.asarray(policy.draw(observation, k, keys))
    return slates, policy.propensities(observation, slates)


def _sorted(parts: list[Columns]) -> Columns:
    """All decisions as columns, by episode and step."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["step"], columns["episode"]))
    ends = np.cumsum(columns["length"])
    picked = _ragged(ends - columns["length"], columns["length"], order)
    for name in columns:
        columns[name] = columns[name][picked if name.startswith("next_history") else order]
    return columns


def _ragged(starts: IntArray, lengths: IntArray, order: IntArray) -> IntArray:
    """Where the values of ragged rows stand, when the rows are taken in another order."""
    wanted = lengths[order]
    offset = np.repeat(starts[order] - (np.cumsum(wanted) - wanted), wanted)
    return np.asarray(offset + np.arange(len(offset)))
