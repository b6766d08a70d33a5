"""The report's page with the fidelity board."""

from collections.abc import Iterator, Mapping
from typing import Any

from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.fidelity.board import FidelityBoard, FidelityReport
from personagym_env.evaluation.fidelity.plots import choose_rows, reliability_plot, share_plot
from personagym_env.evaluation.reporting.figures import DISTRIBUTION, FIDELITY, RATING, TASTE, Figure
from personagym_env.evaluation.reporting.views import Cell, Grid, Line, Page, Plot, estimate, heads, name, number

_COMPARED = ("rmse", "mae", "nll", "auc")


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
    return {"board": board, "plots": list(_plots(board)), "grids": list(_grids(board))}


def _plots(board: FidelityBoard) -> Iterator[Plot]:
    rows = choose_rows(board)
    if rows:
        caption = "Sampled and real ratings of the same pairs."
        yield Plot(share_plot(board, rows), "Share of each rating", caption)
    if any(row.reliability is not None for row in rows):
        caption = "On the dashed line chances come true; the area of a marker grows with the events behind it."
        yield Plot(reliability_plot(rows), "Reliability diagram", caption)


def _grids(board: FidelityBoard) -> Iterator[Grid]:
    yield _figures(board, "Ratings of held-out rows", RATING, "rmse")
    yield _shares(board)
    for kind, suffix in SUFFIX.items():
        among = "unseen items" if kind == "uniform" else "unseen items as popular as the real ones"
        shown = {key + suffix: figure for key, figure in TASTE.items() if key.startswith(("auc", "f1_", "choice_"))}
        yield _figures(board, f"Real items among {among}", shown, f"auc{suffix}")
    if board.differences:
        yield _differences(board)
    for by in dict.fromkeys(part.by for part in board.parts):
        yield _parts(board, by)


def _head(figure: Figure) -> Cell:
    """Title with an arrow to the good end; low ratings per real one have none, because 1 is right."""
    arrow = "" if figure is DISTRIBUTION["low"] else " ↑" if figure.higher_is_better else " ↓"
    return Cell(figure.title + arrow, figure.meaning)


def _figures(board: FidelityBoard, title: str, figures: Mapping[str, Figure], needed: str) -> Grid:
    rows = [row for row in board.rows if needed in row.figures]
    lines = [
        Line(
            (name(row.title), *(estimate(row.figures.get(key)) for key in figures)),
            "floor" if row.kind == "floor" else "",
        )
        for row in rows
    ]
    return Grid((Cell("users", style="t"), *(_head(figure) for figure in figures.values())), lines, title)


def _shares(board: FidelityBoard) -> Grid:
    def percent(share: float) -> Cell:
        return Cell(f"{share:.1%}")

    real = Line((name("real"), *map(percent, board.real_shares), *(Cell("–") for _ in DISTRIBUTION)), "reference-line")
    lines = [
        Line((name(row.title), *map(percent, row.shares), *(estimate(row.figures.get(key)) for key in DISTRIBUTION)))
        for row in board.rows
        if row.shares is not None
    ]
    return Grid(
        (*heads("users", (f"{value:g}" for value in board.scale)), *map(_head, DISTRIBUTION.values())),
        [real, *lines],
        "Sampled ratings against real ones on the same pairs",
    )


def _differences(board: FidelityBoard) -> Grid:
    figures = {key: FIDELITY[key] for key in _COMPARED}
    return Grid(
        (Cell("left less right", style="t"), *(Cell(figure.title, figure.meaning) for figure in figures.values())),
        [
            Line((name(f"{row.left} – {row.right}"), *(estimate(row.figures.get(key), 4) for key in figures)))
            for row in board.differences
        ],
        "Paired differences",
        "An interval that leaves out 0 is no accident of the sample of users.",
    )


def _parts(board: FidelityBoard, by: str) -> Grid:
    parts = [part for part in board.parts if part.by == by]
    names = [row.name for row in board.rows if any(row.name in part.figures for part in parts)]
    return Grid(
        heads(by, ("rows", "users", *names)),
        [
            Line(
                (
                    name(part.label),
                    Cell(f"{part.rows:,}"),
                    Cell(f"{part.users:,}"),
                    *(_rmse(part.figures.get(one, {}).get("rmse")) for one in names),
                )
            )
            for part in parts
        ],
        f"RMSE by {by}",
    )


def _rmse(found: Any) -> Cell:
    return Cell("–" if found is None else number(found.value))
