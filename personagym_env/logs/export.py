"""Logs for other libraries: Minari data sets for offline reinforcement learning, RecBole's atomic files."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from personagym_env.data.export import write_atomic_files
from personagym_env.data.tables import Dataset, FloatArray, Interactions
from personagym_env.env import action_space, observation_space
from personagym_env.logs.decisions import LoggedDecisions
from personagym_env.logs.sessions import LoggedSessions
from personagym_env.logs.trajectories import turn_satisfaction
from personagym_env.protocols import NO_ITEM
from personagym_env.world import World


def export_minari(log: LoggedSessions, dataset_id: str, world: World, episodes: int | None = None) -> Any:
    """Write a log as a Minari data set, where Minari keeps its data sets (`MINARI_DATASETS_PATH`).

    Observations and actions have the spaces of `PersonaRec-v0`. `infos` hold, for each decision, `propensity`, `prefix`
    and `marginal` of the slate, `click_place`, and `satisfaction` after it where episodes are single sessions; Minari
    wants infos for the last observation too, where they are 0 and -1. Minari keeps a folder for each episode, so this
    is for thousands of episodes, not for millions.

    Args:
        log: of slates in this world.
        dataset_id: Minari's name for it, such as `personagym/ease-v0`.
        world: that the log was collected in, for spaces and profiles.
        episodes: write the first so many alone; None for all.

    Returns:
        The `minari.MinariDataset`.

    Raises:
        ImportError: Minari is missing.
        ValueError: the log does not fit the world, its contents are wrong, or the name is taken.
    """
    try:
        import minari
    except ImportError as error:
        raise ImportError("this export needs Minari: pip install 'personagym[offline]'") from error
    _check_world(log, world)
    with warnings.catch_warnings():
        # Minari would like to know author, code and environment, which nobody has told this function.
        warnings.filterwarnings("ignore", message=".* (is set to|is) None")
        return minari.create_dataset_from_buffers(
            dataset_id,
            buffer=cast(Any, _buffers(log, world, episodes)),  # annotated as a list; written one by one
            observation_space=observation_space(world, log.header.history_length),
            action_space=action_space(world, log.header.slate_size),
            algorithm_name=log.header.policy,
            description=f"Decisions of {log.header.policy} with {log.header.world}, with their propensities.",
            data_format="parquet",
            jpeg_encoding=False,
        )


def _check_world(log: LoggedSessions, world: World) -> None:
    ours, theirs = (world.train.n_users, world.train.n_items), (log.header.n_users, log.header.n_items)
    if ours != theirs:
        raise ValueError(f"the log has {theirs[0]} users and {theirs[1]} items, the world {ours[0]} and {ours[1]}")


def _buffers(log: LoggedSessions, world: World, episodes: int | None) -> Iterator[Any]:
    """An `EpisodeBuffer` for each episode."""
    space = observation_space(world, log.header.history_length)
    written = 0
    for batch in log.batches():
        before = dict(batch.observation(world.profiles, log.header.history_length))
        after = dict(batch.next_observation(world.profiles, log.header.history_length))
        ends = np.append(batch.first[1:], len(batch))
        single = world.parameters.returning.max_sessions <= 1
        satisfaction = turn_satisfaction(batch, world.dynamics) if single else None
        for begin, end in zip(batch.first, ends, strict=True):
            if written == episodes:
                return
            rows = slice(int(begin), int(end))
            observations = {
                name: np.concatenate([np.asarray(before[name])[rows], np.asarray(after[name])[end - 1 : end]])
                for name in space.spaces
            }
            typed = {name: _as(space[name], value) for name, value in observations.items()}
            yield _buffer(batch, rows, typed, None if satisfaction is None else satisfaction[rows])
            written += 1


def _as(space: spaces.Space[Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values.astype(space.dtype)


def _buffer(batch: LoggedDecisions, rows: slice, observations: dict[str, Any], satisfaction: FloatArray | None) -> Any:
    from minari.data_collector import EpisodeBuffer

    joint, prefix, marginal, _ = (part[rows] for part in batch.propensities)

    def closed(values: Any, last: float) -> Any:
        """With an entry for the last observation, and at least two axes."""
        column = np.asarray(values, np.float64).reshape(len(values), -1)
        return np.concatenate([column, np.full((1, column.shape[1]), last)])

    return EpisodeBuffer(
        observations=observations,
        actions=list(batch.slate[rows]),
        rewards=batch.reward[rows].tolist(),
        terminations=batch.terminated[rows].tolist(),
        truncations=batch.truncated[rows].tolist(),
        infos={
            "propensity": closed(joint, 0),
            "prefix": closed(prefix, 0),
            "marginal": closed(marginal, 0),
            "click_place": closed(batch.click_place[rows], -1),
            **({} if satisfaction is None else {"satisfaction": closed(satisfaction, 0)}),
        },
    )


def consumed(log: LoggedSessions, dataset: Dataset) -> Dataset:
    """What users took in a log, as a data set of ratings: users and items of another one, timestamps in row order.

    A user who took an item in several episodes has its last rating.

    Raises:
        ValueError: the log has other users or items, or nobody took anything.
    """
    if (log.header.n_users, log.header.n_items) != (len(dataset.users), len(dataset.catalogue)):
        raise ValueError(
            f"the log has {log.header.n_users} users and {log.header.n_items} items, the data set "
            f"{len(dataset.users)} and {len(dataset.catalogue)}"
        )
    users, items, ratings, times = [], [], [], []
    begin = 0
    for batch in log.batches():
        took = np.flatnonzero(batch.item != NO_ITEM)
        users.append(batch.user[took])
        items.append(batch.item[took])
        ratings.append(batch.rating[took])
        times.append(begin + took)
        begin += len(batch)
    user, item, rating, time = (np.concatenate(column) for column in (users, items, ratings, times))
    if not len(user):
        raise ValueError("nobody took anything in this log")
    pair = user * len(dataset.catalogue) + item
    _, last = np.unique(pair[::-1], return_index=True)
    kept = len(pair) - 1 - last
    interactions = Interactions.from_columns(
        user[kept],
        item[kept],
        rating[kept],
        time[kept],
        n_users=len(dataset.users),
        n_items=len(dataset.catalogue),
        scale=dataset.interactions.scale,
    )
    return Dataset(f"{dataset.name}-log", dataset.catalogue, dataset.users, interactions)


def export_atomic(log: LoggedSessions, dataset: Dataset, folder: str | Path) -> Path:
    """Write what users took in a log as RecBole's atomic files; see `consumed` and `write_atomic_files`."""
    return write_atomic_files(consumed(log, dataset), folder)
