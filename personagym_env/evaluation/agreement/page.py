"""The report's page on the agreement study."""

from collections.abc import Iterator
from typing import Any

from personagym_env.evaluation.agreement.headline import headline_tables
from personagym_env.evaluation.agreement.judges import JUDGE_KINDS, FullAgreement, JudgeKind
from personagym_env.evaluation.agreement.plots import tau_plot, value_plot
from personagym_env.evaluation.agreement.study import AgreementBoard, AgreementStudy
from personagym_env.evaluation.agreement.tables import agreement_tables
from personagym_env.evaluation.reporting.looks import JUDGES
from personagym_env.evaluation.reporting.numbers import between, number
from personagym_env.evaluation.reporting.pages import Page, Plot, Tile
from personagym_env.evaluation.robustness.page import robustness_view
from personagym_env.evaluation.robustness.verdicts import Robustness

LEADERS = 12
"""Recommenders in the plot of the really best."""


def agreement_page(study: AgreementStudy, robustness: Robustness | None = None) -> Page:
    """Every way to know real value, with its plots and tables, and what of it stands when the study is done otherwise.

    Args:
        study: the judges and what they say.
        robustness: verdicts of judges on the same data in other settings.
    """
    content = {
        "dataset": study.dataset,
        "headline": list(headline_tables(study)),
        "boards": [_board(board) for board in study.boards],
        "robustness": None if robustness is None else robustness_view(robustness),
    }
    varied = {} if robustness is None else {"other settings": _of_robustness(robustness)}
    title = "Do simulated users pick the real winner?"
    return Page("agreement", "Agreement", title, content, {**study.setting, **varied}, study.environment)


def _of_robustness(robustness: Robustness) -> dict[str, Any]:
    """What one has to know to run the robustness study again, which was a run of its own."""
    return {**robustness.setting, "commit": robustness.environment.get("commit") or "unknown"}


def _board(board: AgreementBoard) -> dict[str, Any]:
    best = {kind: first for kind in JUDGE_KINDS if (first := _first(board, kind)) is not None}
    return {
        "board": board,
        "tiles": [_tile(judge) for kind, judge in best.items() if kind != "check"],
        "plots": list(_plots(board, best)),
        "tables": list(agreement_tables(board)),
        "bounds": ", ".join(f"{title} {number(bound.value)}" for title, bound in board.bounds.items()),
        "reliability": f"{number(board.reliability.value, 2)} ({between(board.reliability)})",
        "ceiling": None if board.noise_ceiling is None else number(board.noise_ceiling.value, 2),
    }


def _first(board: AgreementBoard, kind: JudgeKind) -> FullAgreement | None:
    """The best judge of a kind."""
    return next((judge for judge in board.judges if judge.kind == kind), None)


def _tile(judge: FullAgreement) -> Tile:
    what = f"τ of {judge.title} with real value, the best of all judges of its kind ({JUDGES[judge.kind].title})"
    return Tile(judge.kind, number(judge.tau.value, 2), what, between(judge.tau))


def _plots(board: AgreementBoard, best: dict[JudgeKind, FullAgreement]) -> Iterator[Plot]:
    caption = (
        "Kendall’s τ of each judge with real value: 1 the same order, 0 unrelated, −1 reversed. The grey band holds "
        "95 % of random orders. Blue: simulated users asked about the same picks; green: whole sessions with them; "
        "orange: offline metrics; grey: checks of the test’s own power."
    )
    yield Plot(tau_plot(board.judges), "Kendall's tau of each judge with its interval", caption)
    for kind in ("users", "sessions", "metric"):
        if kind in best:
            title = best[kind].title
            caption = f"{title} against real value, both with 95 % intervals over users; a good judge’s points climb."
            yield Plot(value_plot(board, title), f"What {title} says against real value", caption, wide=True)
            if kind == "users" and len(board.recommenders) > LEADERS:
                caption = f"The same of the {LEADERS} really best, which stand close together above."
                svg = value_plot(board, title, LEADERS)
                yield Plot(svg, f"What {title} says of the really best", caption, wide=True)
