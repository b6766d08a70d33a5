"""What became of users' statements."""

from dataclasses import dataclass

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import Figure

FIGURES = {
    "borne_out": Figure(
        "borne out",
        "share",
        "Share of the claims which the held-out rows can judge that they bear out.",
        "high",
    ),
    "swapped": Figure(
        "of another user", "share", "The same for what another user says, held against the same rows: chance.", None
    ),
    "gain": Figure(
        "gain", "share", "Borne out, less the same of another user; above 0 if the words are one's own.", "high"
    ),
    "consistent": Figure(
        "said and done",
        "share",
        "Share of the claims that the simulated user's answers about other unseen items agree with.",
        "high",
    ),
}
"""What is told of each kind of statement."""


@dataclass(frozen=True)
class StatementRow:
    """One kind of claim from one voice."""

    voice: str
    """Who puts it into words: `composed` or the name of a chat model."""
    filtered: bool
    """Whether claims that log and numbers do not bear out were thrown out before."""
    kind: str
    """What is claimed: likings, choices, rating, items; or all but items together."""
    claims: int
    judged: int
    """Claims that held-out rows can judge."""
    borne_out: Interval
    swapped: Interval
    gain: Interval
    consistent: Interval


@dataclass(frozen=True)
class Spoken:
    """What a chat model said, in numbers."""

    voice: str
    sentences: int
    without_claim: int
    """Sentences in which nothing can be judged; they are thrown out."""
    claims: int
    thrown_out: int
    """Claims that log or numbers do not bear out."""


@dataclass(frozen=True, kw_only=True)
class Interviews(Result):
    """Statements of users, and what their held-out rows say of them; intervals are over users."""

    KIND = "interviews"
    FORMAT = 1
    COMMAND = "personagym interviews"

    users: int
    agent: str
    rows: tuple[StatementRow, ...]
    spoken: tuple[Spoken, ...]
