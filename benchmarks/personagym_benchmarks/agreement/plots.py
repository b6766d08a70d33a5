"""The plots of the agreement study, beside its JSON."""

from pathlib import Path

from personagym_benchmarks.agreement.judges import SHIPPED
from personagym_env.evaluation.agreement.plots import tau_plot, value_plot
from personagym_env.evaluation.agreement.study import AgreementStudy
from personagym_env.files import write_atomically

LEADERS = 12
"""Recommenders in the plot of the leaders."""


def write_plots(study: AgreementStudy, output: Path) -> list[Path]:
    """SVG files beside the JSON, for each truth: tau per judge, and one judge's value against the real one.

    That judge is the shipped bundle if it judges, else the best one.
    """
    written = []
    for board in study.boards:
        stem = f"{output.stem}-{board.ground_truth.replace(',', '').replace(' ', '-')}"
        plots = {"tau": tau_plot(board.judges)}
        users = [judge for judge in board.judges if judge.kind == "users"]
        shipped = [judge for judge in users if judge.population == SHIPPED]
        if users:
            judge = (shipped or users)[0].title
            plots |= {"value": value_plot(board, judge), "leaders": value_plot(board, judge, LEADERS)}
        for name, svg in plots.items():
            written.append(output.with_name(f"{stem}-{name}.svg"))
            write_atomically(written[-1], svg)
    return written
