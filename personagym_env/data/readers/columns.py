"""Which column of a source plays which role."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from personagym_env.data.readers.table import Table
from personagym_env.text import listed


@dataclass(frozen=True)
class Columns:
    """Which columns of a source hold what. None means the usual names (see `USUAL`), where they exist."""

    user: str = "user_id"
    """Identifies the user, in the log and in the users file."""
    item: str = "item_id"
    """Identifies the item, in the log and in the items file."""
    rating: str = "rating"
    """The rating in the log."""
    timestamp: str | None = None
    """Whole seconds since 1970 in the log."""
    title: str | None = None
    """The item's title."""
    year: str | None = None
    """The item's year; without such a column a year at the end of the title, "Heat (1995)", is moved here."""
    genres: str | None = None
    """The item's genres, several in one field."""

    def with_names(self, names: Mapping[str, str] | None) -> "Columns":
        """These columns with some of them named otherwise.

        Raises:
            ValueError: a key is no field of `Columns`.
        """
        known = [field.name for field in fields(self)]
        if strange := sorted(set(names or {}) - set(known)):
            raise ValueError(f"columns may name {known}, got {strange}")
        return replace(self, **dict(names or {}))

    @property
    def log_numbers(self) -> tuple[str, ...]:
        """The columns of the log that hold numbers."""
        return (self.rating, *((self.timestamp,) if self.timestamp else USUAL["timestamp"]))


USUAL: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("timestamp",),
    "title": ("title", "movie_title", "name", "item_name"),
    "year": ("release_year", "year"),
    "genres": ("genres", "genre", "class", "categories"),
}
"""Names that are recognised without being given, the first that exists."""


def find_column(table: Table, given: str | None, role: str) -> str | None:
    """The column for a role: the one given, which must exist, else the first usual name that does, else None."""
    if given is not None:
        return need_column(table, given, role)
    return next((name for name in USUAL[role] if name in table.frame.columns), None)


def need_column(table: Table, column: str, role: str) -> str:
    """The column itself.

    Raises:
        DataError: the table has no such column; names those that it has.
    """
    if column not in table.frame.columns:
        raise table.error(f"expected a column {column!r} for the {role}, got the columns {listed(table.frame.columns)}")
    return column
