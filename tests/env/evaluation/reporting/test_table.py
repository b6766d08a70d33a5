"""One table value, and what each renderer makes of it."""

import math
from io import StringIO

import pytest
from rich.console import Console

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.html import make_environment
from personagym_env.evaluation.reporting.markdown import markdown
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column, words_column
from personagym_env.evaluation.reporting.terminal import rich_table

NAN = math.nan
HOSTILE = "<b>|[red]\x1b[31m\nname"
TABLE = Table(
    "a title",
    (
        name_column("users"),
        Column("rmse", "RMSE", unit="points", meaning="An error.", good="low"),
        words_column("winner", "its winner"),
    ),
    (
        Section((Row((Cell("floor"), Cell(Interval(1.25, NAN, NAN)), Cell(None))),), "floors", "check"),
        Section(
            (
                Row((Cell(HOSTILE), Cell(Interval(-0.5, -1.0, 0.25), ".2f", emphasis="best"), Cell("b.c"))),
                Row(
                    (Cell("oracle", aside="reads us"), Cell(12345.678, ",.1f"), Cell("", aside="a tie")),
                    "reference",
                ),
                Row((Cell("nobody"), Cell(Interval(NAN, NAN, NAN)), Cell("-"))),
            )
        ),
    ),
    "a note",
)


def html(table: Table) -> str:
    template = '{% import "macros.html.j2" as m %}{{ m.grid(table) }}'
    return make_environment().from_string(template).render(table=table)


def terminal(table: Table) -> str:
    console = Console(width=120, file=StringIO(), record=True)
    console.print(rich_table(table))
    return console.export_text()


def test_markdown_has_figures_on_the_right_and_no_room_for_mischief() -> None:
    assert markdown(TABLE).splitlines() == [
        "| users | RMSE, points | its winner |",
        "| --- | ---: | --- |",
        "| floor | 1.250 | – |",
        "| <b>\\|[red] [31m name | **-0.50** (-1.00–0.25) | b.c |",
        "| *oracle* (reads us) | 12,345.7 |  (a tie) |",
        "| nobody | – | - |",
    ]


def test_the_terminal_shows_sections_asides_and_the_note() -> None:
    text = terminal(TABLE)
    for part in (
        "a title",
        "floors",
        "1.250",
        "-0.50 -1.00..0.25",
        "oracle reads us",
        "12,345.7",
        "a tie",
        "a note",
    ):
        assert part in text, part
    assert "[red]" in text  # names are no markup
    assert "nan" not in text


def test_html_escapes_marks_kinds_and_tells_the_good_end() -> None:
    text = html(TABLE)
    assert "&lt;b&gt;|[red]" in text
    assert "<b>" not in text
    assert '<th class="figures" title="An error.">RMSE, points ↓</th>' in text
    assert '<tr class="kind check"><td colspan="3"><span class="dot"></span>floors</td></tr>' in text
    assert '<td class="figures best"><span class="v">−0.50</span> <span class="ci">−1.00 to 0.25</span></td>' in text
    assert '<tr class="reference">' in text
    assert '<span class="v">-</span>' in text  # words keep their signs
    assert "nan" not in text
    assert (
        html(Table.plain("t", (name_column("x"),), [Row((Cell(Interval(0.5, 0.25, 0.75)),))])).count("0.250–0.750") == 1
    )


def test_columns_are_chosen_by_key() -> None:
    chosen = TABLE.select("winner", "name")
    assert [column.key for column in chosen.columns] == ["winner", "name"]
    assert chosen.rows[1].cells[1].text() == HOSTILE
    assert chosen.sections[0].title == "floors"
    with pytest.raises(KeyError):
        TABLE.select("mae")


def test_rows_fit_their_columns() -> None:
    with pytest.raises(ValueError, match=r"'t' of 1 columns has rows of \[2\] cells"):
        Table.plain("t", (name_column("x"),), [Row((Cell(1), Cell(2)))])
    with pytest.raises(ValueError, match="distinct keys"):
        Table.plain("t", (name_column("x"), name_column("y")), [])
