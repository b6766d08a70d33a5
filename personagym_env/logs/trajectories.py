"""Logs as trajectories of turns: what was shown, taken and rated, and how satisfied the user was after each turn.

Shapes: d decisions.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.files import replacing
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import LoggedSessions
from personagym_env.session.kernel import Dynamics
from personagym_env.world import World


def turn_satisfaction(decisions: LoggedDecisions, dynamics: Dynamics) -> FloatArray:
    """(d,) float32 latent satisfaction after each decision, by the rule of the kernel, which follows from the log.

    Raises:
        ValueError: users return, so that satisfaction depends on the days away, which a log does not hold.
    """
    if dynamics.parameters.returning.max_sessions > 1:
        raise ValueError(
            "satisfaction by turn is told of episodes of one session: in longer ones it depends on the days that users "
            f"were away, and this world has up to {dynamics.parameters.returning.max_sessions:g} sessions"
        )
    law = dynamics.parameters.satisfaction
    taken = decisions.click_place >= 0
    place = np.minimum(np.searchsorted(dynamics.scale, decisions.rating), len(dynamics.scale) - 1)
    target = taken * dynamics.normalised_rating[place]
    pull = np.where(taken, np.float32(law.rate), np.float32(law.miss_rate))
    level, found = np.full(decisions.n_episodes, law.initial, np.float32), np.empty(len(decisions), np.float32)
    length = np.diff(np.append(decisions.first, len(decisions)))
    for turn in range(int(length.max(initial=0))):
        going = np.flatnonzero(length > turn)
        rows = decisions.first[going] + turn
        level[going] += pull[rows] * (target[rows] - level[going])
        found[rows] = level[going]
    return found


def export_trajectories(log: LoggedSessions, world: World, path: str | Path, episodes: int | None = None) -> int:
    """Write a log as JSON lines, one episode each, as simulators of conversations exchange them.

    An episode has `episode`, `user` and `item` ids of the source, the user's `attributes`, `turns` and `left`: whether
    the user left, or was cut off. A turn has `slate`, `taken` and `rating`, which are null for none, `satisfaction`
    after it in 0..1, and `reward`.

    Args:
        log: of slates in this world.
        world: that it was collected in.
        path: of the file.
        episodes: write the first so many alone; None for all.

    Returns:
        How many episodes were written.

    Raises:
        ValueError: the log has other users or items than the world, its contents are wrong, or users return.
    """
    ours, theirs = (world.train.n_users, world.train.n_items), (log.header.n_users, log.header.n_items)
    if ours != theirs:
        raise ValueError(f"the log has {theirs[0]} users and {theirs[1]} items, the world {ours[0]} and {ours[1]}")
    written = 0
    with replacing(Path(path)) as scratch, scratch.open("w", encoding="utf-8") as file:
        for trajectory in _trajectories(log, world):
            if written == episodes:
                break
            file.write(json.dumps(trajectory, ensure_ascii=False, allow_nan=False) + "\n")
            written += 1
    return written


def _trajectories(log: LoggedSessions, world: World) -> Iterator[dict[str, Any]]:
    for batch in log.batches():
        satisfaction = turn_satisfaction(batch, world.dynamics)
        for begin, end in zip(batch.first, np.append(batch.first[1:], len(batch)), strict=True):
            turns = [_turn(batch, row, world.dataset, float(satisfaction[row])) for row in range(begin, end)]
            user = int(batch.user[begin])
            yield {
                "episode": int(batch.episode[begin]),
                "user": world.dataset.users.ids[user],
                "attributes": {name: column[user] for name, column in world.dataset.users.attributes.items()},
                "turns": turns,
                "left": bool(batch.terminated[end - 1]),
            }


def _turn(batch: LoggedDecisions, row: int, dataset: Dataset, satisfaction: float) -> dict[str, Any]:
    ids, taken = dataset.catalogue.ids, int(batch.item[row])
    return {
        "slate": [ids[item] for item in batch.slate[row]],
        "taken": ids[taken] if taken >= 0 else None,
        "rating": float(batch.rating[row]) if taken >= 0 else None,
        "satisfaction": round(satisfaction, 6),
        "reward": float(batch.reward[row]),
    }
