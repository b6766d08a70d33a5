"""What became of users' wishes."""

from dataclasses import dataclass

from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import REAL, SIMULATED, Figure

FIGURES = {
    "return": SIMULATED["return"],
    "length": SIMULATED["length"],
    "retention": Figure("stayed", "share of sessions", "Share of sessions whose user had not left when they were cut."),
    "real": REAL,
}
"""What is told of each way of listening."""


@dataclass(frozen=True)
class Prediction:
    """One part of wishes, held against the rows that come next."""

    part: str
    users: int
    """Who wished such a thing, and has rows to tell."""
    own: Interval
    """What the next rows of those who wished show."""
    base: Interval
    """The same of everybody's next rows."""
    swapped: Interval
    """The same for the wish of another user."""
    over_base: Interval
    over_swapped: Interval


@dataclass(frozen=True)
class Listener:
    """One way of listening, over the same users with the same random draws."""

    name: str
    figures: dict[str, Interval]
    """By the keys of `FIGURES`."""


@dataclass(frozen=True, kw_only=True)
class Instructions(Result):
    """Wishes; intervals are over users."""

    KIND = "instructions"
    FORMAT = 1
    COMMAND = "personagym instructions"

    users: int
    agent: str
    reach: float
    predictions: tuple[Prediction, ...]
    listeners: tuple[Listener, ...]
    differences: dict[str, tuple[Difference, ...]]
    """By figure."""
