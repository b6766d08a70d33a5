"""The plots of the off-policy study: error, and coverage of the intervals, by the size of the log."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.off_policy.board import OffPolicyBoard, Study
from personagym_env.evaluation.off_policy.tables import summary
from personagym_env.evaluation.reporting.looks import FAINT, INK, SERIES
from personagym_env.evaluation.reporting.svg import draw, plain

_STYLES = ("-", (0, (4, 2)))
"""Lines of the first nine names, and of those that have their colours again."""
_LEVEL = 0.95


def error_plot(board: OffPolicyBoard) -> str:
    """Root mean square error as a share of the range of true values, by decisions of the log, of the first study."""
    return _lines(board.studies[0], 1, "root mean square error / range of true values", log=True)


def coverage_plot(board: OffPolicyBoard) -> str:
    """Share of 95 % intervals that hold the truth, of estimates without a warning, by decisions of the log."""
    return _lines(board.studies[0], 4, "share of intervals that hold the truth, without a warning", log=False)


def _lines(study: Study, column: int, label: str, *, log: bool) -> str:
    sizes = sorted({line.size for line in study.orders})
    by_size = {size: {row[0]: row for row in summary(study, size)} for size in sizes}
    names: Sequence[str] = list(by_size[sizes[0]])

    def paint(ax: Axes) -> None:
        for at, name in enumerate(names):
            colour, marker = SERIES[at % len(SERIES)]
            values = [float(by_size[size][name][column]) for size in sizes]  # type: ignore[arg-type]
            if not np.isnan(values).all():
                style = _STYLES[at // len(SERIES) % len(_STYLES)]
                ax.plot(sizes, values, marker=marker, ms=6, color=colour, lw=1.6, ls=style, label=plain(name))
        ax.set_xscale("log")
        if log:
            ax.set_yscale("log")
        else:
            ax.axhline(_LEVEL, color=FAINT, lw=1.2, ls=(0, (4, 3)), zorder=1, label="95 %")
            ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("decisions of the log")
        ax.set_ylabel(label)
        title = f"{study.users}, {study.mode} decisions" if study.mode == "single" else f"{study.users}, {study.mode}"
        ax.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold")
        if ax.get_lines():
            ax.legend(frameon=False, labelcolor=INK, fontsize=9.5, loc="center left", bbox_to_anchor=(1, 0.5))

    return draw((8.2, 4.6), paint)
