"""What the page on agreement says of verdicts that flip when the study is done otherwise."""

from typing import Any

from personagym_env.evaluation.reporting.numbers import number
from personagym_env.evaluation.reporting.pages import Plot
from personagym_env.evaluation.robustness.plots import stability_plot
from personagym_env.evaluation.robustness.tables import flips_table, summary_table
from personagym_env.evaluation.robustness.verdicts import Robustness


def robustness_view(report: Robustness) -> dict[str, Any]:
    """Plot, tables, and who is not in every setting."""
    caption = (
        "Each mark is a setting that differs from the default one in one thing; hollow where the judge puts another "
        f"recommender first. The dashed line is τ {number(report.stable, 2)}, below which an order counts as flipped; "
        "the upright strokes are what resampled users alone leave of the default order in 95 % of draws, or more."
    )
    label = "Kendall's tau of every verdict of each judge with its default verdict"
    flips = flips_table(report)
    return {
        "stable": number(report.stable, 2),
        "plot": Plot(stability_plot(report), label, caption),
        "tables": [summary_table(report), *([] if flips is None else [flips])],
        "absent": dict(report.absent),
    }
