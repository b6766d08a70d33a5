"""The plot of a closed loop: every figure by round, with its interval over loops."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.closed_loop.board import FIGURES, ClosedLoop
from personagym_env.evaluation.reporting.figures import Figure
from personagym_env.evaluation.reporting.looks import INK, SERIES
from personagym_env.evaluation.reporting.svg import draw, plain


def loop_plot(found: ClosedLoop) -> str:
    """A panel for each figure, a line for each arm, as SVG."""
    paints: list[Callable[[Axes], None]] = [partial(_panel, found, key, figure) for key, figure in FIGURES.items()]
    return draw((12.4, 6.8), *paints, columns=3)


def _panel(found: ClosedLoop, key: str, figure: Figure, ax: Axes) -> None:
    rounds = range(found.n_rounds)
    for (colour, marker), arm in zip(SERIES, found.arms, strict=False):
        value, low, high = np.array([found.at(arm, number).figures[key] for number in rounds]).T
        ax.plot(rounds, value, marker=marker, ms=4.5, color=colour, lw=1.5, label=plain(arm))
        ax.fill_between(rounds, low, high, color=colour, alpha=0.15, lw=0)
    ax.set_xlabel("round")
    ax.set_xticks(rounds)
    ax.set_ylabel(figure.label)
    ax.set_title(figure.title, loc="left", fontsize=11, color=INK, fontweight="bold")
    if key == "return":
        ax.legend(frameon=False, labelcolor=INK, fontsize=8.5)
