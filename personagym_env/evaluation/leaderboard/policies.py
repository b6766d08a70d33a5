"""Learners beside static recommenders, all in the same sessions."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class PolicyRow:
    """A recommender and what it earned."""

    recommender: str
    kind: str
    simulated: Mapping[str, Interval]
    """Return, clicks, rating and length, see `Sessions.statistics`."""
    real: Interval


@dataclass(frozen=True, kw_only=True)
class PolicyComparison(Result):
    """Everybody in the same sessions."""

    KIND = "comparison of policies"
    FORMAT = 3
    COMMAND = "personagym policies"

    users: str
    sessions: int
    rows: tuple[PolicyRow, ...]
    differences: tuple[Difference, ...]
    """Returns of each learner less those of the best static recommender, session by session."""
    chance: Interval
    """Real value of items picked by chance."""
    best: Interval
    """Real value that nobody can exceed."""
