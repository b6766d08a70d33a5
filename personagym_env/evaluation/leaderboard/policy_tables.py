"""The comparison of policies in a terminal."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from personagym_env.evaluation.leaderboard.policies import PolicyComparison


def policy_tables(found: PolicyComparison) -> Iterator[Table]:
    """What everybody earned, and what learners earned beyond the best static recommender, for `rich.print`."""
    earned = Table(title=f"{found.sessions:,} sessions each with {found.users} users", title_justify="left")
    for column in ("recommender", "kind", "return", "clicks per step", "rating", "length", "real value"):
        earned.add_column(column, no_wrap=True)
    for row in found.rows:
        earned.add_row(Text(row.recommender), row.kind, *map(str, (*row.simulated.values(), row.real)))
    earned.caption = f"chance alone has real value {found.chance}, a clairvoyant {found.best}"
    yield earned
    leads = Table(title="Return beyond that of the best static recommender, session by session", title_justify="left")
    for column in ("learner", "best static recommender", "lead"):
        leads.add_column(column, no_wrap=True)
    for lead in found.leads:
        leads.add_row(Text(lead.recommender), Text(lead.static), str(lead.value))
    yield leads
