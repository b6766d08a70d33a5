"""RecBole's atomic files: `<prefix>.inter`, and `<prefix>.item` and `<prefix>.user` where they exist."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from personagym_env.data.readers.border import Unknown, build_dataset
from personagym_env.data.readers.columns import Columns
from personagym_env.data.readers.delimited import read_delimited
from personagym_env.data.tables import Dataset


def read_atomic(
    prefix: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    scale: Sequence[float] | None = None,
    unknown: Unknown = "error",
) -> Dataset:
    """Read tab-separated atomic files, quoted like CSV, as RecBole reads them.

    Args:
        prefix: path without the suffix, for example `dataset/ml-100k/ml-100k`.
        name: of the data set; by default the last part of the prefix.
        columns: roles (fields of `Columns`) to column names, where they are not the usual ones.
        scale: the ratings that exist, ascending; by default inferred from the ratings.
        unknown: "error" or "drop" for log rows whose item or user is missing from `.item` or `.user`.

    Raises:
        DataError: a file is not what was expected.
    """
    prefix = Path(prefix)
    roles = Columns().with_names(columns)
    files = {suffix: prefix.with_name(f"{prefix.name}.{suffix}") for suffix in ("inter", "item", "user")}
    return build_dataset(
        prefix.name if name is None else name,
        read_delimited(files["inter"], separator="\t", numbers=roles.log_numbers),
        read_delimited(files["item"], separator="\t") if files["item"].exists() else None,
        read_delimited(files["user"], separator="\t") if files["user"].exists() else None,
        columns=roles,
        genre_separator=" ",
        scale=scale,
        unknown=unknown,
    )
