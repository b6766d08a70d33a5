"""The plots of the leaderboard: a figure of every recommender, and what a judge says against real value."""

from collections.abc import Callable, Sequence

from personagym_env.evaluation.agreement.judges import JudgeKind
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import Row
from personagym_env.evaluation.reporting.figures import REAL
from personagym_env.evaluation.reporting.looks import JUDGES, PINK
from personagym_env.evaluation.reporting.plots import Dot, Point, dot_plot, scatter_plot

WIDTH = 5.4
"""Inches."""


def ranking_plot(
    rows: Sequence[Row],
    pick: Callable[[Row], Interval],
    label: str,
    kind: JudgeKind,
    lines: Sequence[tuple[str, float]] = (),
) -> str:
    """One line per recommender, the leader on top: a figure with its interval; a reference is hollow.

    Args:
        rows: the leaderboard.
        pick: the figure of a row.
        label: name and unit of the figure.
        kind: gives colour and marker.
        lines: named values to compare with.
    """
    dots = [Dot(row.name, pick(row), *_look(row, kind), row.reference) for row in rows]
    return dot_plot(dots, label, width=WIDTH, lines=lines)


def against_real_plot(
    rows: Sequence[Row], pick: Callable[[Row], Interval], label: str, kind: JudgeKind, title: str
) -> str:
    """What a judge says (x) against real value (y); see `ranking_plot`."""
    points = [Point(row.name, pick(row), row.real, *_look(row, kind), row.reference) for row in rows]
    return scatter_plot(points, label, REAL.label, title, (WIDTH, 4.5))


def _look(row: Row, kind: JudgeKind) -> tuple[str, str]:
    return (PINK if row.reference else JUDGES[kind].colour), JUDGES[kind].marker
