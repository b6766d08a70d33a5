"""When can a judge be trusted? Tau against the size of a log, the ratings of a user, and the strength of selection."""

from functools import partial

from matplotlib.axes import Axes

from personagym_env.evaluation.agreement.all_logs.board import AllLogs, LogBoard
from personagym_env.evaluation.reporting.looks import SERIES
from personagym_env.evaluation.reporting.svg import draw, log_axis, plain

DRAWN = ("persona (disjoint)", "stack (disjoint)", "mf (disjoint)", "bias (disjoint)", "NDCG@10, liked", "popularity")
AXES = {
    "rows": "rows of the log",
    "rows_per_user": "rows of a user (median)",
    "selection": "selection (standard deviation of items' log odds of being rated)",
}
"""Field of the log's shape to what it says."""


def when_plot(study: AllLogs) -> str:
    """Tau with ratings, a panel for each respect in which logs differ, as SVG; metrics are dashed."""
    found = list(study.truths("rating"))

    def panel(field: str, axes: Axes) -> None:
        for judge, (colour, marker) in zip(DRAWN, SERIES, strict=False):
            points = sorted(
                (_at(board, field), row.tau.value, board.dataset)
                for board, truth in found
                for row in truth.judges
                if row.title == judge
            )
            if points:
                line = "-" if "(" in judge else "--"
                x, y, _ = zip(*points, strict=True)
                axes.plot(x, y, line, color=colour, marker=marker, ms=5, lw=1, label=judge)
        for board, truth in found:
            top = max(row.tau.value for row in truth.judges)
            axes.annotate(
                plain(board.dataset),
                (_at(board, field), top),
                (0, 5),
                textcoords="offset points",
                fontsize=8,
                ha="center",
            )
        if field != "selection":
            log_axis(axes)
        axes.set(xlabel=AXES[field], ylim=(-0.6, 1.15))
        if field == "rows":
            axes.set_ylabel("Kendall’s tau with real ratings")
        if field == "selection":
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return draw((15.0, 4.6), *(partial(panel, field) for field in AXES), columns=len(AXES))


def _at(board: LogBoard, field: str) -> float:
    return float(getattr(board.shape, field))
