"""The plots of a validation: every respect as curves, and all distances beside their floors.

The held-out log is black with its interval, other real rows are grey; simulated logs have Okabe and Ito's colours and
a dash of their own, so that no plot hangs on colour alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.reporting.looks import BLACK, FAINT, SERIES
from personagym_env.evaluation.reporting.svg import draw, log_axis, plain
from personagym_env.evaluation.validation.board import HALVES, AspectBoard, Source, Validation

REAL_COLOUR = BLACK
_SHAPES = {
    "o": "M11.5 5a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "s": "M12 2h6v6h-6z",
    "D": "M15 .8l4.2 4.2-4.2 4.2-4.2-4.2z",
    "^": "M15 1l4 7.5h-8z",
    "v": "M15 9l4-7.5h-8z",
    "P": "M13.5 1h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5v-3h2.5z",
    "h": "M15 1l3.5 2v4l-3.5 2-3.5-2v-4z",
    "X": "M12 1l3 2.6 3-2.6 1.4 1.4-2.9 2.6 2.9 2.6-1.4 1.4-3-2.6-3 2.6-1.4-1.4 2.9-2.6-2.9-2.6z",
}
"""Matplotlib's markers as SVG paths around (15, 5), for the key in the page."""
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (7, 1.6, 1.2, 1.6), (3, 1.2), (9, 2), (4, 1, 1, 1, 1, 1))
"""Of simulated users, in turn."""
SIZE = (4.5, 3.3)
"""Inches of one plot."""


class Style(NamedTuple):
    """How a source is drawn."""

    colour: str
    dash: tuple[int, tuple[float, ...]]
    marker: str

    @property
    def dash_array(self) -> str:
        """As SVG wants it, for a line two units wide; empty for a solid line."""
        return " ".join(f"{2 * part:g}" for part in self.dash[1])

    @property
    def shape(self) -> str:
        """The marker as a path around (15, 5)."""
        return _SHAPES[self.marker]


_CHANCE, _PRECEDING = Style(FAINT, (0, (1, 1.6)), "X"), Style(FAINT, (0, (6, 2)), "h")


def styles(sources: Sequence[Source]) -> dict[str, Style]:
    """A style for each source that has curves, by name; users' styles repeat after six."""
    users = [source.name for source in sources if source.kind == "users"]
    found = {}
    for source in sources:
        if source.kind == "users":
            place = users.index(source.name) % len(_DASHES)
            colour, marker = SERIES[place]
            found[source.name] = Style(colour, (0, _DASHES[place]), marker)
        elif source.kind != "halves":
            found[source.name] = _CHANCE if source.kind == "chance" else _PRECEDING
    return found


def aspect_plot(board: AspectBoard, looks: dict[str, Style]) -> str:
    """One respect: the held-out log with its interval, and every source."""

    def paint(ax: Axes) -> None:
        if board.name in ("stars", "repeats"):
            _bars(ax, board, looks)
        else:
            _lines(ax, board, looks)
        ax.set_title(board.aspect.title, loc="left", fontsize=11, fontweight="bold")

    return draw(SIZE, paint)


def _lines(ax: Axes, board: AspectBoard, looks: dict[str, Style]) -> None:
    # What is longer than the horizon is one point without a place on the axis.
    keep = slice(-1 if board.name == "length" else None)
    x = np.asarray(board.support)[keep]
    steps = board.name == "length"
    low, high = board.low[keep], board.high[keep]
    ax.fill_between(x, low, high, step="post" if steps else None, color=REAL_COLOUR, alpha=0.15, lw=0)
    drawstyle = "steps-post" if steps else "default"
    ax.plot(x, board.curve[keep], color=REAL_COLOUR, lw=2.2, zorder=3, drawstyle=drawstyle)
    for row in board.rows:
        if row.source in looks:
            style = looks[row.source]
            ax.plot(x, row.curve[keep], color=style.colour, ls=style.dash, lw=1.9, drawstyle=drawstyle)
    if board.name in ("length", "popularity", "trend"):
        log_axis(ax, 2 if board.name == "trend" else 10)
    ax.set_xlabel(board.aspect.axis)
    ax.set_ylabel(_height(board))


def _height(board: AspectBoard) -> str:
    if board.name == "trend":
        return "rating less user’s training mean (points)"
    return {
        "length": "share of sessions so long at most",
        "popularity": "share of consumption up to this rank",
        "concentration": "share of consumption",
    }.get(board.name, "cumulative share")


def _bars(ax: Axes, board: AspectBoard, looks: dict[str, Style]) -> None:
    """The share of each value; the held-out log is a tick with its interval across the markers of the others."""
    places = np.arange(len(board.support))
    rows = [row for row in board.rows if row.source in looks]
    ax.bar(places, board.curve, 0.86, color=REAL_COLOUR, alpha=0.13, lw=0)
    low, high = np.asarray(board.curve) - board.low, np.asarray(board.high) - board.curve
    for place, value in zip(places, board.curve, strict=True):
        ax.plot([place - 0.43, place + 0.43], [value, value], color=REAL_COLOUR, lw=2)
    ax.errorbar(
        places - 0.4, board.curve, [low.clip(0), high.clip(0)], fmt="none", ecolor=REAL_COLOUR, capsize=2, lw=1.2
    )
    for number, row in enumerate(rows):
        style = looks[row.source]
        shift = 0.7 * (number + 0.5) / len(rows) - 0.3
        ax.plot(places + shift, row.curve, style.marker, color=style.colour, ms=6)
    labels = ["no", "yes"] if board.name == "repeats" else [f"{value:g}" for value in board.support]
    ax.set_xticks(places, labels)
    ax.set_ylim(0, None)
    ax.set_xlabel("shares a genre with the one before" if board.name == "repeats" else board.aspect.axis)
    ax.set_ylabel("share of consumptions")
    ax.grid(axis="x", visible=False)


def distance_plot(validation: Validation) -> str:
    """The first distance of every respect that lies in 0..1, of all sources, with intervals; 0 is the same."""
    looks = styles(validation.sources)
    boards = [board for board in validation.aspects if board.aspect.distances[0] != "mean gap"]

    def paint(ax: Axes) -> None:
        for at, board in enumerate(boards):
            way = board.aspect.distances[0]
            halves = board.row(HALVES).distances[way]
            ax.fill_betweenx([at - 0.4, at + 0.4], 0, halves.high, color=REAL_COLOUR, alpha=0.12, lw=0)
            rows = [row for row in board.rows if row.source in looks]
            for number, row in enumerate(rows):
                style, gap = looks[row.source], row.distances[way]
                y = at - 0.32 + 0.64 * (number + 0.5) / len(rows)
                ax.plot([gap.low, gap.high], [y, y], color=style.colour, lw=1.8, alpha=0.6, solid_capstyle="round")
                ax.plot(gap.value, y, style.marker, color=style.colour, ms=6)
        ax.set_yticks(range(len(boards)), [plain(board.aspect.title) for board in boards])
        ax.set_ylim(len(boards) - 0.45, -0.55)
        ax.set_xlim(-0.012, None)
        ax.set_xlabel("distance from the held-out log, 0..1")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        for at in range(1, len(boards)):
            ax.axhline(at - 0.5, color=FAINT, lw=0.5, alpha=0.5)

    return draw((6.0, 1.0 + 0.52 * len(boards)), paint)
