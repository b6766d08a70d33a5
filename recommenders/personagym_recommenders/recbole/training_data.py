"""What RecBole is given: a log as atomic files, and each row's sequence of items."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from personagym_env.data.tables import BoolArray, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation


def write_training_files(log: Interactions, genres: BoolArray, folder: Path) -> None:
    """Write the rows as RecBole's atomic files, with internal ids as tokens.

    All users and items are listed, so that those without rows are known too. A row's timestamp is its rank among its
    user's rows: RecBole keeps times in 32-bit floats, which cannot tell the seconds of a session apart.

    Args:
        log: training rows, and no others.
        genres: (m, g)
        folder: made by this function; its name is the name of the files.
    """
    folder.mkdir(parents=True)
    columns = zip(log.users.tolist(), log.items.tolist(), log.ratings.tolist(), log.rank_in_user.tolist(), strict=True)
    rows = (f"{user}\t{item}\t{rating:g}\t{time}" for user, item, rating, time in columns)
    _write_lines(folder, "inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", rows)
    _write_lines(folder, "user", "user_id:token", (str(user) for user in range(log.n_users)))
    # RecBole's own MovieLens files call the genres "class", and its feature models look for that name. Each combination
    # of genres is one token, because RecBole reads lists of tokens in a way that pandas 3 has taken away.
    words = ("-".join(str(genre) for genre in np.flatnonzero(row)) or "none" for row in genres)
    _write_lines(folder, "item", "item_id:token\tclass:token", (f"{item}\t{word}" for item, word in enumerate(words)))


def _write_lines(folder: Path, kind: str, header: str, lines: Iterator[str]) -> None:
    (folder / f"{folder.name}.{kind}").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def session_sequences(log: Interactions, observation: Observation, length: int) -> IntArray:
    """Each row's last `length` items, training rows first, then the session's.

    Returns:
        (n, length) item ids, oldest first, `NO_ITEM` after the last.
    """
    users = observation["user"]
    stop = log.indptr[users + 1][:, None]
    index = stop - length + np.arange(length)  # (n, length) the user's last rows
    inside = index >= log.indptr[users][:, None]
    before = np.full(index.shape, NO_ITEM, np.int64)
    before[inside] = log.items[index[inside]]
    both = np.concatenate([before, observation["history_items"]], axis=1)
    front = np.take_along_axis(both, np.argsort(both == NO_ITEM, axis=1, kind="stable"), axis=1)
    first = np.maximum((both != NO_ITEM).sum(axis=1) - length, 0)
    return np.take_along_axis(front, first[:, None] + np.arange(length), axis=1)
