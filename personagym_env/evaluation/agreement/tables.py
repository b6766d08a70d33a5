"""The agreement study in a terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.agreement.judges import FullAgreement
from personagym_env.evaluation.agreement.study import AgreementBoard
from personagym_env.evaluation.leaderboard.tables import interval_cell
from personagym_env.evaluation.reporting.looks import JUDGES

FIGURES = {
    "tau": "Kendall's tau",
    "rho": "Spearman",
    "pairwise": "pairs in order",
    "clear_pairs": "clear pairs",
    "regret": "regret, points",
    "regret_share": "of the range",
}
"""Fields of a judge's row that tables show, and their heads."""


def agreement_tables(board: AgreementBoard) -> Iterator[Table]:
    """Recommenders, judges, what independence changes, and whom each judge prefers, for `rich.print`."""
    yield _recommenders(board)
    yield _judges(board)
    if board.differences:
        yield _differences(board)
    yield _preferences(board)


def _start(title: str, heads: Sequence[str], caption: str = "") -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=" " not in head)
    return table


def user_judges(board: AgreementBoard) -> list[str]:
    """Titles of the populations that judge, the best first."""
    return [judge.title for judge in board.judges if judge.kind == "users"]


def _recommenders(board: AgreementBoard) -> Table:
    bounds = ", ".join(f"{name} {bound.value:.3f}" for name, bound in board.bounds.items())
    judges = user_judges(board)
    table = _start(
        f"{board.ground_truth}: recommenders by real value of their picks, and what simulated users expect of them",
        ("recommender", "class", "real value", *judges),
        f"{board.description}; {board.users} users; 95 % intervals over users; possible: {bounds}",
    )
    for row in board.recommenders:
        said = (Text(f"{row.said[title].value:.3f}") for title in judges)
        table.add_row(Text(row.name), Text(row.model_class), interval_cell(row.real, 3), *said)
    return table


def _judges(board: AgreementBoard) -> Table:
    caption = (
        "simulated users rate the same picks; simulated sessions show whole slates; metrics read the held-out log; "
        "95 % intervals over users, in whose resamples near ties turn, so that they lie low; tau without: lowest and "
        "highest when a model class is left out; tau between the real rankings of two random halves of the users: "
        f"{board.reliability.value:.2f} ({board.reliability.low:.2f}..{board.reliability.high:.2f})"
    )
    heads = ("judge", "kind", *FIGURES.values(), "tau without", "its winner")
    table = _start(f"{board.ground_truth}: agreement with real value", heads, caption)
    kind = board.judges[0].kind
    for row in board.judges:
        if row.kind != kind:
            table.add_section()
        kind = row.kind
        cells = (interval_cell(getattr(row, name), 3 if name.startswith("regret") else 2) for name in FIGURES)
        table.add_row(Text(row.title), JUDGES[kind].title, *cells, without_range(row), Text(row.winner))
    return table


def without_range(row: FullAgreement) -> str:
    """Lowest and highest tau when one model class is left out."""
    return f"{min(row.without.values()):.2f}..{max(row.without.values()):.2f}" if row.without else "–"


def _differences(board: AgreementBoard) -> Table:
    heads = ("left less right", "Kendall's tau", "regret, points", "self-preference, ranks")
    table = _start(f"{board.ground_truth}: paired differences", heads)
    for row in board.differences:
        cells = (interval_cell(row.tau, 3), interval_cell(row.regret, 3), interval_cell(row.self_preference, 2))
        table.add_row(Text(f"{row.left} – {row.right}"), *cells)
    return table


def _preferences(board: AgreementBoard) -> Table:
    classes = list(board.judges[0].class_shift)
    table = _start(
        f"{board.ground_truth}: ranks by which a judge puts a model class higher than real users do",
        ("judge", "its own class", *classes),
        "mean over the recommenders of the class; bold is the judge's own class",
    )
    for row in board.judges:
        if row.kind != "metric":
            table.add_row(Text(row.title), interval_cell(row.self_preference, 2), *_shifts(row, classes))
    return table


def _shifts(row: FullAgreement, classes: Sequence[str]) -> Iterator[Text]:
    for name in classes:
        yield Text(f"{row.class_shift[name].value:+.1f}", style="bold" if name == row.model_class else "")
