"""The plots of the agreement study, beside its JSON."""

from pathlib import Path

from personagym_benchmarks.agreement.judges import SHIPPED
from personagym_env.evaluation.agreement.plots import tau_plot, value_plot
from personagym_env.evaluation.agreement.study_file import AgreementStudy
from personagym_env.evaluation.agreement.tables import user_judges
from personagym_env.files import write_atomically

LEADERS = 12
"""Contestants in the plot of the leaders."""


def write_plots(study: AgreementStudy, output: Path) -> list[Path]:
    """SVG files beside the JSON, for each truth: tau per judge, and one judge's value against the real one.

    That judge is the shipped bundle if it judges, else the best one.
    """
    written = []
    for board in study.boards:
        stem = f"{output.stem}-{board.truth.replace(' ', '-')}"
        plots = {"tau": tau_plot(board)}
        users = user_judges(board)
        persona = [title for title in users if title.startswith(SHIPPED)]
        if users:
            judge = (persona or users)[0]
            plots |= {"value": value_plot(board, judge), "leaders": value_plot(board, judge, LEADERS)}
        for name, svg in plots.items():
            written.append(output.with_name(f"{stem}-{name}.svg"))
            write_atomically(written[-1], svg)
    return written
