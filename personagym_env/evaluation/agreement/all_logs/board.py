"""The study on every log: what each log said, in plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from personagym_env.evaluation.agreement.all_logs.abstention import Abstention
from personagym_env.evaluation.agreement.all_logs.log_shape import LogShape
from personagym_env.evaluation.agreement.judges import JudgeKind
from personagym_env.evaluation.agreement.truths import TruthKind
from personagym_env.evaluation.backtest.confidence import ConfidenceBin
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class LineUpRow:
    """A recommender that took part."""

    name: str
    model_class: str
    seconds: float
    """Processor time of its fit."""


@dataclass(frozen=True)
class LogJudge:
    """One judge on one log, by the quantity that measures what the truth is about."""

    judge: str
    """Name of the population or metric."""
    kind: JudgeKind
    figure: str
    rows: DataOverlap | None
    tau: Interval
    regret_share: Interval
    """Real value lost by taking its winner, as a share of the way from the really worst to the really best."""
    winner: str
    winner_right: bool
    """Whether its winner is the really best one."""
    abstentions: Mapping[str, Abstention] = field(default_factory=dict)
    """By rule; empty for metrics."""
    pairs: tuple[ConfidenceBin, ...] = ()
    """Pairs of recommenders as A/B tests: predicted by what is said of one half of the users, won on the other half."""

    @property
    def title(self) -> str:
        """The name with the rows that it knows."""
        return self.judge if self.rows is None else f"{self.judge} ({self.rows})"


@dataclass(frozen=True)
class LogDifference:
    """One judge less another on one log."""

    left: str
    right: str
    """What the other one is: the best offline metric, or the best classical users who know the same rows."""
    chosen: str
    """Title of the other one on this log."""
    tau: Interval


@dataclass(frozen=True)
class LogTruth:
    """One way to know real value, on one log."""

    name: str
    kind: TruthKind
    description: str
    users: int
    left_out: int
    ceiling: Interval
    """Tau of a judge that knows every recommender's true mean."""
    judges: tuple[LogJudge, ...]
    differences: tuple[LogDifference, ...]


@dataclass(frozen=True)
class LogBoard:
    """One log."""

    dataset: str
    description: str
    """Which rows are training rows."""
    shape: LogShape
    evaluated: int
    """Users whom everything was measured on."""
    line_up: tuple[LineUpRow, ...]
    truths: tuple[LogTruth, ...]
    refused: Mapping[str, str]
    """Truths that the log cannot tell, and why."""
    left_out: Mapping[str, str]
    """Recommenders and judges who take no part, and why."""


@dataclass(frozen=True, kw_only=True)
class AllLogs(Result):
    """All logs."""

    KIND = "agreement on all logs"
    FORMAT = 1
    COMMAND = "personagym agreement --all-data"

    boards: tuple[LogBoard, ...]

    def truths(self, kind: TruthKind) -> Iterator[tuple[LogBoard, LogTruth]]:
        """All truths of a kind, with their logs."""
        for board in self.boards:
            for truth in board.truths:
                if truth.kind == kind:
                    yield board, truth
