"""The border: checks what a reader found and turns it into a `Dataset`. Nothing bad passes, nothing goes silently."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from personagym_env.data.readers.columns import Columns, find_column, need_column
from personagym_env.data.readers.items import build_catalogue
from personagym_env.data.readers.scale import checked_scale, infer_scale, snap_to_scale
from personagym_env.data.readers.table import Table
from personagym_env.data.readers.times import read_times
from personagym_env.data.tables import BoolArray, Catalogue, Dataset, FloatArray, IntArray, Interactions, Users
from personagym_env.text import one_line

Unknown = Literal["error", "drop"]
"""What to do with log rows whose item or user is missing from the items or users file."""


def build_dataset(
    name: str,
    log: Table,
    items: Table | None = None,
    users: Table | None = None,
    *,
    columns: Columns,
    genre_separator: str = "|",
    scale: Sequence[float] | None = None,
    unknown: Unknown = "error",
) -> Dataset:
    """Check the tables of one source and bind them.

    Ids stay text; internal ids follow their numeric order where all are whole numbers, else their order as text.
    Without an items or users table, the catalogue or the users are those of the log. Dropped and counted in
    `Dataset.dropped`: exact duplicate rows, all but the last rating of a (user, item) pair, users without a rating and,
    with `unknown="drop"`, log rows of unknown items and users.

    Raises:
        DataError: names file, line and column, what was expected and what came.
        ValueError: an option is out of range.
    """
    if unknown not in ("error", "drop"):
        raise ValueError(f"unknown must be 'error' or 'drop', got {unknown!r}")
    dropped: Counter[str] = Counter()
    items = None if items is None else _distinct(items, columns.item, "item rows", dropped)
    users = None if users is None else _distinct(users, columns.user, "user rows", dropped)
    item_codes, item_ids = _match(log, columns.item, items, unknown)
    user_codes, user_ids = _match(log, columns.user, users, unknown)
    ratings, grid = _ratings(log, columns.rating, scale)
    times = _timestamps(log, columns.timestamp)

    known = _count_unknown(item_codes, user_codes, dropped)
    keep = _last_of_each_pair(user_codes, item_codes, ratings, times, len(item_ids), known, dropped)
    if not len(keep):
        raise log.error("expected at least one usable row, got none")
    rated = np.unique(user_codes[keep])
    dropped["users without ratings"] += len(user_ids) - len(rated)
    kept_ids = [user_ids[code] for code in rated]
    item_order, item_rank = _internal_order(item_ids)
    user_order, user_rank = _internal_order(kept_ids)
    catalogue = _catalogue(item_ids, item_order, items, columns, genre_separator, dropped)
    interactions = Interactions.from_columns(
        users=user_rank[np.searchsorted(rated, user_codes[keep])],
        items=item_rank[item_codes[keep]],
        ratings=ratings[keep],
        timestamps=None if times is None else times[keep],
        n_users=len(kept_ids),
        n_items=len(item_ids),
        scale=grid,
    )
    final_users = Users(tuple(kept_ids[i] for i in user_order), _attributes(users, columns.user, rated[user_order]))
    return Dataset(
        one_line(name) or "data", catalogue, final_users, interactions, {key: n for key, n in dropped.items() if n}
    )


def _id_codes(table: Table, column: str) -> tuple[IntArray, list[str]]:
    """The (n,) position of each row's id in the list of distinct ids, and that list; white space around ids is dropped.

    Raises:
        DataError: an id is empty.
    """
    codes, texts = table.codes(need_column(table, column, "ids"))
    bare = [text.strip() for text in texts]
    if (empty := np.array([not text for text in bare], np.bool_)[codes]).any():
        raise table.error("expected an id, got an empty field", row=int(np.argmax(empty)), column=column)
    padded = np.array([given != kept for given, kept in zip(texts, bare, strict=True)], np.bool_)[codes]
    if padded.any():
        row = int(np.argmax(padded))
        table.note(f"white space around ids is dropped, first around {bare[codes[row]]!r}", row=row, column=column)
        place = {text: number for number, text in enumerate(dict.fromkeys(bare))}
        codes, texts = np.array([place[text] for text in bare], np.int64)[codes], list(place)
    return codes, texts


def _distinct(table: Table, column: str, what: str, dropped: Counter[str]) -> Table:
    """The table with one row per id; exact repetitions are dropped and counted, contradictions are an error."""
    codes, texts = _id_codes(table, column)
    repeated = pd.Series(codes).duplicated().to_numpy()
    if not repeated.any():
        return table
    exact = table.frame.duplicated().to_numpy()
    if (repeated & ~exact).any():
        row = int(np.argmax(repeated & ~exact))
        first = table.line_of(int(np.argmax(codes == codes[row])))
        message = f"expected one row per id, got {texts[codes[row]]!r} again with other content (first in line {first})"
        raise table.error(message, row=row, column=column)
    dropped[f"duplicate {what}"] += int(exact.sum())
    rows = np.flatnonzero(~exact)
    return Table(table.frame.iloc[rows].reset_index(drop=True), table.source, lambda row: table.line_of(int(rows[row])))


def _match(log: Table, column: str, entities: Table | None, unknown: Unknown) -> tuple[IntArray, list[str]]:
    """The (n,) row of `entities` that each log row means, -1 for none, and the ids of `entities`.

    Without `entities`, the ids are the distinct ones of the log.
    """
    codes, texts = _id_codes(log, column)
    if entities is None:
        return codes, texts
    entity_codes, entity_texts = _id_codes(entities, column)
    ids = [entity_texts[code] for code in entity_codes]
    place = {text: row for row, text in enumerate(ids)}
    rows = np.asarray([place.get(text, -1) for text in texts], np.int64)[codes]
    if unknown == "error" and (rows < 0).any():
        row = int(np.argmax(rows < 0))
        hint = "unknown='drop' leaves such rows out"
        message = f"expected an id that {entities.source} has, got {texts[codes[row]]!r}; {hint}"
        raise log.error(message, row=row, column=column)
    return rows, ids


def _ratings(log: Table, column: str, scale: Sequence[float] | None) -> tuple[FloatArray, tuple[float, ...]]:
    values = log.numbers(need_column(log, column, "ratings, which are required"), "a rating").astype(np.float64)
    stored = _stored(values, log, column)
    grid = infer_scale(stored, log, column) if scale is None else checked_scale(scale)
    return snap_to_scale(values, grid, log, column), grid


def _stored(ratings: FloatArray, log: Table, column: str) -> FloatArray:
    """The (n,) ratings as the log holds them, in 32 bits: what differs in 64 alone is one rating.

    Raises:
        DataError: a rating is too large for 32 bits.
    """
    largest = float(np.finfo(np.float32).max)
    if (off := np.abs(ratings) > largest).any():
        row = int(np.argmax(off))
        raise log.error(f"expected a rating of at most {largest:.2g}, got {ratings[row]:g}", row=row, column=column)
    return ratings.astype(np.float32).astype(np.float64)


def _timestamps(log: Table, given: str | None) -> IntArray | None:
    column = find_column(log, given, "timestamp")
    return None if column is None else read_times(log, column)


def _count_unknown(items: IntArray, users: IntArray, dropped: Counter[str]) -> BoolArray:
    dropped["rows of unknown items"] += int((items < 0).sum())
    dropped["rows of unknown users"] += int(((users < 0) & (items >= 0)).sum())
    return np.asarray((items >= 0) & (users >= 0))


def _last_of_each_pair(
    users: IntArray,
    items: IntArray,
    ratings: FloatArray,
    times: IntArray | None,
    n_items: int,
    known: BoolArray,
    dropped: Counter[str],
) -> IntArray:
    """The log rows that stay, ascending: known, and the last by time (then by place in the source) of their pair."""
    rows = np.flatnonzero(known)
    pairs = users[rows] * n_items + items[rows]
    if len(pd.unique(pairs)) == len(pairs):
        return rows
    moments = np.zeros(len(rows), np.int64) if times is None else times[rows]
    frame = pd.DataFrame({"pair": pairs, "rating": ratings[rows], "time": moments, "row": rows})
    once = frame.drop_duplicates(["pair", "rating", "time"])
    last = once.sort_values("time", kind="stable").drop_duplicates("pair", keep="last")
    dropped["duplicate rows"] += len(frame) - len(once)
    dropped["earlier ratings of a pair"] += len(once) - len(last)
    return np.sort(last["row"].to_numpy())


def _internal_order(ids: Sequence[str]) -> tuple[IntArray, IntArray]:
    """The positions of the ids in internal order, and the internal id of each position."""
    if all(text.isascii() and text.isdigit() for text in ids):
        # By value, without making numbers of them: Python refuses that of ids of thousands of digits.
        digits = [text.lstrip("0") for text in ids]
        order = sorted(range(len(ids)), key=lambda i: (len(digits[i]), digits[i], ids[i]))
    else:
        order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), np.int64)
    rank[order] = np.arange(len(ids))
    return np.asarray(order, np.int64), rank


def _catalogue(
    ids: Sequence[str],
    order: IntArray,
    items: Table | None,
    columns: Columns,
    genre_separator: str,
    dropped: Counter[str],
) -> Catalogue:
    def column_of(role: str, given: str | None) -> list[str] | None:
        if items is None or (name := find_column(items, given, role)) is None:
            return None
        return [str(text) for text in items.text(name)[order]]

    catalogue, bad_years = build_catalogue(
        [ids[i] for i in order],
        column_of("title", columns.title),
        column_of("year", columns.year),
        column_of("genres", columns.genres),
        genre_separator,
    )
    dropped["release years that are no year"] += bad_years
    return catalogue


def _attributes(users: Table | None, id_column: str, rows: IntArray) -> dict[str, tuple[str, ...]]:
    """Every column of the users table but the id, as text."""
    if users is None:
        return {}
    names = [str(name) for name in users.frame.columns if name != id_column]
    return {name: tuple(users.text(name)[rows]) for name in names}
