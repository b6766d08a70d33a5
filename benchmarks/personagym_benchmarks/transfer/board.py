"""What a transfer study found: a row per data set and population, and the tables of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.table import Table

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.tables import interval_cell

MEASURES = ("rmse", "mae", "nll", "auc")


@dataclass(frozen=True)
class TransferRow:
    """One population on one log."""

    population: str
    figures: Mapping[str, Interval]
    """rmse and mae in rating points, nll in nats, auc in 0..1; a floor may lack some."""
    setup_seconds: float | None
    """Of fitting, linking and loading; None for floors that need none."""
    answer_seconds: float | None
    """Of all answers."""


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
    """Figures and differences of each log."""
    for board in study.boards:
        caption = (
            f"{board.description}: {board.train_rows:,}. {board.held_out_rows:,} held-out rows of {board.users:,} "
            f"users were asked about; {board.users_without_choices:,} of them have too few unseen items for questions "
            "about choices. 95 % intervals over users"
        )
        table = Table(title=board.dataset, title_justify="left", caption=caption, caption_justify="left")
        for head in ("users", *MEASURES, "set-up, s", "answers, s"):
            table.add_column(head, justify="left" if head == "users" else "right")
        for row in board.rows:
            seconds = ("" if value is None else f"{value:.1f}" for value in (row.setup_seconds, row.answer_seconds))
            table.add_row(row.population, *_cells(row.figures), *seconds)
        last = board.rows[-1].population
        for number, (other, figures) in enumerate(board.differences.items()):
            if number == 0:
                table.add_section()
            table.add_row(f"{last} – {other}", *_cells(figures))
        yield table


def _cells(figures: Mapping[str, Interval]) -> Iterator[str]:
    return (str(interval_cell(figures[name])) if name in figures else "" for name in MEASURES)
