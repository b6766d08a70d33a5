"""The plot of the robustness study: a mark per verdict, hollow where the winner is another."""

import re
from dataclasses import replace

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.looks import SETTINGS
from personagym_env.evaluation.robustness.plots import stability_plot
from personagym_env.evaluation.robustness.verdicts import SETTING_KINDS, Robustness, RobustnessRow, SettingKind

SOME = Interval(0.5, 0.25, 0.75)


def report(winner: str, kind: SettingKind = "assumed") -> Robustness:
    def row(of: SettingKind, who: str, tau: float) -> RobustnessRow:
        return RobustnessRow(of, "x", 1.0, "x", "mf", who, SOME, SOME, 3.0, tau, "a", None, None)

    rows = row("default", "a", 1.0), row(kind, winner, 0.5)
    return Robustness(
        dataset="data", rows=rows, stable=0.8, chance={"mf": 0.9}, absent={}, values={}, setting={}, environment={}
    )


def marks(svg: str, colour: str) -> tuple[int, int]:
    """How many marks of a colour are filled, and how many are hollow."""
    styles = re.findall(r'style="([^"]*)"', svg)
    edged = [style for style in styles if f"stroke: {colour}" in style.lower()]
    return sum(f"fill: {colour}" in style.lower() for style in edged), sum("fill: #ffffff" in style for style in edged)


def test_another_winner_is_hollow() -> None:
    colour = SETTINGS["assumed"].colour.lower()
    same, other = (marks(stability_plot(report(winner)), colour) for winner in "ab")
    assert (same[1], other[1]) == (0, other[1])
    assert other[1] > 0
    assert same[0] > other[0] > 0  # the legend shows the kind filled


def test_every_kind_has_a_mark_of_its_own() -> None:
    assert set(SETTINGS) == set(SETTING_KINDS)
    drawn = {kind: look for kind, look in SETTINGS.items() if kind != "default"}
    assert len({look.colour for look in drawn.values()}) == len({look.marker for look in drawn.values()}) == len(drawn)
    assert len({stability_plot(report("a", kind)) for kind in drawn}) == len(drawn)


def test_a_judge_without_chance_has_no_stroke() -> None:
    bare = replace(report("a"), chance={})
    assert len(stability_plot(bare)) < len(stability_plot(report("a")))
