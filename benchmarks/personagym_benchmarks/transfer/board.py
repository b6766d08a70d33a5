"""What a transfer study found: a row per data set and population, and the tables of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column

MEASURES = ("rmse", "mae", "nll", "auc")
MEASURE_COLUMNS = (
    Column("rmse", "RMSE", meaning="Root mean square error of expected ratings.", good="low"),
    Column("mae", "MAE", meaning="Mean absolute error of expected ratings.", good="low"),
    Column("nll", "NLL", unit="nats", meaning="Mean surprise at the real rating.", good="low"),
    Column("auc", "choice AUC", meaning="Chance that a held-out item is wanted more than an unseen one.", good="high"),
)


@dataclass(frozen=True)
class TransferRow:
    """One population on one log."""

    population: str
    figures: Mapping[str, Interval]
    """rmse and mae in rating points, nll in nats, auc in 0..1; a floor may lack some."""
    setup_seconds: float | None
    """Processor seconds of fitting, linking and loading; None for floors that need none."""
    answer_seconds: float | None
    """Processor seconds of all answers."""


@dataclass(frozen=True)
class TransferBoard:
    """All populations on one log."""

    dataset: str
    description: str
    """Which rows are training rows, in words."""
    train_rows: int
    held_out_rows: int
    """That were asked about."""
    users: int
    """Who were asked."""
    users_without_choices: int
    """Who have held-out rows and too few unseen items, so that nothing is asked about their choices."""
    rows: tuple[TransferRow, ...]
    differences: Mapping[str, Mapping[str, Interval]]
    """Other population to measure to the last population's figure less its own, paired over users."""


@dataclass(frozen=True, kw_only=True)
class Transfer(Result):
    """All logs."""

    KIND: ClassVar[str] = "transfer study"
    FORMAT: ClassVar[int] = 1
    COMMAND: ClassVar[str] = "personagym transfer"

    boards: tuple[TransferBoard, ...]


def transfer_tables(study: Transfer) -> Iterator[Table]:
    """Figures of each log, and how far the last population is from the others."""
    for board in study.boards:
        yield _figures(board)
        yield _differences(board)


def _figures(board: TransferBoard) -> Table:
    note = (
        f"{board.description}: {board.train_rows:,}. {board.held_out_rows:,} held-out rows of {board.users:,} users "
        f"were asked about; {board.users_without_choices:,} of them have too few unseen items for questions about "
        "choices. 95 % intervals over users."
    )
    seconds = Column("setup", "set-up", unit="CPU s"), Column("answers", "answers", unit="CPU s")

    def line(row: TransferRow) -> Row:
        times = (Cell(value, ".1f") for value in (row.setup_seconds, row.answer_seconds))
        return Row((Cell(row.population), *_cells(row.figures), *times))

    columns = (name_column("users"), *MEASURE_COLUMNS, *seconds)
    return Table.plain(f"{board.dataset}: answers on held-out rows", columns, map(line, board.rows), note)


def _differences(board: TransferBoard) -> Table:
    last = board.rows[-1].population
    lines = (Row((Cell(f"{last} less {other}"), *_cells(found))) for other, found in board.differences.items())
    columns = (name_column("users"), *MEASURE_COLUMNS)
    return Table.plain(f"{board.dataset}: differences", columns, lines, "Paired over users; 95 % intervals.")


def _cells(figures: Mapping[str, Interval]) -> Iterator[Cell]:
    return (Cell(figures.get(name)) for name in MEASURES)
