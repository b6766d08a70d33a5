"""The report: one self-contained HTML file with a page for each result; it opens offline, prints, and fits a phone.

Pages are sections that the address after `#` chooses, by style sheet alone: no script runs. A browser that cannot do
that, and a printer, show them one after the other.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from personagym_env.benchmark import refuse_mixed
from personagym_env.evaluation.agreement.page import agreement_page
from personagym_env.evaluation.agreement.study import AgreementStudy
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.fidelity.board import FidelityReport
from personagym_env.evaluation.fidelity.page import fidelity_page
from personagym_env.evaluation.leaderboard.board import Leaderboard
from personagym_env.evaluation.leaderboard.page import leaderboard_page
from personagym_env.evaluation.reporting.card_page import card_page
from personagym_env.evaluation.reporting.html import make_environment
from personagym_env.evaluation.reporting.pages import Page
from personagym_env.evaluation.robustness.verdicts import Robustness
from personagym_env.evaluation.validation.board import Validation
from personagym_env.evaluation.validation.page import validation_page
from personagym_env.files import write_atomically
from personagym_env.text import printable


def render_report(
    board: Leaderboard | None,
    study: AgreementStudy | None = None,
    validation: Validation | None = None,
    fidelity: FidelityReport | None = None,
    robustness: Robustness | None = None,
) -> str:
    """The report as text; every name from outside is escaped, and none changes the direction of text.

    Args:
        board: gives the leaderboard, and the simulation card that it carries.
        study: gives the page on agreement.
        validation: gives the page on validation.
        fidelity: gives the page with the fidelity board.
        robustness: tells the page on agreement which verdicts flip when the study is done otherwise, and the simulation
            card what moves when a parameter of sessions moves; each if it is of the same data set.

    Raises:
        ValueError: nothing was given, or two results on one data set were measured in different benchmarks.
    """
    given = (board, study, validation, fidelity, robustness)
    refuse_mixed({f"the {one.KIND}": one.benchmarks for one in given if one is not None})
    pages = list(_pages(board, study, validation, fidelity, robustness))
    if not pages:
        raise ValueError("a report needs a leaderboard, an agreement study, a validation or a fidelity report")
    datasets = [
        *(one.dataset for one in (board, study, validation) if one is not None),
        *(part.dataset for part in (() if fidelity is None else fidelity.boards)),
    ]
    template = make_environment().get_template("report.html.j2")
    return printable(template.render(pages=pages, datasets=", ".join(dict.fromkeys(datasets))))


def write_report(
    board: Leaderboard | None,
    path: Path,
    study: AgreementStudy | None = None,
    validation: Validation | None = None,
    fidelity: FidelityReport | None = None,
    robustness: Robustness | None = None,
) -> None:
    """Render the report and put it in place whole; see `render_report`."""
    write_atomically(path, render_report(board, study, validation, fidelity, robustness))


def _pages(
    board: Leaderboard | None,
    study: AgreementStudy | None,
    validation: Validation | None,
    fidelity: FidelityReport | None,
    robustness: Robustness | None,
) -> Iterator[Page]:
    if board is not None:
        yield _measured_in(leaderboard_page(board), board)
    if study is not None:
        varied = _same(robustness, study.dataset)
        yield _measured_in(agreement_page(study, varied), study, varied)
    if fidelity is not None:
        yield _measured_in(fidelity_page(fidelity), fidelity)
    if board is not None and board.card:
        varied = _same(robustness, board.dataset)
        yield _measured_in(card_page(board.card, varied), board, varied)
    if validation is not None:
        yield _measured_in(validation_page(validation), validation)


def _measured_in(page: Page, *results: Result | None) -> Page:
    """The page, which tells what its results were measured in."""
    told = {f"benchmark of the {one.KIND}": one.benchmark_words for one in results if one is not None}
    return replace(page, setting={**told, **page.setting})


def _same(robustness: Robustness | None, dataset: str) -> Robustness | None:
    """None if it is of other data."""
    return None if robustness is None or robustness.dataset != dataset else robustness
