"""Tables in Markdown, for the documentation."""

from personagym_env.evaluation.reporting.table import Cell, Row, Table
from personagym_env.text import one_line


def markdown(table: Table) -> str:
    """The table without its title and note; figures stand on the right."""
    head = [_escaped(column.head) for column in table.columns]
    rule = ["---:" if column.holds == "figures" else "---" for column in table.columns]
    rows = [[_cell(cell, row) if at == 0 else _cell(cell) for at, cell in enumerate(row.cells)] for row in table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])


def _cell(cell: Cell, row: Row | None = None) -> str:
    text, ends = _escaped(cell.text()), cell.ends()
    if row is not None and row.kind == "reference":
        text = f"*{text}*"
    if cell.emphasis:
        text = f"**{text}**"
    if ends:
        text += f" ({ends[0]}–{ends[1]})"
    return f"{text} ({_escaped(cell.aside)})" if cell.aside else text


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace("|", "\\|")
