"""What a closed loop brings, round by round: deploy, log, refit."""

from collections.abc import Mapping
from dataclasses import dataclass

from personagym_env.evaluation.core.differences import Difference
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.reporting.figures import REAL, SIMULATED, Figure

FIGURES = {
    "return": SIMULATED["return"],
    "real": REAL,
    "gini": Figure(
        "Gini",
        "Gini coefficient of exposure",
        "How unevenly exposure falls on the items on offer: 0 is alike, 1 is one item alone.",
        None,
    ),
    "coverage": Figure(
        "coverage",
        "share of the items on offer",
        "Share of the items on offer that stand in somebody's best slate at the start of a session.",
        None,
    ),
    "newcomers": Figure(
        "newcomers",
        "exposure / share of the catalogue",
        "Exposure of items that have arrived since the first round, as a multiple of their share of the catalogue.",
        None,
        ".2f",
    ),
    "disparity": Figure(
        "provider disparity",
        "provider disparity",
        "Share of exposure that would have to move for each provider to have its share of the catalogue.",
        None,
    ),
}
"""What is told of every round."""


@dataclass(frozen=True)
class LoopRound:
    """One way of refitting in one round."""

    arm: str
    round: int
    """From 0, before any refit."""
    figures: Mapping[str, Interval]
    """By the keys of `FIGURES`; newcomers have none in round 0."""
    exposure: tuple[float, ...]
    """Share of each provider, mean over repetitions."""
    catalogue: tuple[float, ...]
    """Share of each provider of the items on offer."""


@dataclass(frozen=True, kw_only=True)
class ClosedLoop(Result):
    """All ways of refitting, all rounds; intervals are over repetitions of the whole loop."""

    KIND = "closed loop"
    FORMAT = 1
    COMMAND = "personagym closed-loop"

    users: str
    sessions: int
    """Of each round."""
    repetitions: int
    providers: tuple[str, ...]
    rounds: tuple[LoopRound, ...]
    differences: Mapping[str, tuple[Difference, ...]]
    """By figure, of the mean over all rounds after the first."""
    last_differences: Mapping[str, tuple[Difference, ...]]
    """By figure, of the last round."""
    effective_share: float
    """Impressions of equal weight that weighted ones are worth, as a share, in the last round."""
    chance: Interval
    """Real value of items picked by chance."""
    best: Interval
    """Real value that nobody can exceed."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Ways of refitting, in their order."""
        return tuple(dict.fromkeys(one.arm for one in self.rounds))

    @property
    def n_rounds(self) -> int:
        """How many rounds there are."""
        return max(one.round for one in self.rounds) + 1

    def at(self, arm: str, number: int) -> LoopRound:
        """One way of refitting in one round."""
        return next(one for one in self.rounds if (one.arm, one.round) == (arm, number))
