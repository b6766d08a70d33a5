"""The tables of the comparison of policies."""

from collections.abc import Iterator

from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.leaderboard.policies import PolicyComparison, PolicyRow
from personagym_env.evaluation.reporting.differences import differences_table
from personagym_env.evaluation.reporting.figures import REAL, SIMULATED
from personagym_env.evaluation.reporting.table import Cell, Column, Row, Table, name_column, words_column


def policy_tables(found: PolicyComparison) -> Iterator[Table]:
    """What everybody earned, and what learners earned beyond the best static recommender."""
    yield policies_table(found)
    yield differences_table(found.differences, "return")


def policies_table(found: PolicyComparison) -> Table:
    """Learners beside static recommenders, the highest return first."""
    leads = {one.left: one.value for one in found.differences}
    rows = sorted(found.rows, key=lambda row: -row.simulated["return"].value)
    columns = (
        name_column("recommender"),
        words_column("kind", "kind"),
        *(figure.column(key) for key, figure in SIMULATED.items()),
        Column("lead", "beyond the best static"),
        REAL.column("real"),
    )
    note = (
        f"{found.sessions:,} sessions each with users {found.users}; chance alone has real value {found.chance}, a "
        f"clairvoyant {found.best}."
    )
    return Table.plain(
        "Policies in the same sessions", columns, (_policy(row, leads.get(row.recommender)) for row in rows), note
    )


def _policy(row: PolicyRow, lead: Interval | None) -> Row:
    return Row(
        (
            Cell(row.recommender),
            Cell(row.kind),
            *(Cell(row.simulated[key], figure.form) for key, figure in SIMULATED.items()),
            Cell(lead, ".2f"),
            Cell(row.real),
        )
    )
