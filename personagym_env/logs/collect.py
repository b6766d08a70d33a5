"""Collects a log: a stochastic recommender meets simulated users, and every decision is kept with its propensities.

A part is played and written at a time, so memory does not grow with the log, and a part depends on nothing but the
header and its number: a log that was cut short goes on where it stopped, and ends up with the same bytes.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from personagym_env.data.tables import IntArray
from personagym_env.env import HISTORY_LENGTH, MAX_EPISODE_STEPS, SLATE_SIZE
from personagym_env.logs.episodes import play_part
from personagym_env.logs.parts import part_path, read_header, write_part
from personagym_env.logs.schema import LogHeader, pyarrow_module
from personagym_env.protocols import StochasticRecommender
from personagym_env.session.batched_episodes import BatchedEpisodes
from personagym_env.session.parameters import RewardWeights
from personagym_env.world import World

ROWS = 1_024
"""Rows of the vector environment that play at once, unless told otherwise."""
EPISODES_PER_ROW = 8
"""Episodes of a row in one part."""

Progress = Callable[[int], None]


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
    workers: int | None = None,
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
        workers: parts that are played side by side, each in a thread; None for one per core. Users of a language model
            have threads of their own, so 1 is best for them.
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
    begins = range(0, episodes, rows * episodes_per_row)
    with ThreadPoolExecutor(workers or _cores()) as threads:
        parts = [
            threads.submit(_play, policy, world, folder, header, number, episodes - begin)
            for number, begin in enumerate(begins)
        ]
        try:
            for part in as_completed(parts):
                if progress is not None:
                    progress(part.result())
                part.result()
        finally:
            threads.shutdown(cancel_futures=True)
    return header


def _play(policy: StochasticRecommender, world: World, folder: Path, header: LogHeader, number: int, left: int) -> int:
    """Play and write a part unless it is there, so many episodes being left from its first one on; gives how many."""
    path, wanted = part_path(folder, number), _episodes_of_part(header, left)
    if not _is_there(path, header, int(wanted.sum())):
        sessions = BatchedEpisodes(
            world,
            len(wanted),
            slate_size=header.slate_size,
            history_length=header.history_length,
            max_episode_steps=header.max_episode_steps,
        )
        columns = play_part(policy, world, sessions, header.seed + number * header.rows, wanted)
        columns["episode"] += number * header.rows * header.episodes_per_row
        write_part(path, header, columns)
    return int(wanted.sum())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
