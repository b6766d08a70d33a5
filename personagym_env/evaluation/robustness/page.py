"""What the page on agreement says of verdicts that flip when the study is done otherwise."""

from collections.abc import Iterator
from typing import Any

from personagym_env.evaluation.reporting.looks import SETTINGS
from personagym_env.evaluation.reporting.views import (
    NOTHING,
    Cell,
    Grid,
    Line,
    Plot,
    digits,
    estimate,
    heads,
    name,
    number,
    words,
)
from personagym_env.evaluation.robustness.plots import stability_plot
from personagym_env.evaluation.robustness.tables import across
from personagym_env.evaluation.robustness.verdicts import (
    PARAMETERS,
    SETTING_KINDS,
    Robustness,
    RobustnessRow,
    SettingKind,
)


def robustness_view(report: Robustness) -> dict[str, Any]:
    """Plot, tables, and who is not in every setting."""
    caption = (
        "Each mark is a setting that differs from the default one in one thing; hollow where the judge puts another "
        f"recommender first. The dashed line is τ {number(report.stable, 2)}, below which an order counts as flipped; "
        "the upright strokes are what resampled users alone leave of the default order in 95 % of draws, or more."
    )
    label = "Kendall's tau of every verdict of each judge with its default verdict"
    return {
        "stable": number(report.stable, 2),
        "plot": Plot(stability_plot(report), label, caption),
        "grids": [_summary(report), *_flipped(report)],
        "absent": dict(report.absent),
    }


def _summary(report: Robustness) -> Grid:
    kinds = [kind for kind in SETTING_KINDS if kind != "default" and any(row.kind == kind for row in report.rows)]
    lines = [Line((name(judge), *(_share(report, judge, kind) for kind in kinds))) for judge in report.judges]
    return Grid(
        heads("judge", (SETTINGS[kind].title for kind in kinds)),
        lines,
        "Verdicts that flip, by what was done otherwise",
        "How many of how many settings, and the smallest τ with the default verdict.",
    )


def _share(report: Robustness, judge: str, kind: SettingKind) -> Cell:
    rows = [row for row in report.of(judge) if row.kind == kind]
    if not rows:
        return Cell(NOTHING)
    flips = sum(bool(row.flips(report.stable)) for row in rows)
    least = number(min(row.tau_default for row in rows), 2)
    return Cell(f"{flips} of {len(rows)}", f"τ ≥ {least}", "flip" * bool(flips))


def _flipped(report: Robustness) -> Iterator[Grid]:
    lines: list[Line] = []
    for judge in report.judges:
        found = report.flipped(judge)
        if found:
            lines.append(Line((Cell(f"{judge}: {len(found)} of {len(report.of(judge))} verdicts flip"),), "kind"))
            lines += [_line(row, report.stable) for row in sorted(found, key=lambda row: SETTING_KINDS.index(row.kind))]
    if lines:
        yield Grid(
            (
                *heads("setting", ("tried",)),
                words("what flips"),
                Cell("τ with the default verdict"),
                Cell("τ with real value"),
                words("its winner"),
                words("winner by default"),
            ),
            lines,
            "Every verdict that flips",
            "Order: τ with the default verdict is too low. Winner: another recommender comes first, by more than "
            "chance among users explains; a tie, if not.",
        )


def _line(row: RobustnessRow, stable: float) -> Line:
    return Line(
        (
            Cell(row.setting, f"{SETTINGS[row.kind].title}{across(row)}", "t n b"),
            Cell(digits(row.value, 4) if row.kind in PARAMETERS and row.value is not None else ""),
            Cell(row.flip_words(stable), style="t flip"),
            Cell(number(row.tau_default, 2)),
            estimate(row.tau, 2),
            words(row.winner),
            words(row.default_winner),
        )
    )
