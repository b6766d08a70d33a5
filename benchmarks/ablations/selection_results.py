"""What the study of planted selections found, its table and its plot."""

from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from personagym_env.evaluation.agreement.judges import JudgeKind
from personagym_env.evaluation.agreement.planted_selection import SELECTION_KINDS, SelectionKind
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.looks import FAINT, SERIES
from personagym_env.evaluation.reporting.svg import draw
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column

DRAWN = (
    "mf",
    "mf, known propensities",
    "mf, doubly robust, known propensities",
    "zero-shot",
    "trees",
    "bias",
    "NDCG@10",
    "NDCG@10, liked",
    "popularity",
)
"""Judges of the plot; the file has all."""
TOLD = (
    "zero-shot",
    "trees",
    "mf",
    "mf, known propensities",
    "mf, propensities by margins",
    "mf, propensities by co-consumption",
    "mf, doubly robust, known propensities",
    "mf, doubly robust, propensities by margins",
    "mf, doubly robust, propensities by co-consumption",
    "shown value, mf",
    "bias",
    "NDCG@10",
    "NDCG@10, liked",
    "popularity",
)
"""Judges of the table."""


@dataclass(frozen=True)
class SelectionPoint:
    """One judge under one selection."""

    kind: SelectionKind
    strength: float
    judge: str
    judge_kind: JudgeKind
    figure: str
    """What it reads off."""
    tau: Interval
    """With the order by hidden ratings."""
    regret_share: Interval
    ceiling: Interval
    """Tau of a perfect judge with so many users."""
    shown_weight: float
    """Weight of the log odds in the value of what is shown, of mf users."""


@dataclass(frozen=True, kw_only=True)
class PlantedSelections(Result):
    """All judges under all selections."""

    KIND = "planted selections"
    FORMAT = 1
    COMMAND = "python benchmarks/ablations/planted_selection.py"

    dataset: str
    points: tuple[SelectionPoint, ...]

    def taus(self, judge: str, kind: SelectionKind) -> list[tuple[float, Interval]]:
        """Strengths, ascending, and tau of a judge under them."""
        return sorted((one.strength, one.tau) for one in self.points if (one.judge, one.kind) == (judge, kind))


def selection_table(result: PlantedSelections) -> Table:
    """Tau of each judge by what the selection goes by, and how strongly."""
    strengths = sorted({point.strength for point in result.points})
    laws = [(kind, strength) for kind in SELECTION_KINDS for strength in strengths if strength or kind == "popularity"]
    told = {(point.judge, point.kind, point.strength): point.tau for point in result.points}
    ceilings = {(point.kind, point.strength): point.ceiling for point in result.points}
    columns = [
        Column(f"{kind} {strength:g}", f"{kind}, {strength:g}" if strength else "none", good="high")
        for kind, strength in laws
    ]
    rows = [
        Row((Cell(judge), *(Cell(told.get((judge, *law)), ".2f") for law in laws)))
        for judge in TOLD
        if any((judge, *law) in told for law in laws)
    ]
    rows.append(Row((Cell("a perfect judge"), *(Cell(ceilings.get(law), ".2f") for law in laws)), "reference"))
    note = "Kendall's tau with the order by hidden ratings; log odds of being kept for each standard deviation."
    title = f"{result.dataset}: judges under planted selections"
    return Table.plain(title, (name_column("judge", "judge"), *columns), rows, note)


def selection_plot(result: PlantedSelections) -> str:
    """Tau against the strength of selection, a panel for what it goes by, as SVG; metrics are dashed."""
    kinds = {point.judge: point.judge_kind for point in result.points}

    def panel(kind: SelectionKind, axes: Axes) -> None:
        for judge, (colour, marker) in zip(DRAWN, SERIES, strict=True):
            taus = result.taus(judge, kind)
            if not taus:
                continue
            line = "-" if kinds[judge] == "users" else "--"
            strengths, values = [strength for strength, _ in taus], [tau.value for _, tau in taus]
            axes.plot(strengths, values, line, color=colour, marker=marker, ms=5, label=judge)
        ceilings = sorted((point.strength, point.ceiling.value) for point in result.points if point.kind == kind)
        axes.plot(*zip(*ceilings, strict=True), ":", color=FAINT, label="a perfect judge")
        axes.set(title=f"selection by {kind}", xlabel="strength (log odds for each standard deviation)")
        axes.set_ylim(-0.75, 1.0)
        if kind == SELECTION_KINDS[0]:
            axes.set_ylabel("Kendall’s tau with hidden ratings")
        if kind == SELECTION_KINDS[-1]:
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return draw((15.0, 4.6), *(partial(panel, kind) for kind in SELECTION_KINDS), columns=len(SELECTION_KINDS))
