"""The plots of the transfer study, beside its JSON: error against what is known of a user and against a log's size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from personagym_benchmarks.transfer.board import CurvePoint, Transfer
from personagym_env.evaluation.reporting.looks import INK, SERIES
from personagym_env.evaluation.reporting.svg import draw, plain
from personagym_env.files import write_atomically

_FLOORS = ("global mean", "popularity")


def write_plots(study: Transfer, output: Path) -> list[Path]:
    """SVG files beside the JSON, for each log and curve."""
    written = []
    for board in study.boards:
        for name, points, label in (
            ("known", board.known, "latest training ratings of the user"),
            ("size", board.size, "share of the users in the log"),
        ):
            if points:
                stem = "".join(letter if letter.isalnum() else "-" for letter in board.dataset)
                written.append(output.with_name(f"{output.stem}-{stem}-{name}.svg"))
                write_atomically(written[-1], curve_plot(points, label))
    return written


def curve_plot(points: Sequence[CurvePoint], label: str) -> str:
    """RMSE of every population at each point, with its interval; points stand side by side in equal steps."""
    names = dict.fromkeys(name for point in points for name in point.figures if name not in _FLOORS)
    series = [name for name in names if any("rmse" in point.figures.get(name, {}) for point in points)][: len(SERIES)]

    def paint(ax: Axes) -> None:
        for number, (name, (colour, marker)) in enumerate(zip(series, SERIES, strict=False)):
            aside = 0.06 * (number - (len(series) - 1) / 2)
            found = [(at, point.figures.get(name, {}).get("rmse")) for at, point in enumerate(points)]
            drawn = [(at + aside, figure) for at, figure in found if figure is not None]
            places = [at for at, _ in drawn]
            values = np.array([figure for _, figure in drawn])
            ax.plot(places, values[:, 0], marker, ls="-", ms=5, lw=1.3, color=colour, label=plain(name).lstrip("_"))
            ax.vlines(places, values[:, 1], values[:, 2], color=colour, lw=1.1, alpha=0.5)
        ax.set_xticks(range(len(points)), [f"{point.at:g}" for point in points])
        ax.set_xlabel(label)
        ax.set_ylabel("RMSE (points)")
        ax.grid(axis="x", visible=False)
        told = [point.figures[name]["rmse"].value for point in points for name in series if name in point.figures]
        space = 0.25 * (max(told) - min(told)) + 0.02  # intervals of a few users may go further
        ax.set_ylim(min(told) - space, max(told) + space)
        ax.legend(frameon=False, labelcolor=INK, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))

    return draw((7.4, 4.0), paint)
