"""MovieLens-100K as GroupLens gives it: `u.data`, `u.item`, `u.user`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.columns import Columns
from personagym_env.data.readers.delimited import read_delimited
from personagym_env.data.readers.table import Table
from personagym_env.data.tables import Dataset

_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""In the order of the last 19 columns of `u.item`, as its README and `u.genre` list them."""


def read_movielens_100k(
    folder: str | Path, *, name: str | None = None, scale: Sequence[float] | None = None, unknown: Unknown = "error"
) -> Dataset:
    """Read the folder `ml-100k`; `u.item` and `u.user` may be missing.

    Args:
        folder: holds `u.data`.
        name: of the data set; by default the folder's name.
        scale: the ratings that exist, ascending; by default inferred from the ratings.
        unknown: "error" or "drop" for log rows whose item or user is missing from `u.item` or `u.user`.

    Raises:
        DataError: a file is not what was expected.
    """
    folder = Path(folder).absolute()
    log_names = ("user_id", "item_id", "rating", "timestamp")
    user_names = ("user_id", "age", "gender", "occupation", "zip_code")
    log = read_delimited(
        folder / "u.data", separator="\t", names=log_names, numbers=("rating", "timestamp"), quoted=False
    )
    users = folder / "u.user"
    return build_dataset(
        folder.name if name is None else name,
        log,
        _items(folder / "u.item") if (folder / "u.item").exists() else None,
        read_delimited(users, separator="|", names=user_names, encoding="latin-1", quoted=False)
        if users.exists()
        else None,
        columns=Columns(),
        scale=scale,
        unknown=unknown,
    )


def _items(path: Path) -> Table:
    """The items, with the 19 columns of flags folded into one column of genres parted by "|"."""
    names = ("item_id", "title", "release_date", "video_release_date", "imdb_url", *_GENRES)
    table = read_delimited(path, separator="|", names=names, encoding="latin-1", quoted=False)
    flags = np.stack([table.text(genre) for genre in _GENRES], axis=1)  # (m, 19)
    bad = (flags != "0") & (flags != "1")
    if bad.any():
        row, place = np.argwhere(bad)[0]
        raise table.error(f"expected 0 or 1, got {flags[row, place]!r}", row=int(row), column=_GENRES[place])
    genres = ["|".join(genre for genre, flag in zip(_GENRES, row, strict=True) if flag == "1") for row in flags]
    frame = table.frame[["item_id", "title"]].assign(genres=pd.Categorical(genres))
    return Table(frame, table.source, table.line_of)
