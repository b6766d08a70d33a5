"""What a transfer study found: plain values, a row per data set and population."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval
from personagym_env.evaluation.fidelity.board import Difference

Kind = Literal["floor", "users", "control"]
"""What a population is there for: to be beaten, to be measured, or to show what is left when it is told less."""


@dataclass(frozen=True)
class TransferRow:
    """One population on one log."""

    name: str
    kind: Kind
    figures: Mapping[str, Interval]
    """rmse and mae in rating points, nll in nats, ece, auc and tau in 0..1; a floor may lack some."""
    training_seconds: float | None = None
    """Seconds of training before the log was met, as a bundle's manifest has them; None where nothing was trained or
    nobody wrote it down."""
    setup_seconds: float | None = None
    """Processor seconds of fitting, linking and loading; None for floors that need none."""
    answer_seconds: float | None = None
    """Processor seconds of all answers."""


Clusters = Literal["users", "items"]
"""Whose rows err together."""


@dataclass(frozen=True)
class Comparison:
    """Populations that answered the same questions."""

    train_rows: int
    held_out_rows: int
    """That were asked about."""
    users: int
    """Who were asked; items where these are the clusters."""
    rows: tuple[TransferRow, ...]
    differences: tuple[Difference, ...]
    """Each compared population less each other one, paired over the clusters."""
    clusters: Clusters = "users"
    """What the resamples behind the intervals draw."""

    def row(self, name: str) -> TransferRow | None:
        """The row of a population; None where it was not asked."""
        return next((row for row in self.rows if row.name == name), None)

    def difference(self, left: str, right: str, measure: str) -> Interval | None:
        """One population's figure less another's; None where one of them lacks it."""
        found = (one.figures.get(measure) for one in self.differences if (one.left, one.right) == (left, right))
        return next(found, None)


@dataclass(frozen=True)
class CurvePoint:
    """Errors at one place of a curve."""

    at: float
    """Training ratings that users are known by, or share of the users that the log is cut to."""
    held_out_rows: int
    users: int
    figures: Mapping[str, Mapping[str, Interval]]
    """Population to measure to figure."""


@dataclass(frozen=True)
class LineUp:
    """Whose picks gave `tau`."""

    recommenders: tuple[str, ...]
    """Fitted on one half of each user's training rows; the users who judge them know both halves."""
    picks: int
    """Items that each picks from a user's own held-out ones."""
    users: int
    """Who have twice as many held-out items that were asked about."""


@dataclass(frozen=True)
class TransferBoard:
    """All populations on one log."""

    dataset: str
    description: str
    """Which rows are training rows, in words."""
    compared: tuple[str, ...]
    """Populations whose differences from all others are told."""
    users_without_choices: int
    """Who have held-out rows and too few unseen items, so that nothing is asked about their choices."""
    answers: Comparison
    """On held-out rows."""
    line_up: LineUp | None = None
    cold_items: Comparison | None = None
    """On held-out rows of items all of whose training rows were taken away."""
    few_ratings: Comparison | None = None
    """On the points of `known` with at most 5 training ratings, together."""
    known: tuple[CurvePoint, ...] = ()
    """By training ratings of the user."""
    size: tuple[CurvePoint, ...] = ()
    """By share of the users."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Part, or part and population, to why it was not measured."""


@dataclass(frozen=True, kw_only=True)
class Transfer(Result):
    """All logs."""

    KIND: ClassVar[str] = "transfer study"
    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "personagym transfer"

    boards: tuple[TransferBoard, ...]
