"""Tables in a terminal."""

from rich.table import Table as RichTable
from rich.text import Text

from personagym_env.evaluation.reporting.table import NOTHING, Cell, Row, Table
from personagym_env.text import one_line

_STYLES = {"": "", "floor": "dim", "reference": "italic", "tie": ""}


def rich_table(table: Table) -> RichTable:
    """The table for `rich.print`; names are one line each, and never read as markup."""
    shown = RichTable(
        title=Text(one_line(table.title)), title_justify="left", title_style="bold", caption_justify="left"
    )
    shown.caption = Text(table.note) if table.note else None
    lines = [[_cell(cell, row) for cell in row.cells] for row in table.rows]
    for at, column in enumerate(table.columns):
        widest = max((line[at].cell_len for line in lines), default=0)
        figures = column.holds == "figures"
        # A head may be wrapped, a figure may not.
        shown.add_column(
            Text(column.head),
            justify="right" if figures else "left",
            no_wrap=column.holds == "name",
            min_width=widest if figures else None,
        )
    line = iter(lines)
    for section in table.sections:
        shown.add_section()
        if section.title:
            shown.add_row(Text(section.title, style="bold"))
        for _ in section.rows:
            shown.add_row(*next(line))
    return shown


def _cell(cell: Cell, row: Row) -> Text:
    """What stands in the cell, intervals and asides less prominently."""
    content, ends = one_line(cell.text()), cell.ends()
    style = "dim" if content == NOTHING else "bold" if cell.emphasis else _STYLES[row.kind]
    text = Text(content, style=style)
    for aside in (f"{ends[0]}..{ends[1]}" if ends else "", cell.aside):
        if aside:
            text.append(f" {aside}" if text else aside, style="dim")
    return text
