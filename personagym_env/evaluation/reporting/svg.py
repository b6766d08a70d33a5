"""Drawing with matplotlib, as SVG text that stands in an HTML page without asking for anything from outside."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from personagym_env.evaluation.reporting.looks import FAINT, GRID, INK

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


def draw(size: tuple[float, float], *paints: Callable[[Axes], None], columns: int = 1) -> str:
    """A whole SVG file of one pair of axes or several, on white and without metadata; `inline` puts it into a page.

    Args:
        size: width and height in inches.
        *paints: each draws on a pair of axes.
        columns: pairs of axes in a row.
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        rows = -(-len(paints) // columns)
        for at, paint in enumerate(paints, start=1):
            paint(figure.add_subplot(rows, columns, at))
        file = io.StringIO()
        figure.savefig(file, format="svg")
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", file.getvalue(), flags=re.DOTALL)
    return re.sub(r' d="[^"]*"', lambda found: _NUMBER.sub(_shorten, found[0]), svg)


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
