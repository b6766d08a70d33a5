"""MovieLens-1M (and 10M) as GroupLens gives it: `ratings.dat`, `movies.dat`, `users.dat`, fields parted by `::`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.columns import Columns
from personagym_env.data.readers.delimited import read_delimited
from personagym_env.data.readers.table import Table
from personagym_env.data.tables import Dataset

_AGES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56 or older",
}
_OCCUPATIONS = (
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service"),
    *("doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer"),
    *("retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman"),
    *("unemployed", "writer"),
)
"""Codes of `users.dat`, from the README of MovieLens-1M."""


def read_movielens_1m(
    folder: str | Path, *, name: str | None = None, scale: Sequence[float] | None = None, unknown: Unknown = "error"
) -> Dataset:
    """Read a folder of `.dat` files; `movies.dat` and `users.dat` may be missing (10M has no users).

    The codes for age and occupation are spelled out.

    Args:
        folder: holds `ratings.dat`.
        name: of the data set; by default the folder's name.
        scale: the ratings that exist, ascending; by default inferred from the ratings.
        unknown: "error" or "drop" for log rows whose item or user is missing from `movies.dat` or `users.dat`.

    Raises:
        DataError: a file is not what was expected.
    """
    folder = Path(folder).absolute()
    movies, users = folder / "movies.dat", folder / "users.dat"
    log_names = ("user_id", "item_id", "rating", "timestamp")
    item_names = ("item_id", "title", "genres")
    return build_dataset(
        folder.name if name is None else name,
        read_delimited(
            folder / "ratings.dat", separator="::", names=log_names, numbers=("rating", "timestamp"), quoted=False
        ),
        read_delimited(movies, separator="::", names=item_names, encoding="latin-1", quoted=False)
        if movies.exists()
        else None,
        _users(users) if users.exists() else None,
        columns=Columns(),
        scale=scale,
        unknown=unknown,
    )


def _users(path: Path) -> Table:
    names = ("user_id", "gender", "age", "occupation", "zip_code")
    table = read_delimited(path, separator="::", names=names, encoding="latin-1", quoted=False)
    frame = table.frame.copy()
    occupations = {str(code): text for code, text in enumerate(_OCCUPATIONS)}
    for column, meaning in (("age", _AGES), ("occupation", occupations)):
        codes = table.text(column)
        for row, code in enumerate(codes):
            if code not in meaning:
                raise table.error(
                    f"expected one of the codes {sorted(meaning, key=int)}, got {code!r}", row=row, column=column
                )
        frame[column] = pd.Categorical([meaning[code] for code in codes])
    return Table(frame, table.source, table.line_of)
