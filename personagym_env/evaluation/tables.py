"""The leaderboard in a terminal."""

from collections.abc import Iterator, Mapping

import numpy as np
from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.figures import FIDELITY, KIND_TITLES, OFFLINE, REAL, SIMULATED, Figure
from personagym_env.evaluation.leaderboard import Leaderboard
from personagym_env.evaluation.statistics import Interval


def tables(board: Leaderboard) -> Iterator[Table]:
    """Ranking, offline metrics, agreement and fidelity, for `rich.print`."""
    yield _ranking(board)
    yield _offline(board)
    if board.agreements:
        yield _agreement(board)
    if board.fidelity:
        yield _fidelity(board)


def _cell(interval: Interval | None, digits: int = 3, style: str = "") -> Text:
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
    bounds = ", ".join(f"{name} {bound.value:.3f}" for name, bound in board.bounds.items())
    figures = SIMULATED | {"real": REAL}
    table = _start(f"{board.dataset}: simulated users ({board.agent}) and real value", "recommender", figures)
    table.caption = f"95 % intervals over users; real value of the pools: {bounds}; * reads the users it is judged by"
    table.caption_justify = "left"
    for row in board.rows:
        name = Text(row.name + (" *" if row.reference else ""), style="italic" if row.reference else "bold")
        simulated = (_cell(row.simulated[figure], 2) for figure in SIMULATED)
        table.add_row(name, *simulated, _cell(row.real, style="bold"))
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
        table.add_row(Text(row.judge), KIND_TITLES[kind], _cell(row.tau, 2), _cell(row.regret))
    return table


def _fidelity(board: Leaderboard) -> Table:
    table = _start("Fidelity of the users to held-out people", "users", FIDELITY)
    for row in board.fidelity:
        name = Text(row.name, style="bold" if row.name == board.agent else "")
        table.add_row(name, *(_cell(row.figures.get(figure)) for figure in FIDELITY))
    return table
