"""The table of interviews."""

from collections.abc import Iterator

from personagym_env.evaluation.interviews.board import FIGURES, Interviews
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column, words_column


def tables(found: Interviews) -> Iterator[Table]:
    """What is borne out, and what a chat model added."""
    yield statements_table(found)
    if found.spoken:
        yield spoken_table(found)


def statements_table(found: Interviews) -> Table:
    """Every kind of statement, before and after claims were thrown out."""
    columns = (
        name_column("statements", "kind"),
        words_column("voice", "words"),
        words_column("filter", "filter"),
        Column("claims", "claims"),
        Column("judged", "judged"),
        *(figure.column(key) for key, figure in FIGURES.items()),
    )
    rows = tuple(
        Row(
            (
                Cell(row.kind),
                Cell(row.voice),
                Cell("after" if row.filtered else "before"),
                Cell(row.claims, ",.0f"),
                Cell(row.judged, ",.0f"),
                *(Cell(getattr(row, key), ".2f") for key in FIGURES),
            )
        )
        for row in found.rows
    )
    note = f"{found.users} users {found.agent}; 95 % intervals over users."
    return Table("Are the words true?", columns, (Section(rows),), note)


def spoken_table(found: Interviews) -> Table:
    """What chat models said, and what of it was thrown out."""
    columns = (
        name_column("chat model"),
        Column("sentences", "sentences"),
        Column("without", "without a claim"),
        Column("claims", "claims"),
        Column("thrown", "claims thrown out"),
    )
    rows = (
        Row(
            (
                Cell(one.voice),
                *(Cell(n, ",.0f") for n in (one.sentences, one.without_claim, one.claims, one.thrown_out)),
            )
        )
        for one in found.spoken
    )
    return Table.plain("What chat models added", columns, rows)
