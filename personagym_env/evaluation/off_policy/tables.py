"""The tables of the off-policy study."""

from collections.abc import Iterator

import numpy as np

from personagym_env.evaluation.off_policy.board import CellLine, OffPolicyBoard, OrderLine, Study
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


def tables(board: OffPolicyBoard) -> Iterator[Table]:
    """Policies and estimators of every study, then the goals."""
    for study in board.studies:
        yield _policies(study)
        for size in sorted({line.size for line in study.orders}):
            yield _estimators(study, size)
    yield goals_table(board)


def estimators_table(board: OffPolicyBoard, size: int) -> Table:
    """Every estimator of every study on logs of one size."""
    rows = (
        Row((Cell(study.users), Cell(study.mode), *cells))
        for study in board.studies
        for cells in _estimator_cells(study, size)
    )
    columns = (name_column("users"), words_column("mode", "logs"), *_ESTIMATOR_COLUMNS)
    return Table.plain(f"Estimators on logs of {size:,} decisions", columns, rows)


def goals_table(board: OffPolicyBoard) -> Table:
    """What was aimed at, and what was found."""
    columns = tuple(words_column(name, name) for name in ("goal", "aim", "found", "reached"))
    rows = (
        Row((Cell(goal.name), Cell(goal.aim), Cell(goal.found), Cell("yes" if goal.reached else "no")))
        for goal in board.goals
    )
    return Table.plain("goals", columns, rows)


def summary(study: Study, size: int) -> list[tuple[str, float, float, float, float, OrderLine]]:
    """Estimators on logs of a size, over the policies that the logging policy supports.

    Returns:
        Name, RMSE and absolute bias in shares of the range of true values, coverage, coverage of estimates without a
        warning, and how the estimator orders the policies.
    """
    truth = {line.name: line.truth for line in study.policies if line.supported}
    spread = max(truth.values()) - min(truth.values())
    found = []
    for order in study.orders:
        if order.size != size:
            continue
        cells = [cell for cell in study.cells if _belongs(cell, order, set(truth))]
        rmse = float(np.sqrt(np.mean([cell.rmse**2 for cell in cells]))) / spread
        bias = float(np.mean([abs(cell.bias) for cell in cells])) / spread
        coverage = float(np.mean([cell.coverage for cell in cells]))
        weight = np.array([cell.suffices for cell in cells])
        trusted = np.nan_to_num([cell.coverage_without_warning for cell in cells])
        without = float(weight @ trusted / weight.sum()) if weight.sum() and not np.isnan(coverage) else float("nan")
        found.append((order.estimator, rmse, bias, coverage, without, order))
    return found


def _belongs(cell: CellLine, order: OrderLine, policies: set[str]) -> bool:
    return cell.size == order.size and cell.estimator == order.estimator and cell.policy in policies


def _policies(study: Study) -> Table:
    columns = (
        name_column("policy"),
        Column("truth", "true value", meaning="Expected return of a session."),
        Column("error", "standard error", meaning="Of the true value; 0 where it was computed."),
        Column("overlap", "effective share", meaning="Share of the log's sessions that the policy's weights leave."),
        words_column("supported", "supported"),
    )
    rows = (
        Row(
            (
                Cell(line.name),
                Cell(line.truth, ".4f"),
                Cell(line.standard_error, ".4f"),
                Cell(line.overlap, ".1%"),
                Cell("yes" if line.supported else "no"),
            )
        )
        for line in study.policies
    )
    title = f"{study.users}, {study.mode}: policies, logged by {study.logging} (value {study.logging_value:.4f})"
    return Table.plain(title, columns, rows)


_ESTIMATOR_COLUMNS = (
    words_column("estimator", "estimator"),
    Column("rmse", "RMSE", unit="of the range", meaning="Root mean square error, over logs and policies."),
    Column("bias", "bias", unit="of the range", meaning="Mean absolute bias of a policy's estimates."),
    Column("coverage", "coverage", meaning="Share of 95 % intervals that hold the true value."),
    Column("trusted", "without warning", meaning="Coverage of estimates that come without a warning."),
    Column("tau", "tau", meaning="Kendall's tau with the true order, near neighbours not counted."),
    Column("regret", "regret", unit="of the range", meaning="Lost by deploying the estimated winner."),
)


def _estimator_cells(study: Study, size: int) -> Iterator[tuple[Cell, ...]]:
    """Cells of `_ESTIMATOR_COLUMNS` of each estimator."""
    for name, rmse, bias, coverage, without, order in summary(study, size):
        shares = (Cell(one, ".1%") for one in (rmse, bias, coverage, without))
        yield (Cell(name), *shares, Cell(order.tau, ".2f"), Cell(order.regret, ".1%"))


def _estimators(study: Study, size: int) -> Table:
    rows = (Row(cells) for cells in _estimator_cells(study, size))
    return Table.plain(f"{study.users}, {study.mode}: logs of {size:,} decisions", _ESTIMATOR_COLUMNS, rows)
