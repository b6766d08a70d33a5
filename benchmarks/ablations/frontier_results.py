"""What the frontier came to, its tables and its plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from personagym_agents.personas.prediction import Round
from personagym_agents.training.adapters import CurvePoint
from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.group_signal import GroupSignal
from personagym_env.evaluation.off_policy.board import Goal
from personagym_env.evaluation.reporting.figures import FIDELITY
from personagym_env.evaluation.reporting.looks import INK, SERIES
from personagym_env.evaluation.reporting.svg import draw
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column
from personagym_env.files import write_atomically

AIMS = {
    ("random", "kmeans"): 0.004,
    ("single", "learned"): 0.006,
    ("kmeans", "learned"): 0.002,
    ("learned", "individual"): 0.0,
}
"""What RMSE was to fall by from one kind to another."""
FAST_RMSE, FAST_TIMES = 0.965, 4.0
"""What fast users were to reach: error at most, and times the decisions per second of the shipped users at least."""
_SHOWN = ("rmse", "mae", "nll", "auc")


@dataclass(frozen=True)
class Point:
    """One kind of adapter in one regime of document."""

    regime: str
    kind: str
    seeds: int
    figures: Mapping[str, Interval]
    tokens: float
    """Of an item's line, which a decision reads."""
    decisions: float | None
    """A second."""


@dataclass(frozen=True)
class Curve:
    """The inner tail while adapters were trained."""

    regime: str
    kind: str
    seed: int
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Left:
    """What linear corrections by group would still explain of held-out errors, judged on other users."""

    regime: str
    kind: str
    """Adapters of the users whose errors they are."""
    groups: str
    """Personas that the corrections go by."""
    signal: GroupSignal


@dataclass(frozen=True, kw_only=True)
class Frontier(Result):
    """Held-out error against decisions per second."""

    KIND = "frontier"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/frontier.py"

    points: tuple[Point, ...]
    differences: tuple[Difference, ...]
    """Of RMSE, over users and seeds in pairs."""
    curves: tuple[Curve, ...]
    shipped_decisions: float | None
    """A second, of the shipped users in the same run; None where none was trained on the rows."""
    penalties: Mapping[str, float]
    """Regime to the penalty that the inner tail chose for adapters of single users."""
    left: tuple[Left, ...]
    searches: tuple[tuple[Round, ...], ...]
    """Rounds of every start of the search for personas that predict."""
    goals: tuple[Goal, ...]


def goals_of(
    points: Sequence[Point], differences: Sequence[Difference], shipped_decisions: float | None
) -> tuple[Goal, ...]:
    """What was aimed at, and what was found, regime by regime."""
    goals = []
    for one in differences:
        regime, _, left = one.left.rpartition(", ")
        right = one.right.rpartition(", ")[2]
        if (left, right) in AIMS:
            aim, value = AIMS[left, right], one.value
            goals.append(
                Goal(
                    f"{regime}: {left} less {right}",
                    f"at least {aim:.3f} RMSE, interval without 0",
                    f"{value.value:.4f} ({value.low:.4f} to {value.high:.4f})",
                    value.value >= aim and value.low > 0,
                )
            )
    timed = [point for point in points if point.decisions is not None]
    if shipped_decisions and timed:
        within = [point for point in timed if point.figures["rmse"].value <= FAST_RMSE]
        # The fastest of those that are true enough; where none is, the truest.
        chosen = (
            max(within, key=lambda point: point.decisions or 0.0)
            if within
            else min(timed, key=lambda point: point.figures["rmse"].value)
        )
        assert chosen.decisions is not None
        times = chosen.decisions / shipped_decisions
        goals.append(
            Goal(
                "a fast point",
                f"RMSE at most {FAST_RMSE}, {FAST_TIMES:.0f} times the shipped users' decisions a second",
                f"{chosen.regime}, {chosen.kind}: {chosen.figures['rmse'].value:.4f}, {times:.1f} times",
                bool(within) and times >= FAST_TIMES,
            )
        )
    return tuple(goals)


