"""Leaderboard and fidelity board in a terminal."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.core.negatives import SUFFIX
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.board import FidelityBoard, Part
from personagym_env.evaluation.leaderboard.board import Leaderboard
from personagym_env.evaluation.reporting.figures import (
    DISTRIBUTION,
    FIDELITY,
    OFFLINE,
    RATING,
    REAL,
    SIMULATED,
    TASTE,
    Figure,
)
from personagym_env.evaluation.reporting.looks import JUDGES


def tables(board: Leaderboard) -> Iterator[Table]:
    """Ranking, offline metrics, agreement and fidelity, for `rich.print`."""
    yield _ranking(board)
    yield _offline(board)
    if board.agreements:
        yield _agreement(board)
    if board.fidelity:
        yield _fidelity(board)


def interval_cell(interval: Interval | None, digits: int = 3, style: str = "") -> Text:
    """The estimate, and its interval less prominently; names and numbers are never read as markup."""
    if interval is None or np.isnan(interval.value):
        return Text("–", style="dim")
    text = Text(f"{interval.value:.{digits}f}", style=style)
    if not np.isnan(interval.low):
        text.append(f" {interval.low:.{digits}f}..{interval.high:.{digits}f}", style="dim")
    return text


def _start(title: str, first: str, figures: Mapping[str, Figure]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first, no_wrap=True)
    for figure in figures.values():
        table.add_column(figure.title, justify="right", no_wrap=True)
    return table


def _ranking(board: Leaderboard) -> Table:
    known = {name: bound.value for name, bound in board.bounds.items() if np.isfinite(bound.value)}
    bounds = ", ".join(f"{name} {value:.3f}" for name, value in known.items()) or "unknown, nobody has rows enough"
    figures = SIMULATED | {"real": REAL}
    table = _start(f"{board.dataset}: simulated users ({board.agent}) and real value", "recommender", figures)
    told = f"95 % intervals over users; real value of the pools: {bounds}; * reads the users it is judged by"
    table.caption = told if board.independence is None else f"{told}\n{board.independence}"
    table.caption_justify = "left"
    for row in board.rows:
        name = Text(row.name + (" *" if row.reference else ""), style="italic" if row.reference else "bold")
        simulated = (interval_cell(row.simulated[figure], 2) for figure in SIMULATED)
        table.add_row(name, *simulated, interval_cell(row.real, style="bold"))
    return table


def _offline(board: Leaderboard) -> Table:
    table = _start("Offline metrics on the held-out log", "recommender", OFFLINE)
    table.add_column("fit, s", justify="right")
    for row in board.rows:
        values = (Text(f"{row.offline[figure].value:.3f}") for figure in OFFLINE)
        table.add_row(Text(row.name), *values, f"{row.fit_seconds:.1f}")
    return table


def _agreement(board: Leaderboard) -> Table:
    table = Table(title="Agreement with real value", title_justify="left", title_style="bold")
    for name in ("judge", "what it looks at"):
        table.add_column(name, no_wrap=True)
    for name in ("Kendall's tau", "regret"):
        table.add_column(name, justify="right", no_wrap=True)
    kind = board.agreements[0].kind
    for row in board.agreements:
        if row.kind != kind:
            table.add_section()
        kind = row.kind
        table.add_row(Text(row.judge), JUDGES[kind].title, interval_cell(row.tau, 2), interval_cell(row.regret))
    return table


def _fidelity(board: Leaderboard) -> Table:
    table = _start("Fidelity of the users to held-out people", "users", FIDELITY)
    if board.independence is not None:
        rows = f"{board.independence.judge:,} training rows ({board.independence.data_overlap})"
        table.caption = f"Of the users who judge here: they, and the floors, know {rows}"
        table.caption_justify = "left"
    for row in board.fidelity:
        name = Text(row.name, style="bold" if row.name == board.agent else "")
        table.add_row(name, *(interval_cell(row.figures.get(figure)) for figure in FIDELITY))
    return table


def fidelity_tables(board: FidelityBoard) -> Iterator[Table]:
    """Ratings, their distribution, taste, paired differences and breakdowns of a protocol, for `rich.print`."""
    ratings = _board_table(board, f"{board.dataset}, {board.protocol}: ratings of held-out rows", RATING)
    ratings.caption = f"{board.description}; 95 % intervals over users"
    ratings.caption_justify = "left"
    yield ratings
    yield _shares(board)
    for kind, suffix in SUFFIX.items():
        figures = {name + suffix: figure for name, figure in TASTE.items()}
        title = f"{board.protocol}: real items among {'unseen ones' if kind == 'uniform' else 'as popular unseen ones'}"
        yield _board_table(board, title, {name: figures[name] for name in figures if "own_" not in name}, bounds=False)
    if board.differences:
        yield _differences(board)
    for by in dict.fromkeys(part.by for part in board.parts):
        yield _breakdown(board, [part for part in board.parts if part.by == by])


def _board_table(board: FidelityBoard, title: str, figures: Mapping[str, Figure], *, bounds: bool = True) -> Table:
    table = _start(title, "users", figures)
    kind = board.rows[0].kind if board.rows else None
    for row in board.rows:
        if not set(figures) & set(row.figures):
            continue
        if row.kind != kind:
            table.add_section()
        kind = row.kind
        found = (row.figures.get(name) for name in figures)
        cells = (value and (value if bounds else Interval(value.value, np.nan, np.nan)) for value in found)
        table.add_row(Text(row.title), *(interval_cell(value) for value in cells))
    return table


def _shares(board: FidelityBoard) -> Table:
    table = _start(f"{board.protocol}: sampled ratings against real ones, same pairs", "users", DISTRIBUTION)
    for value in board.scale:
        table.add_column(f"{value:g}", justify="right")
    nothing = Text("–", style="dim")
    real = (f"{share:.1%}" for share in board.real_shares)
    table.add_row(Text("real", style="italic"), *[nothing] * len(DISTRIBUTION), *real, end_section=True)
    for row in board.rows:
        if row.shares is not None:
            cells = (interval_cell(row.figures[name]) for name in DISTRIBUTION)
            table.add_row(Text(row.title), *cells, *(f"{share:.1%}" for share in row.shares))
    return table


def _differences(board: FidelityBoard) -> Table:
    digits = {"rmse": 4, "nll": 4, "auc": 3, "choice_5": 3, "choice_5_popular": 3}
    figures = {name: (RATING | TASTE)[name.removesuffix(SUFFIX["popular"])] for name in digits}
    table = _start(f"{board.protocol}: paired differences", "left less right", figures)
    table.columns[-1].header = "1 of 5, popular"
    for row in board.differences:
        cells = (interval_cell(row.figures.get(name), places) for name, places in digits.items())
        table.add_row(Text(f"{row.left} – {row.right}"), *cells)
    return table


def _breakdown(board: FidelityBoard, parts: Sequence[Part]) -> Table:
    table = Table(title=f"{board.protocol}: RMSE by {parts[0].by}", title_justify="left", title_style="bold")
    table.add_column(parts[0].by, no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("users", justify="right")
    names = [row.name for row in board.rows if any(row.name in part.figures for part in parts)]
    for name in names:
        table.add_column(Text(name), justify="right")
    for part in parts:
        cells = (interval_cell(part.figures.get(name, {}).get("rmse")) for name in names)
        table.add_row(Text(part.label), f"{part.rows:,}", f"{part.users:,}", *cells)
    return table
