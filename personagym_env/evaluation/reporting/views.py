"""What the pages of the report are made of: figures as people read them, grids of cells, and pages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from personagym_env.evaluation.core.statistics import Interval

NOTHING = "–"
"""Stands where there is no figure."""


class Cell(NamedTuple):
    """One cell of a grid."""

    text: str
    range: str = ""
    """The interval, shown less prominently."""
    style: str = ""
    """Classes for the style sheet: `n` for names, `t` for words, `b` for what breaks after dots and underscores,
    `best`, `own`, `flip`."""


class Line(NamedTuple):
    """One line of a grid."""

    cells: Sequence[Cell]
    style: str = ""
    """`kind` for a heading over the lines below, with one cell that spans all columns."""


@dataclass(frozen=True)
class Grid:
    """A table; the first column holds names."""

    heads: Sequence[Cell]
    """In the head of a cell `range` is what the title bubble says."""
    lines: Sequence[Line]
    title: str = ""
    note: str = ""
    """Below the table."""


class Tile(NamedTuple):
    """A figure that stands out."""

    kind: str
    """Class for the style sheet: a kind of judge."""
    figure: str
    what: str
    between: str


class Plot(NamedTuple):
    """A drawing."""

    svg: str
    label: str
    """For people who do not see it."""
    caption: str = ""
    wide: bool = False
    """Whether its words are too small for half of the width of a page."""


@dataclass(frozen=True)
class Page:
    """One page of the report."""

    name: str
    """Anchor, and name of the template `page_NAME.html.j2`."""
    tab: str
    """What the navigation calls it."""
    title: str
    content: Mapping[str, Any]
    """What the template is given."""
    setting: Mapping[str, Any] = field(default_factory=dict)
    """What one has to know to run it again."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """From `environment_snapshot`."""


def number(value: float, digits: int = 3) -> str:
    """A number as tables show it: enough digits to compare, no more; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits if abs(value) < 10 else 1}f}"
    return text.replace("-", "−")


def digits(value: float, significant: int = 3) -> str:
    """A number to so many significant digits."""
    return f"{value:.{significant}g}".replace("-", "−")


def estimate(interval: Interval | None, digits: int = 3, style: str = "") -> Cell:
    """A figure with its interval."""
    if interval is None or math.isnan(interval.value):
        return Cell(NOTHING, style=style)
    if math.isnan(interval.low):
        return Cell(number(interval.value, digits), style=style)
    between = "–" if interval.low >= 0 else " to "
    return Cell(
        number(interval.value, digits), f"{number(interval.low, digits)}{between}{number(interval.high, digits)}", style
    )


def between(interval: Interval, digits: int = 2) -> str:
    """The interval in words."""
    return f"95 % in {number(interval.low, digits)} to {number(interval.high, digits)}"


def words(text: str) -> Cell:
    """A cell of words."""
    return Cell(text, style="t")


def name(text: str) -> Cell:
    """The first cell of a line."""
    return Cell(text, style="t n")


def heads(first: str, others: Iterable[str]) -> tuple[Cell, ...]:
    """The head of a grid whose other columns hold numbers."""
    return (Cell(first, style="t"), *(Cell(text) for text in others))


def kind_line(title: str, style: str = "") -> Line:
    """A heading over the lines below."""
    return Line((Cell(title),), f"kind {style}".strip())


def told(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {told(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(told(entry) for entry in value)
    return str(value)
