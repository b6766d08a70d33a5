"""The tables of the transfer study."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from personagym_benchmarks.transfer.board import Comparison, CurvePoint, Transfer, TransferBoard, TransferRow
from personagym_benchmarks.transfer.verdicts import verdict_table
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Section, Table, name_column

MEASURES = (
    Column("rmse", "RMSE", meaning="Root mean square error of expected ratings.", good="low"),
    Column("mae", "MAE", meaning="Mean absolute error of expected ratings.", good="low"),
    Column("nll", "NLL", unit="nats", meaning="Mean surprise at the real rating.", good="low"),
    Column("ece", "ECE", meaning="Gap of chance and outcome, mean over rating steps.", good="low"),
    Column("auc", "choice AUC", meaning="Chance that a held-out item is wanted more than an unseen one.", good="high"),
    Column("tau", "tau", meaning="Kendall's tau with the real order of recommenders.", good="high"),
)
_SECONDS = (
    Column("training_seconds", "training", unit="s"),
    Column("setup_seconds", "set-up", unit="CPU s"),
    Column("answer_seconds", "answers", unit="CPU s"),
)


def transfer_tables(study: Transfer) -> Iterator[Table]:
    """Figures of each log, how far the compared populations are from the others, and what the study was after."""
    for board in study.boards:
        yield figures_table(board, board.answers, "answers on held-out rows")
        yield differences_table(board, board.answers, "differences")
        for what, part in (("cold items", board.cold_items), ("users of up to 5 ratings", board.few_ratings)):
            if part is not None:
                yield figures_table(board, part, what)
                yield differences_table(board, part, f"{what}, differences")
    yield verdict_table(study)


def figures_table(board: TransferBoard, part: Comparison, what: str) -> Table:
    """Every population, in sections by kind."""
    columns = [column for column in MEASURES if any(column.key in row.figures for row in part.rows)]
    seconds = [column for column in _SECONDS if any(getattr(row, column.key) is not None for row in part.rows)]

    def line(row: TransferRow) -> Row:
        times = (Cell(getattr(row, column.key), ".1f") for column in seconds)
        return Row((Cell(row.name), *_cells(row.figures, columns), *times))

    sections = (
        Section(tuple(line(row) for row in part.rows if row.kind == kind)) for kind in ("floor", "users", "control")
    )
    filled = tuple(section for section in sections if section.rows)
    return Table(f"{board.dataset}: {what}", (name_column("users"), *columns, *seconds), filled, _note(board, part))


def differences_table(board: TransferBoard, part: Comparison, what: str) -> Table:
    """One population less another."""
    columns = [column for column in MEASURES if any(column.key in one.figures for one in part.differences)]
    lines = (Row((Cell(f"{one.left} – {one.right}"), *_cells(one.figures, columns, ".4f"))) for one in part.differences)
    head = name_column("left less right")
    return Table.plain(
        f"{board.dataset}: {what}", (head, *columns), lines, f"Paired over {part.clusters}; 95 % intervals."
    )


def overview_table(study: Transfer, part: Literal["answers", "cold_items", "few_ratings"]) -> Table:
    """One part of all logs: floors and users, a section for each log."""
    parts = {board.dataset: getattr(board, part) for board in study.boards}
    keys = {key for found in parts.values() if found is not None for row in found.rows for key in row.figures}
    columns = [column for column in MEASURES if column.key in keys]
    sections = (
        Section(
            tuple(
                Row(
                    (Cell(f"{name}: {row.name}"), *_cells(row.figures, columns)), "floor" if row.kind == "floor" else ""
                )
                for row in found.rows
                if row.kind != "control"
            ),
            name,
        )
        for name, found in parts.items()
        if found is not None
    )
    return Table(part.replace("_", " "), (name_column("data set and users"), *columns), tuple(sections))


def controls_table(study: Transfer) -> Table:
    """What is left of zero-shot users who are told less, log by log."""
    rows = (
        Row((Cell(f"{board.dataset}: {row.name}"), *_cells(row.figures, MEASURES)))
        for board in study.boards
        for row in board.answers.rows
        if row.kind == "control"
    )
    return Table.plain("Controls of zero-shot users", (name_column("data set and control"), *MEASURES), rows)


def curves_table(study: Transfer, curve: Literal["known", "size"]) -> Table:
    """RMSE of everybody at each place of a curve, log by log; the plots have the intervals."""
    points = [(board.dataset, point) for board in study.boards for point in getattr(board, curve)]
    names = list(dict.fromkeys(name for _, point in points for name in point.figures))
    at, form = ("known ratings", ".0f") if curve == "known" else ("share of the users", ".0%")
    columns = (name_column("data set"), Column("at", at), Column("rows", "held-out rows"))
    rows = (
        Row((Cell(dataset), Cell(point.at, form), Cell(point.held_out_rows, ","), *_errors(point, names)))
        for dataset, point in points
    )
    return Table.plain(f"RMSE by {at}", (*columns, *(Column(name, name, good="low") for name in names)), rows)


def _errors(point: CurvePoint, names: Iterable[str]) -> Iterator[Cell]:
    for name in names:
        found = point.figures.get(name, {}).get("rmse")
        yield Cell(None if found is None else found.value, ".3f")


def _note(board: TransferBoard, part: Comparison) -> str:
    told = [
        f"{board.description}: {part.train_rows:,}. {part.held_out_rows:,} held-out rows of {part.users:,} "
        f"{part.clusters} were asked about; 95 % intervals over {part.clusters}."
    ]
    if part is board.answers:
        told.append(f"{board.users_without_choices:,} of them have too few unseen items for questions about choices.")
        if board.line_up is not None:
            told.append(
                f"Tau: {len(board.line_up.recommenders)} recommenders pick {board.line_up.picks} of each of "
                f"{board.line_up.users:,} users' held-out items."
            )
        told += [f"Left out, {what}: {why}." for what, why in board.left_out.items()]
    return " ".join(told)


def _cells(figures: Mapping[str, Interval], columns: Iterable[Column], form: str = ".3f") -> Iterator[Cell]:
    return (Cell(figures.get(column.key), form) for column in columns)