def frontier_table(found: Frontier) -> Table:
    """Every point."""
    columns = (
        name_column("document"),
        words_column("kind", "adapters"),
        *(FIDELITY[key].column(key) for key in _SHOWN),
        Column("tokens", "tokens a line"),
        Column("decisions", "decisions/s", good="high"),
    )
    rows = (
        Row(
            (
                Cell(point.regime),
                Cell(point.kind if point.seeds == 1 else f"{point.kind} ({point.seeds} seeds)"),
                *(Cell(point.figures.get(key), ".4f") for key in _SHOWN),
                Cell(point.tokens, ".1f"),
                Cell(point.decisions, ",.0f"),
            )
        )
        for point in found.points
    )
    note = (
        "" if found.shipped_decisions is None else f"Shipped users: {found.shipped_decisions:,.0f} decisions a second."
    )
    return Table.plain("Error against speed", columns, rows, note)


def frontier_differences_table(found: Frontier) -> Table:
    """What one kind of adapter has more RMSE than another."""
    columns = name_column("left"), words_column("right", "less right"), Column("rmse", "RMSE")
    rows = (Row((Cell(one.left), Cell(one.right), Cell(one.value, ".4f"))) for one in found.differences)
    return Table.plain("Differences, user by user", columns, rows)


def left_table(found: Frontier) -> Table:
    """What is left for groups to explain."""
    columns = (
        name_column("document"),
        words_column("kind", "errors of"),
        words_column("groups", "corrections by"),
        Column("common", "one for all"),
        Column("grouped", "and by group"),
        Column("random", "random groups"),
    )
    rows = (
        Row(
            (
                Cell(one.regime),
                Cell(one.kind),
                Cell(one.groups),
                Cell(one.signal.common, ".4f"),
                Cell(one.signal.grouped, ".4f"),
                Cell("{:.4f} to {:.4f}".format(*one.signal.random)),
            )
        )
        for one in found.left
    )
    return Table.plain("RMSE with linear corrections of the errors", columns, rows)


def goals_table(found: Frontier) -> Table:
    """What was aimed at."""
    columns = tuple(words_column(name, name) for name in ("goal", "aim", "found", "reached"))
    rows = (
        Row((Cell(goal.name), Cell(goal.aim), Cell(goal.found), Cell("yes" if goal.reached else "no")))
        for goal in found.goals
    )
    return Table.plain("goals", columns, rows)


def write_plot(found: Frontier, output: Path) -> Path:
    """Beside the JSON: error against decisions per second, and the inner tail while adapters are trained."""
    path = output.with_suffix(".svg")
    write_atomically(path, frontier_plot(found))
    return path


def frontier_plot(found: Frontier) -> str:
    """A colour for each kind, as SVG."""
    looks = dict(zip(dict.fromkeys(point.kind for point in found.points), SERIES, strict=False))

    def paint_points(ax: Axes) -> None:
        for kind, (colour, marker) in looks.items():
            drawn = [point for point in found.points if point.kind == kind and point.decisions is not None]
            speed, rmse = [point.decisions for point in drawn], [point.figures["rmse"].value for point in drawn]
            ax.plot(speed, rmse, marker, ls="", color=colour, label=kind)  # type: ignore[arg-type]
        ax.set_xlabel("decisions a second")
        ax.set_ylabel("RMSE on held-out rows")
        ax.legend(frameon=False, labelcolor=INK, fontsize=8)

    def paint_curves(ax: Axes) -> None:
        for curve in found.curves:
            if curve.seed == 0 and curve.regime == found.points[0].regime and curve.kind in looks:
                steps, nll = [point.step for point in curve.points], [point.nll for point in curve.points]
                ax.plot(steps, nll, color=looks[curve.kind][0], label=curve.kind)
        ax.set_xlabel("steps")
        ax.set_ylabel("nats on the inner tail")

    return draw((9.0, 3.6), paint_points, paint_curves, columns=2)
