"""Validation in a terminal."""

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.leaderboard.tables import interval_cell
from personagym_env.evaluation.validation.board import HALVES, AspectBoard, Validation

DISTANCE_TITLES = {
    "ks": "KS",
    "w1": "Wasserstein-1",
    "tv": "total variation",
    "largest gap": "largest gap",
    "mean gap": "mean gap",
}
"""What each distance goes by."""


def validation_tables(validation: Validation) -> Iterator[Table]:
    """Levels, and distances, of all sources in all respects, for `rich.print`."""
    yield _levels(validation)
    yield _distances(validation)


def distance_title(board: AspectBoard, way: str) -> str:
    """What a distance is called, with the unit if it has one."""
    unit = board.aspect.unit
    return f"{DISTANCE_TITLES[way]}, {unit}" if unit and way in ("w1", "mean gap") else DISTANCE_TITLES[way]


def _start(title: str, caption: str, heads: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left")
    return table


def _levels(validation: Validation) -> Table:
    caption = f"{validation.users:,} users, {validation.rows:,} held-out rows; 95 % intervals over users"
    compared = [source.name for source in validation.sources if source.name != HALVES]
    table = _start(f"{validation.dataset}: what logs look like", caption, ("", "real, held out", *compared))
    for board in validation.aspects:
        digits = 1 if board.level.value >= 5 else 3
        cells = (interval_cell(board.row(source).level, digits) for source in compared)
        table.add_row(board.aspect.level, interval_cell(board.level, digits), *cells)
    return table


def _distances(validation: Validation) -> Table:
    caption = "0 is the same; 95 % intervals over users; the first column is what chance in the sample does"
    heads = ("", "distance", *(source.name for source in validation.sources))
    table = _start(f"{validation.dataset}: distance from the held-out log", caption, heads)
    for board in validation.aspects:
        for number, way in enumerate(board.aspect.distances):
            cells = (interval_cell(row.distances[way]) for row in board.rows)
            title = board.aspect.title if number == 0 else ""
            table.add_row(title, distance_title(board, way), *cells, end_section=way == board.aspect.distances[-1])
    return table
