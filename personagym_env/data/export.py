"""Data sets written as RecBole's atomic files, the exchange format."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from personagym_env.data.tables import Catalogue, Dataset
from personagym_env.files import replacing


def write_atomic_files(dataset: Dataset, folder: str | Path) -> Path:
    """Write `.inter`, `.item` and `.user` files that RecBole and `read_atomic` read.

    RecBole wants files that are named like their folder, so the folder's name names them: `write_atomic_files(data,
    "work/films")` writes `work/films/films.inter` and so on, which RecBole loads as the data set "films" from the data
    path "work". Each file appears complete or not at all. Fields are quoted where they hold tabs, quotes or line
    breaks. Spaces part the genres of an item, so a space inside the name of a genre is written as a no-break space,
    which `read_atomic` turns back. A year that is unknown is an empty field.

    Args:
        dataset: what to write.
        folder: made if it does not exist.

    Returns:
        The prefix of the files, `work/films/films`.

    Raises:
        ValueError: a user attribute cannot be a column because its name is empty, holds a colon or is `user_id`.
    """
    folder = Path(folder).absolute()
    prefix = folder / folder.name
    for name in dataset.users.attributes:
        if not name.strip() or ":" in name or name == "user_id":
            raise ValueError(f"expected attribute names without colon other than 'user_id' and '', got {name!r}")
    folder.mkdir(parents=True, exist_ok=True)
    _write(prefix.with_name(f"{prefix.name}.item"), *_items(dataset.catalogue))
    _write(prefix.with_name(f"{prefix.name}.user"), *_users(dataset))
    _write(prefix.with_name(f"{prefix.name}.inter"), *_log(dataset))
    return prefix


_Rows = tuple[Sequence[str], Iterable[Sequence[object]]]


def _items(catalogue: Catalogue) -> _Rows:
    genres = [name.replace(" ", "\xa0") for name in catalogue.genre_names]
    rows = (
        (item, title, year or "", " ".join(genres[g] for g in np.flatnonzero(flags)))
        for item, title, year, flags in zip(
            catalogue.ids, catalogue.titles, catalogue.years.tolist(), catalogue.genres, strict=True
        )
    )
    return ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"), rows


def _users(dataset: Dataset) -> _Rows:
    attributes = dataset.users.attributes
    header = ("user_id:token", *(f"{name}:token" for name in attributes))
    return header, zip(dataset.users.ids, *attributes.values(), strict=True)


def _log(dataset: Dataset) -> _Rows:
    log = dataset.interactions
    users = (dataset.users.ids[user] for user in log.users.tolist())
    items = (dataset.catalogue.ids[item] for item in log.items.tolist())
    ratings = (f"{log.scale[place]:.9g}" for place in log.rating_index.tolist())
    header = ("user_id:token", "item_id:token", "rating:float")
    if log.timestamps is None:
        return header, zip(users, items, ratings, strict=True)
    return (*header, "timestamp:float"), zip(users, items, ratings, log.timestamps.tolist(), strict=True)


def _quoted(text: str) -> str:
    """The text, quoted where it must be; `csv.writer` leaves a lone carriage return bare, which ends a line."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in '\t"\r\n') else text


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with replacing(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        for row in itertools.chain([header], rows):
            file.write("\t".join(_quoted(str(field)) for field in row) + "\n")
