"""pandas frames: ratings, and items and users where they exist."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.columns import Columns
from personagym_env.data.readers.table import DataError, Table
from personagym_env.data.tables import Dataset


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
        ratings: columns `user_id`, `item_id`, `rating` and, if known, `timestamp` (seconds since 1970, or
                datetimes, taken to the second).
        items: column `item_id` and, if known, title, year and genres (text parted by "|", or lists).
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
        _table(ratings, "frame 'ratings'", roles.log_numbers),
        None if items is None else _table(items, "frame 'items'"),
        None if users is None else _table(users, "frame 'users'"),
        columns=roles,
        scale=scale,
        unknown=unknown,
    )


def _table(frame: pd.DataFrame, source: str, numbers: Collection[str] = ()) -> Table:
    if not len(frame):
        raise DataError(source, "expected rows, got none")
    names = [str(name).split(":")[0] for name in frame.columns]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(source, f"expected distinct column names, got {doubled} more than once")
    columns = {}
    for place, name in enumerate(names):
        series = frame.iloc[:, place].reset_index(drop=True)
        columns[name] = _numeric(series) if name in numbers else _text(series)
    return Table(pd.DataFrame(columns), source, lambda row: row)


def _numeric(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """Datetimes as seconds since 1970; the rest as it is, for the check of numbers to judge."""
    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series
    if series.isna().any():
        return series.astype(object)
    moments = pd.to_datetime(series, utc=True).dt.tz_localize(None)
    return pd.Series(moments.to_numpy("datetime64[s]").astype(np.int64))


def _text(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as categories of text; missing values are empty, lists are joined by "|"."""
    if series.dtype == object:
        series = series.map(lambda value: "|".join(map(str, value)) if isinstance(value, list | tuple | set) else value)
    if series.dtype.kind == "f" and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")  # whole numbers that missing values turned into floats
    codes, values = pd.factorize(series)
    texts, place = np.unique(np.asarray([*(str(value) for value in values), ""], object), return_inverse=True)
    return pd.Series(texts[place[codes]]).astype("category")
