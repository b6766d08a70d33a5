"""The plots that several pages have: a line per name with an interval, and one figure against another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.labels import place_labels
from personagym_env.evaluation.reporting.looks import FAINT, INK
from personagym_env.evaluation.reporting.svg import draw, plain


class Dot(NamedTuple):
    """A named figure with its interval."""

    name: str
    value: Interval
    colour: str
    marker: str
    hollow: bool = False


class Point(NamedTuple):
    """A name with two figures and their intervals."""

    name: str
    x: Interval
    y: Interval
    colour: str
    marker: str
    hollow: bool = False
    series: str = ""
    """Stands in the legend, once; empty for none."""


def dot_plot(
    dots: Sequence[Dot],
    label: str,
    *,
    width: float,
    lines: Sequence[tuple[str, float]] = (),
    band: Interval | None = None,
    limits: tuple[float, float] | None = None,
) -> str:
    """One line per name, the first on top.

    Args:
        dots: what is shown.
        label: name and unit of the figure.
        width: inches.
        lines: named values to compare with, drawn as vertical lines.
        band: an interval to compare with, in grey.
        limits: of the axis.
    """

    def paint(ax: Axes) -> None:
        if band is not None:
            ax.axvspan(band.low, band.high, color=FAINT, alpha=0.1, lw=0)
        for at, dot in enumerate(dots):
            if not np.isnan(dot.value.low):
                ends = [dot.value.low, dot.value.high]
                ax.plot(ends, [at, at], color=dot.colour, lw=2.4, solid_capstyle="round", alpha=0.65)
            fill = "white" if dot.hollow else dot.colour
            ax.plot(dot.value.value, at, dot.marker, ms=8, color=dot.colour, mfc=fill, mew=1.8)
        ax.set_yticks(range(len(dots)), [plain(dot.name) for dot in dots])
        ax.set_ylim(len(dots) - 0.4, -0.6)
        if limits is not None:
            ax.set_xlim(*limits)
        ax.set_xlabel(label)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        for name, value in lines:
            ax.axvline(value, color=FAINT, lw=1.2, ls=(0, (4, 3)), zorder=1)
            ax.annotate(
                name,
                (value, 0),
                xycoords=("data", "axes fraction"),
                xytext=(4, 4),
                textcoords="offset points",
                color=FAINT,
                fontsize=9.5,
                in_layout=False,
            )

    return draw((width, 1.0 + 0.3 * len(dots)), paint)


def scatter_plot(points: Sequence[Point], x_label: str, y_label: str, title: str, size: tuple[float, float]) -> str:
    """One figure against another: a labelled point with both intervals for each name.

    Args:
        points: what is shown.
        x_label: name and unit of the one figure.
        y_label: of the other.
        title: above the plot.
        size: inches.
    """

    def paint(ax: Axes) -> None:
        told: set[str] = set()
        for point in points:
            x, y, colour = point.x, point.y, point.colour
            if not np.isnan(x.low):
                ax.plot([x.low, x.high], [y.value, y.value], color=colour, alpha=0.35, lw=1.4)
            ax.plot([x.value, x.value], [y.low, y.high], color=colour, alpha=0.35, lw=1.4)
            label = plain(point.series) if point.series and point.series not in told else None
            told.add(point.series)
            fill = "white" if point.hollow else colour
            ax.plot(x.value, y.value, point.marker, ms=7.5, color=colour, mfc=fill, mew=1.6, ls="", label=label)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.margins(0.14, 0.1)
        ax.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold")
        if told - {""}:
            ax.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower right")
        place_labels(ax, [(point.x.value, point.y.value, plain(point.name)) for point in points])

    return draw(size, paint)
