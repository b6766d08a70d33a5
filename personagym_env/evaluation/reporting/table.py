"""A table as a value: what stands in it and what that means, for the renderers `terminal`, `markdown` and `html`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from personagym_env.evaluation.core.statistics import Interval

NOTHING = "–"
"""Stands where there is no figure."""
Good = Literal["high", "low"]
"""Which end of a figure is the better one."""
Holds = Literal["figures", "name", "words", "prose"]
"""What stands in a column: figures on the right; the name of the row; a few words; or sentences, which are wrapped."""
Emphasis = Literal["", "best", "own", "flip"]
"""The best of its column; the judge's own class; a verdict that is another one."""
RowKind = Literal["", "floor", "reference", "tie"]
"""A row that others have to pass, one outside the comparison, and one whose lead over the next may be chance."""


@dataclass(frozen=True)
class Cell:
    """What one row has in one column."""

    content: str | float | Interval | None
    """Words, or a figure; None or NaN where there is none."""
    form: str = ".3f"
    """How figures are written, for `format`."""
    aside: str = ""
    """Said less prominently behind the content."""
    emphasis: Emphasis = ""

    def text(self) -> str:
        """The content without its interval."""
        if isinstance(self.content, str):
            return self.content
        value = self.content.value if isinstance(self.content, Interval) else self.content
        return NOTHING if value is None or math.isnan(value) else format(value, self.form)

    def ends(self) -> tuple[str, str] | None:
        """The ends of the interval; None where there is none."""
        content = self.content
        if not isinstance(content, Interval) or math.isnan(content.value) or math.isnan(content.low):
            return None
        return format(content.low, self.form), format(content.high, self.form)


@dataclass(frozen=True)
class Column:
    """What a column is about."""

    key: str
    """What `Table.select` calls it."""
    title: str
    holds: Holds = "figures"
    unit: str = ""
    meaning: str = ""
    """One sentence for those who have not met it."""
    good: Good | None = None

    @property
    def head(self) -> str:
        """The title, with the unit if there is one."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


@dataclass(frozen=True)
class Row:
    """One line."""

    cells: tuple[Cell, ...]
    """One per column."""
    kind: RowKind = ""


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    rows: tuple[Row, ...]
    title: str = ""
    kind: str = ""
    """A kind of judge, which gives the colour; empty for none."""


@dataclass(frozen=True)
class Table:
    """A table; each row has a cell for every column.

    Raises:
        ValueError: a row has more or fewer cells than there are columns, or two columns have one key.
    """

    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    note: str = ""
    """Said below the table."""

    def __post_init__(self) -> None:
        if len({column.key for column in self.columns}) != len(self.columns):
            raise ValueError(f"columns need distinct keys, got {[column.key for column in self.columns]}")
        widths = {len(row.cells) for row in self.rows} - {len(self.columns)}
        if widths:
            raise ValueError(f"table {self.title!r} of {len(self.columns)} columns has rows of {sorted(widths)} cells")

    @classmethod
    def plain(cls, title: str, columns: Iterable[Column], rows: Iterable[Row], note: str = "") -> "Table":
        """A table of one section."""
        return cls(title, tuple(columns), (Section(tuple(rows)),), note)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all sections."""
        return tuple(row for section in self.sections for row in section.rows)

    def select(self, *keys: str) -> "Table":
        """The table with some of its columns, in that order.

        Raises:
            KeyError: no column has that key.
        """
        place = {column.key: at for at, column in enumerate(self.columns)}
        chosen = [place[key] for key in keys]
        sections = (
            replace(
                section, rows=tuple(replace(row, cells=tuple(row.cells[at] for at in chosen)) for row in section.rows)
            )
            for section in self.sections
        )
        return replace(self, columns=tuple(self.columns[at] for at in chosen), sections=tuple(sections))


def name_column(title: str, key: str = "name") -> Column:
    """The column of the rows' names."""
    return Column(key, title, "name")


def words_column(key: str, title: str) -> Column:
    """A column of a few words."""
    return Column(key, title, "words")
