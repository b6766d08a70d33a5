"""The tables of instructions."""

from collections.abc import Iterator

from personagym_env.evaluation.instructions.board import FIGURES, Instructions
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


def tables(found: Instructions) -> Iterator[Table]:
    """What wishes tell of the next rows, and what it is worth to follow them."""
    yield predictions_table(found)
    yield listeners_table(found)
    yield differences_table(found)


def predictions_table(found: Instructions) -> Table:
    """Every part of a wish against the base rate and against the wish of another user."""
    columns = (
        name_column("part of the wish"),
        Column("users", "users"),
        Column("own", "next rows"),
        Column("base", "base rate"),
        Column("swapped", "another's wish"),
        Column("over_base", "over base"),
        Column("over_swapped", "over another's"),
    )
    rows = (
        Row(
            (
                Cell(one.part),
                Cell(one.users, ",.0f"),
                *(Cell(getattr(one, column.key), ".3f") for column in columns[2:]),
            )
        )
        for one in found.predictions
    )
    note = f"{found.users} users {found.agent} at the end of their training rows; 95 % intervals over users."
    return Table.plain("Do wishes tell what comes next?", columns, rows, note)


def listeners_table(found: Instructions) -> Table:
    """Every way of listening."""
    columns = (name_column("recommender"), *(figure.column(key) for key, figure in FIGURES.items()))
    rows = (
        Row((Cell(one.name), *(Cell(one.figures[key], figure.form) for key, figure in FIGURES.items())))
        for one in found.listeners
    )
    return Table.plain("What listening is worth", columns, rows)


def differences_table(found: Instructions) -> Table:
    """What one way of listening has more than another."""
    columns = (
        words_column("figure", "figure"),
        name_column("recommender"),
        words_column("other", "less"),
        Column("value", "difference"),
    )
    rows = (
        Row((Cell(FIGURES[key].title), Cell(one.left), Cell(one.right), Cell(one.value, ".3f")))
        for key, differences in found.differences.items()
        for one in differences
    )
    return Table.plain("Differences, user by user", columns, rows)
