"""The plots of the fidelity board, as SVG files: reliability diagrams, and the share of each rating."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.fidelity.board import BoardRow, FidelityBoard
from personagym_env.evaluation.reporting.looks import FAINT, INK, SERIES
from personagym_env.evaluation.reporting.svg import draw, plain

MOST = 6
"""Populations that one plot can tell apart."""


def choose_rows(board: FidelityBoard) -> list[BoardRow]:
    """Rows that predict ratings, controls left out; if a plot cannot bear all, those that differ most.

    The first and the last one stay; each further one is that whose shares of ratings are farthest, in total variation,
    from all that were taken.
    """
    rows = [row for row in board.rows if row.shares is not None and row.kind != "control"]
    shares = np.array([row.shares for row in rows])
    taken = [0, len(rows) - 1]
    while len(taken) < min(MOST, len(rows)):
        apart = np.abs(shares[:, None] - shares[taken]).sum(axis=2).min(axis=1)
        apart[taken] = -1
        taken.append(int(apart.argmax()))
    return rows if len(rows) <= MOST else [rows[place] for place in sorted(taken)]


def reliability_plot(rows: Sequence[BoardRow]) -> str:
    """Predicted chance that a rating reaches a step of the scale (x) against how often it did (y).

    On the diagonal chances come true. The area of a marker grows with the events behind it.
    """

    def paint(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color=FAINT, lw=1.2, ls=(0, (4, 3)))
        for row, (colour, marker) in zip(rows, SERIES, strict=False):
            if row.reliability is None:
                continue
            chance, happened, size = (np.asarray(column) for column in row.reliability)
            ax.plot(chance, happened, color=colour, lw=1.4, alpha=0.8)
            ax.scatter(chance, happened, s=8 + 60 * size / size.max(), color=colour, marker=marker, label=_name(row))
        ax.set_xlabel("predicted chance of a rating at least so high")
        ax.set_ylabel("share that was")
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)
        ax.legend(frameon=False, labelcolor=INK, fontsize=9.5)

    return draw((5.4, 4.8), paint)


def share_plot(board: FidelityBoard, rows: Sequence[BoardRow]) -> str:
    """Share of each rating: real in outline, and among the samples of each population."""

    def paint(ax: Axes) -> None:
        places = np.arange(len(board.scale))
        width = 0.84 / max(len(rows), 1)
        for number, (row, (colour, _)) in enumerate(zip(rows, SERIES, strict=False)):
            ax.bar(
                places - 0.42 + width * (number + 0.5), row.shares or (), width * 0.9, color=colour, label=_name(row)
            )
        ax.bar(places, board.real_shares, 0.9, fill=False, edgecolor=INK, lw=1.4, label="real")
        ax.set_xticks(places, [f"{value:g}" for value in board.scale])
        ax.set_xlabel("rating")
        ax.set_ylabel("share of held-out rows")
        ax.grid(axis="x", visible=False)
        ax.legend(frameon=False, labelcolor=INK, fontsize=9.5)

    return draw((6.4, 3.8), paint)


def _name(row: BoardRow) -> str:
    """Matplotlib leaves out of a legend what begins with an underscore."""
    return plain(row.title).lstrip("_") or "?"
