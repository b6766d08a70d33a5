"""The report's page with the fidelity board."""

from collections.abc import Iterator
from typing import Any

from personagym_env.evaluation.fidelity.board import FidelityBoard, FidelityReport
from personagym_env.evaluation.fidelity.plots import choose_rows, reliability_plot, share_plot
from personagym_env.evaluation.fidelity.tables import fidelity_tables
from personagym_env.evaluation.reporting.pages import Page, Plot


def fidelity_page(report: FidelityReport) -> Page:
    """Every protocol with its plots and tables."""
    return Page(
        "fidelity",
        "Fidelity",
        "Are simulated users like the people they stand for?",
        {"boards": [_board(board) for board in report.boards]},
        report.setting,
        report.environment,
    )


def _board(board: FidelityBoard) -> dict[str, Any]:
    return {"board": board, "plots": list(_plots(board)), "tables": list(fidelity_tables(board))}


def _plots(board: FidelityBoard) -> Iterator[Plot]:
    rows = choose_rows(board)
    if rows:
        caption = "Sampled and real ratings of the same pairs."
        yield Plot(share_plot(board, rows), "Share of each rating", caption)
    if any(row.reliability is not None for row in rows):
        caption = "On the dashed line chances come true; the area of a marker grows with the events behind it."
        yield Plot(reliability_plot(rows), "Reliability diagram", caption)
