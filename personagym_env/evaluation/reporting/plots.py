"""The plots of the report, as SVG text that stands in an HTML page without asking for anything from outside.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; kinds differ in marker as well.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from personagym_env.evaluation.agreement.judges import Agreement, JudgeKind
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import Row

INK, FAINT, GRID = "#1f2933", "#6b7785", "#dfe4ea"
KIND_STYLE: dict[JudgeKind, tuple[str, str]] = {
    "simulated": ("#0072B2", "o"),
    "closed pool": ("#009E73", "s"),
    "offline": ("#D55E00", "D"),
    "floor": ("#6b7785", "X"),
}
"""Colour and marker of each kind of judge."""
REFERENCE_COLOUR = "#CC79A7"
LONGEST_NAME = 42
"""Characters of a name that fit into a plot."""

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11,
    "grid.color": GRID,
    "svg.fonttype": "path",
    "svg.hashsalt": "personagym",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


def plain(name: str) -> str:
    """A name on one line and no longer than fits."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def draw(size: tuple[float, float], paint: Callable[[Axes], None], *, standalone: bool = False) -> str:
    """SVG of one pair of axes of `size` in inches, without metadata.

    Args:
        size: width and height.
        paint: draws on the axes.
        standalone: whether to make a whole SVG file on white; else what HTML5 implies is left out: prologue, name
            spaces, background, and the size, which the page sets.
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=not standalone)
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", file.getvalue(), flags=re.DOTALL)
    svg = re.sub(r' d="[^"]*"', lambda found: _NUMBER.sub(_shorten, found[0]), svg)
    return svg if standalone else inline(svg)


_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def _shorten(found: re.Match[str]) -> str:
    """Coordinates are in points, so that two decimals are finer than any screen or printer."""
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def inline(svg: str) -> str:
    """The SVG of a file as it may stand in HTML5: without prologue, name spaces and size, which the page sets."""
    svg = svg[svg.index("<svg") :]
    return re.sub(r'\s(?:xmlns(?::\w+)?|width|height)="[^"]*"', "", svg[: (end := svg.index(">"))]) + svg[end:]


def with_own_ids(svg: str, prefix: str) -> str:
    """The SVG with `prefix` before every id and reference, so that plots in one page do not borrow from each other.

    Browsers take the first element of an id, and do not clip by one that stands in a hidden part of the page.
    """
    return re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)


def log_axis(ax: Axes, base: int = 10) -> None:
    """A logarithmic horizontal axis with plain numbers."""
    ax.set_xscale("log", base=base)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _bars(ax: Axes, interval: Interval, at: float, colour: str, marker: str, *, hollow: bool = False) -> None:
    if not np.isnan(interval.low):
        ax.plot([interval.low, interval.high], [at, at], color=colour, lw=2.4, solid_capstyle="round", alpha=0.65)
    ax.plot(interval.value, at, marker, ms=8, color=colour, mfc="white" if hollow else colour, mew=1.8)


def ranking(
    rows: Sequence[Row],
    pick: Callable[[Row], Interval],
    label: str,
    lines: Sequence[tuple[str, float]] = (),
    kind: JudgeKind = "simulated",
) -> str:
    """One line per recommender, the leader on top: a figure with its interval.

    Args:
        rows: the leaderboard.
        pick: the figure of a row.
        label: name and unit of the figure.
        lines: named values to compare with, drawn as vertical lines.
        kind: gives the colour.
    """
    colour, marker = KIND_STYLE[kind]

    def paint(ax: Axes) -> None:
        for at, row in enumerate(rows):
            _bars(ax, pick(row), at, REFERENCE_COLOUR if row.reference else colour, marker, hollow=row.reference)
        ax.set_yticks(range(len(rows)), [plain(row.name) for row in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
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

    return draw((5.4, 1.1 + 0.33 * len(rows)), paint)


def scatter(
    rows: Sequence[Row], pick: Callable[[Row], Interval], label: str, real_label: str, kind: JudgeKind, note: str
) -> str:
    """What a judge says (x) against real value (y), one labelled point with both intervals per recommender.

    Args:
        rows: the leaderboard.
        pick: the judge's figure of a row.
        label: name of the judge's figure.
        real_label: name of the real value.
        kind: gives colour and marker.
        note: written into the corner.
    """
    colour, marker = KIND_STYLE[kind]

    def paint(ax: Axes) -> None:
        for row in rows:
            x, y = pick(row), row.real
            shade = REFERENCE_COLOUR if row.reference else colour
            if not np.isnan(x.low):
                ax.plot([x.low, x.high], [y.value, y.value], color=shade, alpha=0.4, lw=1.6)
            ax.plot([x.value, x.value], [y.low, y.high], color=shade, alpha=0.4, lw=1.6)
            ax.plot(x.value, y.value, marker, ms=7.5, color=shade, mfc="white" if row.reference else shade, mew=1.6)
        ax.set_xlabel(label)
        ax.set_ylabel(real_label)
        ax.margins(0.16, 0.12)
        ax.set_title(note, loc="left", fontsize=11, color=colour, fontweight="bold")
        place_labels(ax, [(pick(row).value, row.real.value, plain(row.name)) for row in rows])

    return draw((5.4, 4.5), paint)


def place_labels(ax: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each name beside its point where it covers the fewest other names and points.

    Greedy over eight places around each point, in rough text units: good enough for some twenty names.
    """
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    unit = 72 / ax.figure.dpi  # pixels to points
    where = ax.transData.transform([(x, y) for x, y, _ in points]) * unit
    frame = ax.get_window_extent()
    left, right = frame.x0 * unit, frame.x1 * unit
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in where]
    for (px, py), (x, y, name) in zip(where, points, strict=True):
        width, height = 5.9 * len(name), 11.0
        best: tuple[float, tuple[float, float], tuple[float, float, float, float]] | None = None
        for dx, dy in ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1.3), (0, -1.3)):
            x0 = px + (8 if dx > 0 else -8 - width if dx < 0 else -width / 2)
            y0 = py + 10 * dy - height / 2 + 1
            box = (x0, y0, x0 + width, y0 + height)
            cost = sum(_overlap(box, other) for other in taken) + 50 * (max(0, left - x0) + max(0, box[2] - right))
            if best is None or cost < best[0] - 1e-9:
                best = (cost, (x0 - px, y0 - py), box)
        assert best is not None
        taken.append(best[2])
        ax.annotate(
            name,
            (x, y),
            xytext=best[1],
            textcoords="offset points",
            fontsize=9.5,
            color=INK,
            in_layout=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def agreement_bars(rows: Sequence[Agreement]) -> str:
    """Kendall's tau of every judge with its interval; the grey band is where 95 % of random orders fall."""

    def paint(ax: Axes) -> None:
        for at, row in enumerate(rows):
            colour, marker = KIND_STYLE[row.kind]
            ax.barh(at, row.tau.value, height=0.62, color=colour, alpha=0.22)
            _bars(ax, row.tau, at, colour, marker)
            if row.kind == "floor":
                ax.axvspan(row.tau.low, row.tau.high, color=FAINT, alpha=0.1, lw=0)
        ax.axvline(0, color=FAINT, lw=1)
        ax.set_yticks(range(len(rows)), [plain(row.judge) for row in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlim(-1.03, 1.03)
        ax.set_xlabel("Kendall’s τ with real value")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)

    return draw((6.2, 1.0 + 0.29 * len(rows)), paint)
