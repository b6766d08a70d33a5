"""The plots of the agreement study, as SVG files: what judges say against real value, and tau per judge."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from personagym_env.evaluation.agreement.analysis import AgreementBoard, JudgeAgreement, Kind
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.plots import FAINT, INK, draw, place_labels, plain

KIND_STYLE: dict[Kind, tuple[str, str]] = {
    "users": ("#0072B2", "o"),
    "sessions": ("#009E73", "s"),
    "metric": ("#D55E00", "D"),
    "check": ("#6b7785", "X"),
}
"""Colour and marker of each kind of judge; Okabe and Ito's colours, as in the report."""
CLASS_STYLE = (
    ("#0072B2", "o"),
    ("#D55E00", "D"),
    ("#009E73", "s"),
    ("#CC79A7", "^"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#6b7785", "*"),
    ("#8c510a", "h"),
)
"""Colour and marker of each model class, repeated where there are more."""


def value_plot(board: AgreementBoard, title: str, leaders: int | None = None) -> str:
    """What a judge says (x) against real value (y): one point with both intervals per recommender.

    Args:
        board: the study by one way to know real value.
        title: of the judge.
        leaders: show so many of the really best alone, who else stand in a cluster; None shows everybody.

    Raises:
        KeyError: no judge has that title.
    """
    judge = board.judge(title)
    classes = list(judge.class_shift)
    rows = board.contestants[:leaders]
    who = "" if leaders is None else f" of all; the {len(rows)} really best are shown"

    def paint(ax: Axes) -> None:
        labelled = set()
        for row in rows:
            colour, marker = CLASS_STYLE[classes.index(row.model_class) % len(CLASS_STYLE)]
            x, y = row.said[title], row.real
            if not np.isnan(x.low):
                ax.plot([x.low, x.high], [y.value, y.value], color=colour, alpha=0.35, lw=1.4)
            ax.plot([x.value, x.value], [y.low, y.high], color=colour, alpha=0.35, lw=1.4)
            name = None if row.model_class in labelled else plain(row.model_class)
            labelled.add(row.model_class)
            ax.plot(x.value, y.value, marker, ms=7.5, color=colour, label=name, ls="")
        ax.set_xlabel(_axis(judge))
        ax.set_ylabel("real value: mean real rating of the same picks (points)")
        ax.margins(0.12, 0.08)
        ax.set_title(f"τ = {_told(judge.tau)}{who}", loc="left", fontsize=11, color=INK, fontweight="bold")
        ax.legend(frameon=False, labelcolor=INK, fontsize=9, loc="lower right")
        place_labels(ax, [(row.said[title].value, row.real.value, plain(row.name)) for row in rows])

    return draw((9.0, 8.0), paint, standalone=True)


def tau_plot(board: AgreementBoard) -> str:
    """Kendall's tau of every judge with its interval; the grey band is where 95 % of random orders fall."""
    rows: Sequence[JudgeAgreement] = board.judges

    def paint(ax: Axes) -> None:
        for at, row in enumerate(rows):
            colour, marker = KIND_STYLE[row.kind]
            ax.plot([row.tau.low, row.tau.high], [at, at], color=colour, lw=2.4, alpha=0.65, solid_capstyle="round")
            ax.plot(row.tau.value, at, marker, ms=8, color=colour)
            if row.kind == "check" and row.tau.value < 1:
                ax.axvspan(row.tau.low, row.tau.high, color=FAINT, alpha=0.1, lw=0)
        ax.axvline(0, color=FAINT, lw=1)
        ax.set_yticks(range(len(rows)), [plain(row.title) for row in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlim(-1.03, 1.03)
        ax.set_xlabel("Kendall’s τ with real value, 95 %")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)

    return draw((6.8, 1.0 + 0.29 * len(rows)), paint, standalone=True)


def _axis(judge: JudgeAgreement) -> str:
    if judge.kind == "metric":
        return judge.title
    if judge.kind == "sessions":
        return f"simulated value of whole sessions: {plain(judge.title)}"
    return f"simulated value: what {plain(judge.title)} expects of the picks (points)"


def _told(interval: Interval) -> str:
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
