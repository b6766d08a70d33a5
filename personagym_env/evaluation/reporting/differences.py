"""The table of differences."""

from collections.abc import Iterable

from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


def differences_table(differences: Iterable[Difference], what: str) -> Table:
    """What each policy has more than another.

    Args:
        differences: one for each row.
        what: is compared, such as "return".
    """
    columns = name_column("policy"), words_column("other", "less"), Column("value", f"difference of {what}")
    rows = (Row((Cell(one.left), Cell(one.right), Cell(one.value, ".2f"))) for one in differences)
    return Table.plain("Differences, session by session", columns, rows)
