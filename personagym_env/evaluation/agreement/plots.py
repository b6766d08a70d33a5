"""The plots of agreement: tau of each judge, and what a judge says against real value."""

from collections.abc import Sequence

from personagym_env.evaluation.agreement.judges import DICE, Agreement, FullAgreement
from personagym_env.evaluation.agreement.study import AgreementBoard
from personagym_env.evaluation.agreement.truths import TRUTH_TITLES
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import ASKED
from personagym_env.evaluation.reporting.looks import JUDGES, SERIES
from personagym_env.evaluation.reporting.plots import Dot, Point, dot_plot, scatter_plot
from personagym_env.evaluation.reporting.svg import plain


def tau_plot(rows: Sequence[Agreement]) -> str:
    """Kendall's tau of every judge with its interval; the grey band is where 95 % of random orders fall."""
    dots = [Dot(row.title, row.tau, JUDGES[row.kind].colour, JUDGES[row.kind].marker) for row in rows]
    band = next((row.tau for row in rows if row.judge == DICE), None)
    label = "Kendall’s τ with real value, 95 %"
    return dot_plot(dots, label, width=6.8, lines=[("", 0.0)], band=band, limits=(-1.03, 1.03))


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
    looks = {name: SERIES[place % len(SERIES)] for place, name in enumerate(judge.class_shift)}
    points = [
        Point(row.name, row.said[title], row.real, *looks[row.model_class], series=row.model_class)
        for row in board.recommenders[:leaders]
    ]
    who = "" if leaders is None else f" of all; the {len(points)} really best are shown"
    y_label = f"real value: {TRUTH_TITLES[board.kind]} ({board.unit})"
    return scatter_plot(points, _axis(judge), y_label, f"τ = {_told(judge.tau)}{who}", (9.0, 8.0))


def _axis(judge: FullAgreement) -> str:
    if judge.kind == "metric":
        return judge.title
    if judge.kind == "sessions":
        return f"simulated value of whole sessions: {plain(judge.title)}"
    return f"{ASKED[judge.figure].label} of the same items: {plain(judge.title)}"


def _told(interval: Interval) -> str:
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"
