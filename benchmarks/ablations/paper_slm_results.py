"""The paper's table with a pretrained small language model, as it goes into files, and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column


@dataclass(frozen=True)
class PaperRow:
    """One way to make users, on the held-out rows that all ways were asked about."""

    name: str
    rmse: Interval
    mae: Interval
    asked: int
    """Held-out rows that it was asked about."""
    unparsable: float | None
    """Share of freely generated answers that hold no rating; None where answers come from a closed set."""
    generated: int
    """Answers that were generated freely."""
    rows: int
    """Training rows of all adapters together; 0 without adapters."""
    minutes: float
    """Processor minutes of training and asking."""


@dataclass(frozen=True, kw_only=True)
class PaperSLM(Result):
    """The rows of the paper's table, and differences between pairs of them."""

    KIND = "the paper's table with a pretrained base"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/paper_slm.py"

    rows: tuple[PaperRow, ...]
    differences: Mapping[str, Interval]
    """`left - right` to the difference of their RMSE, over the rows that both were asked about."""


def paper_slm_table(found: PaperSLM) -> Table:
    """Every row that is done."""
    columns = (
        name_column("users"),
        Column("rmse", "RMSE"),
        Column("mae", "MAE"),
        Column("asked", "rows asked"),
        Column("urr", "URR, free answers"),
        Column("rows", "training rows"),
        Column("minutes", "processor minutes"),
    )
    ours = (
        Row(
            (
                Cell(row.name),
                Cell(row.rmse, ".3f"),
                Cell(row.mae, ".3f"),
                Cell(row.asked, ",d"),
                Cell(row.unparsable, ".1%"),
                Cell(row.rows or None, ",d"),
                Cell(row.minutes, ".1f"),
            )
        )
        for row in found.rows
    )
    return Table.plain("The paper's table with a pretrained base", columns, ours)


def differences_table(found: PaperSLM) -> Table:
    """Differences of RMSE; below 0 the first is better."""
    rows = (Row((Cell(name), Cell(value, ".4f"))) for name, value in found.differences.items())
    return Table.plain("Differences of RMSE", (name_column("users"), Column("rmse", "RMSE")), rows)
