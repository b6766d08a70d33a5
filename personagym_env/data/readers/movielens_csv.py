"""MovieLens since 20M (20M, 25M, 32M, latest, latest-small): `ratings.csv` and `movies.csv`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.columns import Columns
from personagym_env.data.readers.delimited import read_delimited
from personagym_env.data.tables import Dataset

_COLUMNS = Columns(user="userId", item="movieId")


def read_movielens_csv(
    folder: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    scale: Sequence[float] | None = None,
    unknown: Unknown = "error",
) -> Dataset:
    """Read a folder of `ratings.csv` and, where it exists, `movies.csv`.

    Args:
        folder: holds `ratings.csv`.
        name: of the data set; by default the folder's name.
        columns: roles (fields of `Columns`) to column names, where they are not MovieLens' own.
        scale: the ratings that exist, ascending; by default inferred from the ratings.
        unknown: "error" or "drop" for log rows whose item is missing from `movies.csv`.

    Raises:
        DataError: a file is not what was expected.
    """
    folder = Path(folder).absolute()
    roles = _COLUMNS.with_names(columns)
    movies = folder / "movies.csv"
    return build_dataset(
        folder.name if name is None else name,
        read_delimited(folder / "ratings.csv", separator=",", numbers=roles.log_numbers),
        read_delimited(movies, separator=",") if movies.exists() else None,
        columns=roles,
        scale=scale,
        unknown=unknown,
    )
