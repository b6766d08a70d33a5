"""The leaderboard's tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from personagym_env.evaluation.agreement.judges import JUDGE_KINDS, Agreement
from personagym_env.evaluation.agreement.truths import OWN_FIGURES, TruthKind
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.board import FidelityRow, Leaderboard
from personagym_env.evaluation.leaderboard.board import Row as BoardRow
from personagym_env.evaluation.reporting.figures import FIDELITY, OFFLINE, REAL, SIMULATED
from personagym_env.evaluation.reporting.looks import JUDGES
from personagym_env.evaluation.reporting.table import (
    Cell,
    Column,
    Emphasis,
    Row,
    Section,
    Table,
    name_column,
    words_column,
)

CONTRAST = "ndcg"
"""The offline metric that stands beside the simulated users."""
BAND = Column("band", "return over plausible laws", meaning="Lowest and highest over laws that the log cannot tell.")
_NAME, _FIT = name_column("recommender"), Column("fit", "fit", unit="s")


def leaderboard_tables(board: Leaderboard) -> Iterator[Table]:
    """Ranking, offline metrics, agreement and fidelity."""
    yield ranking_table(board)
    yield offline_table(board)
    if board.agreements:
        yield agreement_table(own_judges(board.agreements, "rating"), ceiling=board.ceilings.get("rating"))
    if board.choice_agreements:
        yield choice_table(own_judges(board.choice_agreements, "choice"), ceiling=board.ceilings.get("choice"))
    if board.fidelity:
        yield fidelity_table(board)


def ranking_table(board: Leaderboard) -> Table:
    """What recommenders are worth to simulated users, and to real ones."""
    banded = any(row.band is not None for row in board.rows)
    columns = (
        Column("rank", ""),
        _NAME,
        *(figure.column(key) for key, figure in SIMULATED.items()),
        *([BAND] if banded else []),
        Column("lead", "lead over next", meaning="Simulated return less that of the next row, over the same users."),
        OFFLINE[CONTRAST].column(CONTRAST),
        REAL.column("real"),
        _FIT,
    )
    known = {name: bound.value for name, bound in board.bounds.items() if math.isfinite(bound.value)}
    bounds = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
    notes = (
        "95 % intervals over users.",
        "The band is the lowest and highest return over plausible laws of leaving, which this log cannot tell apart."
        if banded
        else "",
        f"Real value of the pools themselves: {bounds}; no recommender can leave the range from worst to best."
        if bounds
        else "",
        str(board.independence or ""),
    )
    return Table.plain(
        f"{board.dataset}: simulated users ({board.agent}) and real value",
        columns,
        (_ranked(row, rank, banded=banded) for rank, row in enumerate(board.rows, 1)),
        " ".join(note for note in notes if note),
    )


def _ranked(row: BoardRow, rank: int, *, banded: bool) -> Row:
    tie = row.lead is not None and row.lead.low <= 0
    cells = (
        Cell(str(rank)),
        _name(row),
        *(Cell(row.simulated[key], figure.form) for key, figure in SIMULATED.items()),
        *([Cell(row.band, SIMULATED["return"].form)] if banded else []),
        Cell(row.lead, SIMULATED["return"].form),
        Cell(row.offline[CONTRAST].value),
        Cell(row.real, REAL.form),
        Cell(row.fit_seconds, ",.1f"),
    )
    return Row(cells, "reference" if row.reference else "tie" if tie else "")


def _name(row: BoardRow) -> Cell:
    return Cell(row.name, aside="reads the users" if row.reference else "")


def offline_table(board: Leaderboard) -> Table:
    """Metrics on the held-out log."""
    rows = (
        Row(
            (_name(row), *(Cell(row.offline[key], figure.form) for key, figure in OFFLINE.items())),
            "reference" if row.reference else "",
        )
        for row in board.rows
    )
    columns = (_NAME, *(figure.column(key) for key, figure in OFFLINE.items()))
    note = "RecBole's definitions, every held-out item relevant."
    return Table.plain("Offline metrics on the held-out log", columns, rows, note)


def own_judges(rows: Sequence[Agreement], kind: TruthKind) -> list[Agreement]:
    """The judges whose simulated quantity measures the same thing as a truth, with metrics and checks beside them."""
    return [row for row in rows if row.kind in ("metric", "check") or row.figure in OWN_FIGURES[kind]]


def agreement_table(rows: Sequence[Agreement], *, ceiling: Interval | None = None, grouped: bool = True) -> Table:
    """How judges agree with real value.

    Args:
        rows: the judges, in the order of the table.
        ceiling: what a perfect judge would reach, which stands last; None where nobody knows.
        grouped: whether judges of a kind stand under its title; else the title stands beside each.
    """
    columns = (
        name_column("judge", "judge"),
        words_column("kind", "what it looks at"),
        Column("tau", "Kendall's tau", good="high"),
        Column("regret", "regret", unit="points", good="low"),
    )
    by_kind = {kind: tuple(_agreement(row) for row in rows if row.kind == kind) for kind in JUDGE_KINDS}
    perfect: tuple[Row, ...] = ()
    if ceiling is not None:
        words = Cell("a perfect judge"), Cell("what the noise of the sample allows")
        perfect = (Row((*words, Cell(ceiling, ".2f"), Cell(None)), "reference"),)
    by_kind["check"] += perfect
    sections = tuple(Section(group, JUDGES[kind].title, kind) for kind, group in by_kind.items() if group)
    everybody = (Section((*map(_agreement, rows), *perfect)),)
    note = (
        "Regret: real value lost by deploying the judge's first choice instead of the really best recommender, in "
        "rating points. Expected and simulated ratings measure the same thing as this; a perfect judge knows the true "
        "mean of each recommender, but not which people were sampled."
    )
    table = Table("Agreement with real value", columns, sections if grouped else everybody, note)
    return table.select("judge", "tau", "regret") if grouped else table


def choice_table(rows: Sequence[Agreement], *, ceiling: Interval | None = None, grouped: bool = True) -> Table:
    """How judges agree with what people went on to take; see `agreement_table`."""
    table = agreement_table(rows, ceiling=ceiling, grouped=grouped)
    columns = tuple(
        replace(column, unit="of held-out items") if column.key == "regret" else column for column in table.columns
    )
    return replace(
        table,
        title="Agreement with what people went on to take (share of held-out items in the top 10)",
        columns=columns,
        note="Clicks measure the same thing as this; ratings the same as real value. Metrics that count the same rows "
        "do not judge.",
    )


def _agreement(row: Agreement) -> Row:
    return Row((Cell(row.judge), Cell(JUDGES[row.kind].title), Cell(row.tau, ".2f"), Cell(row.regret)))


def fidelity_table(board: Leaderboard) -> Table:
    """How true the users who judge are to held-out people, and the floors."""
    best = _best(board.fidelity)
    rows = (
        Row((Cell(row.name), *(_fidelity(row, key, figure.form, best) for key, figure in FIDELITY.items())))
        for row in board.fidelity
    )
    known = board.independence
    note = (
        ""
        if known is None
        else f"Of the users who judge here: they, and the floors, know {known.judge:,} training rows "
        f"({known.data_overlap})."
    )
    columns = (name_column("users"), *(figure.column(key) for key, figure in FIDELITY.items()))
    return Table.plain("Fidelity of the users to held-out people", columns, rows, note)


def _fidelity(row: FidelityRow, key: str, form: str, best: Mapping[str, float]) -> Cell:
    found = row.figures.get(key)
    emphasis: Emphasis = "best" if found is not None and found.value == best[key] else ""
    return Cell(found, form, emphasis=emphasis)


def _best(rows: Sequence[FidelityRow]) -> dict[str, float]:
    """Per figure the best value of all populations."""
    found = {}
    for key, figure in FIDELITY.items():
        values = [row.figures[key].value for row in rows if key in row.figures]
        if values:
            found[key] = max(values) if figure.good == "high" else min(values)
    return found
