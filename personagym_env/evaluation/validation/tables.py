"""The tables of a validation: what logs look like, how far they are from the held-out one, and how they came about."""

import math
from collections.abc import Iterator, Mapping

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.looks import SOURCES
from personagym_env.evaluation.reporting.table import (
    Cell,
    Column,
    Emphasis,
    Row,
    Section,
    Table,
    name_column,
    words_column,
)
from personagym_env.evaluation.validation.board import AspectBoard, Source, Validation

DISTANCE_TITLES = {
    "ks": "KS",
    "w1": "Wasserstein-1",
    "tv": "total variation",
    "largest gap": "largest gap",
    "mean gap": "mean gap",
}
"""What each distance goes by."""
_WITH_UNIT = frozenset({"w1", "mean gap"})


def validation_tables(validation: Validation) -> Iterator[Table]:
    """Levels and distances of all sources in all respects, and the sources."""
    yield levels_table(validation)
    yield distances_table(validation)
    yield sources_table(validation)


def levels_table(validation: Validation) -> Table:
    """What sums each log up in each respect."""
    compared = [source for source in validation.sources if source.kind != "halves"]

    def line(board: AspectBoard) -> Row:
        form = ".1f" if board.level.value >= 10 else ".3f"
        cells = (Cell(board.row(source.name).level, form) for source in compared)
        return Row((Cell(board.aspect.level), Cell(board.level, form), *cells))

    note = (
        f"{validation.users:,} users, {validation.rows:,} held-out rows; 95 % intervals over users. Concentration has "
        "none: a resample holds fewer distinct users and is more concentrated than the sample."
    )
    columns = (name_column("respect"), Column("held-out", "real, held out"), *map(_source_column, compared))
    return Table.plain(
        f"{validation.dataset}: what the logs look like", columns, (line(board) for board in validation.aspects), note
    )


def distances_table(validation: Validation, *, main: bool = False, form: str = ".3f") -> Table:
    """How far each log is from the held-out one.

    Args:
        validation: the comparison.
        main: whether each respect has its main distance alone.
        form: how distances are written.
    """
    users = [source.name for source in validation.sources if source.kind == "users"]

    def line(board: AspectBoard, way: str, *, first: bool) -> Row:
        found = {source.name: board.row(source.name).distances[way] for source in validation.sources}
        nearest = min((found[one].value for one in users if not math.isnan(found[one].value)), default=math.nan)
        cells = (Cell(gap, form, emphasis=_emphasis(found, one, users, nearest)) for one, gap in found.items())
        return Row((Cell(board.aspect.title if first else ""), Cell(_title(board, way)), *cells))

    note = (
        "0 is the same. 95 % intervals over users, which reach as far down as the bootstrap reaches up, because noise "
        "only adds to a distance; of two halves, the mean over random halvings and where 95 % of them lie. Emphasised: "
        "the nearest of the simulated users."
    )
    return Table(
        f"{validation.dataset}: distance from the held-out log",
        (name_column("respect"), words_column("distance", "distance"), *map(_source_column, validation.sources)),
        tuple(
            Section(
                tuple(
                    line(board, way, first=at == 0)
                    for at, way in enumerate(board.aspect.distances[: 1 if main else None])
                )
            )
            for board in validation.aspects
        ),
        note,
    )


def _emphasis(found: Mapping[str, Interval], one: str, users: list[str], nearest: float) -> Emphasis:
    return "best" if one in users and found[one].value == nearest else ""


def sources_table(validation: Validation) -> Table:
    """What each log is."""
    columns = (
        name_column("log"),
        words_column("kind", "what it is"),
        Column("origin", "how it came about", "prose"),
        Column("rows", "rows"),
        Column("sessions", "sessions"),
    )
    return Table.plain("The logs", columns, (_source(source) for source in validation.sources))


def _source(source: Source) -> Row:
    return Row(
        (
            Cell(source.name),
            Cell(SOURCES[source.kind]),
            Cell(source.description),
            Cell(source.rows, ",d"),
            Cell(source.sessions, ",d"),
        )
    )


def _source_column(source: Source) -> Column:
    return Column(f"source {source.name}", source.name)


def _title(board: AspectBoard, way: str) -> str:
    """What a distance is called, with the unit if it has one."""
    unit = board.aspect.unit
    return f"{DISTANCE_TITLES[way]}, {unit}" if unit and way in _WITH_UNIT else DISTANCE_TITLES[way]
