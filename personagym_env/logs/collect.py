"""Collects a log: a stochastic recommender meets simulated users, and every decision is kept with its propensities.

A part is played and written at a time, so memory does not grow with the log, and a part depends on nothing but the
header and its number: a log that was cut short goes on where it stopped, and ends up with the same bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.files import write_atomically
from personagym_env.logs.episodes import play_part
from personagym_env.logs.parts import part_bytes, part_path, read_header
from personagym_env.logs.schema import LogHeader, pyarrow_module
from personagym_env.protocols import StochasticRecommender
from personagym_env.session.batched_episodes import BatchedEpisodes
from personagym_env.session.parameters import RewardWeights
from personagym_env.workers import ThreadWorkers, Workers
from personagym_env.world import World

ROWS = 1_024
"""Rows of the vector environment that play at once, unless told otherwise."""
EPISODES_PER_ROW = 8
"""Episodes of a row in one part."""

Progress = Callable[[int], None]


class _Played(NamedTuple):
    """What all parts of a log share."""

    policy: StochasticRecommender
    world: World
    header: LogHeader


class _Part(NamedTuple):
    """A part that is to be played."""

    number: int
    episodes: IntArray
    """(n,) episodes of each of its rows."""


def collect(
    policy: StochasticRecommender,
    world: World,
    folder: Path,
    *,
    episodes: int,
    policy_fingerprint: str,
    slate_size: int = SLATE_SIZE,
    history_length: int = HISTORY_LENGTH,
    max_episode_steps: int | None = MAX_EPISODE_STEPS,
    seed: int = 0,
    rows: int = ROWS,
    episodes_per_row: int = EPISODES_PER_ROW,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> LogHeader:
    """Play episodes and write them into part files of a folder; parts that are there are not played again.

    Args:
        policy: fitted on the world's training rows.
        world: whose users react.
        folder: of the log, made if it does not exist.
        episodes: how many; more than a finished log has make it longer.
        policy_fingerprint: of the fitted policy, by which readers know it again.
        slate_size: places k of a slate.
        history_length: steps that the policy looks back.
        max_episode_steps: longest episode.
        seed: row i of part p is seeded with `seed + p * rows + i`.
        rows: of the vector environment.
        episodes_per_row: in a part.
        workers: play parts side by side; None for a thread per core. Users of a language model have threads of their
            own, so one worker is best for them.
        progress: told how many episodes have been written or found.

    Returns:
        The log's header.

    Raises:
        ValueError: nothing to play, the folder holds another log, or the policy shows an item twice in a slate.
        ImportError: pyarrow is missing.
    """
    pyarrow_module()
    if min(episodes, rows, episodes_per_row) < 1:
        raise ValueError(
            f"expected at least 1 episode, row and episode per row, got {episodes, rows, episodes_per_row}"
        )
    weights = world.parameters.reward
    header = LogHeader(
        policy=policy.name,
        policy_fingerprint=policy_fingerprint,
        world=f"{world.dataset.name}, {world.benchmark}",
        benchmark_hash=world.benchmark_hash or "",
        n_users=world.train.n_users,
        n_items=world.train.n_items,
        scale=world.train.scale,
        slate_size=slate_size,
        history_length=history_length,
        max_episode_steps=max_episode_steps,
        reward_range=reward_range(weights, slate_size),
        clicks_earn=not any((weights.leave, weights.empty, weights.retention)),
        seed=seed,
        rows=rows,
        episodes_per_row=episodes_per_row,
    )
    told = progress or (lambda episodes: None)
    parts = []
    for number, begin in enumerate(range(0, episodes, rows * episodes_per_row)):
        part = _Part(number, _episodes_of_part(header, episodes - begin))
        if _is_there(part_path(folder, number), header, int(part.episodes.sum())):
            told(int(part.episodes.sum()))
        else:
            parts.append(part)
    for place, content in (workers or ThreadWorkers()).done(_play, _Played(policy, world, header), parts):
        write_atomically(part_path(folder, parts[place].number), content)
        told(int(parts[place].episodes.sum()))
    return header


def _play(played: _Played, part: _Part) -> bytes:
    """Play a part; gives its file."""
    policy, world, header = played
    sessions = BatchedEpisodes(
        world,
        len(part.episodes),
        slate_size=header.slate_size,
        history_length=header.history_length,
        max_episode_steps=header.max_episode_steps,
    )
    columns = play_part(policy, world, sessions, header.seed + part.number * header.rows, part.episodes)
    columns["episode"] += part.number * header.rows * header.episodes_per_row
    return part_bytes(header, columns)


def _episodes_of_part(header: LogHeader, left: int) -> IntArray:
    """(n,) episodes of each row of a part, so many being left to play: rows are filled one after the other."""
    begins = np.arange(header.rows) * header.episodes_per_row
    return np.minimum(left - begins[begins < left], header.episodes_per_row)


def _is_there(path: Path, header: LogHeader, episodes: int) -> bool:
    """Whether a part has been written with all its episodes.

    Raises:
        ValueError: the file belongs to another log, or is damaged.
    """
    if not path.exists():
        return False
    found = read_header(path)
    if found != header:
        different = [name for name in vars(header) if getattr(found, name) != getattr(header, name)]
        raise ValueError(f"{path} belongs to another log, with another {', '.join(different)}: choose another folder")
    table = pyarrow_module("pyarrow.parquet").read_table(path, columns=["terminated", "truncated"])
    ends = np.asarray(table["terminated"]) | np.asarray(table["truncated"])
    if ends.sum() > episodes:
        raise ValueError(f"{path} has {ends.sum()} episodes, more than the {episodes} asked for: choose another folder")
    return int(ends.sum()) == episodes


def reward_range(weights: RewardWeights, slate_size: int) -> tuple[float, float]:
    """What a step can earn at least and at most, each component on its own."""
    ends = [
        (0.0, weights.rating),
        (0.0, weights.click),
        (0.0, weights.leave),
        (0.0, weights.empty * slate_size),
        (0.0, weights.retention),
    ]
    return sum(min(pair) for pair in ends), sum(max(pair) for pair in ends)
