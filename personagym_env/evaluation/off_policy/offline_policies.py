"""Policies learned from logs beside others, all in the same sessions, and what a log had promised of them."""

from dataclasses import dataclass

from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import REAL, SIMULATED
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


@dataclass(frozen=True)
class OfflineRow:
    """A policy, what it earned, and what off-policy evaluation had promised."""

    recommender: str
    source: str
    """What taught it: a log, sessions of its own, or training rows alone."""
    returns: Interval
    real: Interval
    promised: Interval | None
    """Return by fitted Q evaluation on held-out sessions of the logging policy; None for who was not asked about."""
    warning: str
    """Why the promise may mean nothing; empty where it may not."""


@dataclass(frozen=True, kw_only=True)
class OfflineComparison(Result):
    """Everybody in the same sessions."""

    KIND = "comparison of offline policies"
    FORMAT = 1
    COMMAND = "personagym offline-policies"

    users: str
    sessions: int
    rows: tuple[OfflineRow, ...]
    differences: tuple[Difference, ...]
    chosen: str
    """Whom off-policy evaluation would deploy."""
    regret_share: float
    """Return that the choice loses, as a share of the range of those it was made from."""
    distance_closed: float
    """Share of the distance from the logging policy to online PPO that the best offline policy closes."""


def offline_table(found: OfflineComparison) -> Table:
    """Everybody, the highest return first."""
    columns = (
        name_column("policy"),
        words_column("source", "learned from"),
        SIMULATED["return"].column("return"),
        Column("promised", "promised return"),
        REAL.column("real"),
    )
    rows = (
        Row(
            (
                Cell(row.recommender),
                Cell(row.source),
                Cell(row.returns, ".2f"),
                Cell(row.promised, ".2f"),
                Cell(row.real),
            )
        )
        for row in sorted(found.rows, key=lambda row: -row.returns.value)
    )
    note = (
        f"{found.sessions:,} sessions each with users {found.users}. Off-policy evaluation would deploy "
        f"{found.chosen}, with a regret of {found.regret_share:.1%} of the range; the best offline policy closes "
        f"{found.distance_closed:.0%} of the distance from the logging policy to online PPO."
    )
    return Table.plain("Offline policies in the same sessions", columns, rows, note)
