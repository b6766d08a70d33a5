"""pandas frames: ratings, and items and users where they exist."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.cells import read_text
from personagym_env.data.readers.columns import USUAL, Columns
from personagym_env.data.readers.items import LIST_SEPARATOR
from personagym_env.data.readers.table import DataError, Table
from personagym_env.data.tables import Dataset
from personagym_env.text import listed, one_line


def read_frame(
    ratings: pd.DataFrame,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    *,
    name: str = "frame",
    columns: Mapping[str, str] | None = None,
    scale: Sequence[float] | None = None,
    unknown: Unknown = "error",
) -> Dataset:
    """Build a data set from frames; the frames are not changed.

    Args:
        ratings: columns `user_id`, `item_id`, `rating` and, if known, `timestamp` (seconds since 1970, or datetimes,
            taken to the second; finer units and dates as text are converted with a `DataWarning`).
        items: column `item_id` and, if known, title, year and genres (text parted by "|", or lists, tuples, sets or
            arrays of text, as Parquet gives them).
        users: column `user_id`; every other column becomes an attribute as text.
        name: of the data set.
        columns: roles (fields of `Columns`) to column names, where they are not the usual ones.
        scale: the ratings that exist, ascending; by default inferred from the ratings.
        unknown: "error" or "drop" for rows whose item or user is missing from `items` or `users`.

    Raises:
        DataError: names frame, row (its place, counted from 0) and column.
    """
    roles = Columns().with_names(columns)
    return build_dataset(
        name,
        _table(ratings, "frame 'ratings'", roles, roles.log_numbers),
        None if items is None else _table(items, "frame 'items'", roles),
        None if users is None else _table(users, "frame 'users'", roles),
        columns=roles,
        scale=scale,
        unknown=unknown,
    )


def _table(frame: pd.DataFrame, source: str, columns: Columns, raw: Collection[str] = ()) -> Table:
    """The frame with text in all columns but those that are `raw`, which the checks of numbers and times judge."""
    if not len(frame):
        raise DataError(source, "expected rows, got none")
    names = [one_line(str(name)).split(":")[0] for name in frame.columns]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(source, f"expected distinct column names, got {listed(doubled)} more than once")
    found = {name: frame.iloc[:, place].reset_index(drop=True) for place, name in enumerate(names)}
    given = Table(pd.DataFrame(found), source, lambda row: row)
    joints: dict[str, str | None] = {columns.user: None, columns.item: None}
    joints |= dict.fromkeys((columns.genres,) if columns.genres else USUAL["genres"], LIST_SEPARATOR)
    texts = {name: found[name] if name in raw else read_text(given, name, joints.get(name, "|")) for name in names}
    return replace(given, frame=pd.DataFrame(texts))
