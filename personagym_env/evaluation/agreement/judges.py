"""Judges of recommenders, and how each of them agrees with real value."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.statistics import Interval, Statistic

JudgeKind = Literal["users", "sessions", "metric", "check"]
"""Simulated users who rate the same picks; whole sessions with such users; an offline metric on the held-out log; or a
check of the test's power."""
JUDGE_KINDS: tuple[JudgeKind, ...] = get_args(JudgeKind)
"""In the order of tables."""
ORACLE, DICE = "oracle", "random judge"
"""The checks: real value itself, and dice."""


@dataclass(frozen=True, eq=False)
class Judge:
    """What one judge says of c recommenders."""

    name: str
    kind: JudgeKind
    said: Sequence[Statistic]
    """(c,) in the order of the recommenders, higher is better."""
    figure: str
    """What is read off: a key of `personagym_env.evaluation.reporting.figures`."""
    population: str | None = None
    """The simulated users behind the judge; None for a metric."""
    rows: DataOverlap | None = None
    """Which training rows the judge knows; None for what is no model."""
    model_class: str | None = None
    """What the self-preference audit goes by; None where no recommender is of the judge's kind."""

    @property
    def title(self) -> str:
        """The name, with the rows it knows."""
        return _title(self.name, self.rows)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How one judge agrees with real value over the recommenders."""

    judge: str
    kind: JudgeKind
    figure: str
    """As in `Judge`; empty for a check."""
    population: str | None
    tau: Interval
    """Kendall's tau-b."""
    regret: Interval
    """Rating points of real value lost by taking the judge's first instead of the really best."""

    @property
    def title(self) -> str:
        """What tables call the judge."""
        return self.judge


@dataclass(frozen=True, kw_only=True)
class FullAgreement(Agreement):
    """How one judge agrees with real value, in every respect, and whom it prefers."""

    rows: DataOverlap | None
    model_class: str | None
    winner: str
    """The recommender that the judge puts first."""
    rho: Interval
    """Spearman's rank correlation."""
    pairwise: Interval
    """Share of pairs of recommenders in the right order."""
    clear_pairs: Interval
    """The same over pairs whose real difference has an interval without 0."""
    regret_share: Interval
    """The regret as a share of the way from the really worst to the really best recommender."""
    without: Mapping[str, float]
    """Model class to tau over all other recommenders: how far the verdict hangs on who takes part."""
    class_shift: Mapping[str, Interval]
    """Model class to how many ranks higher the judge puts its recommenders than real users do, on average."""
    undefined: int = 0
    """Recommenders whom the judge has no value for, such as the mean rating where nobody took anything; they come
    last."""

    @property
    def title(self) -> str:
        """The name, with the rows it knows."""
        return _title(self.judge, self.rows)

    @property
    def self_preference(self) -> Interval | None:
        """Ranks by which the judge prefers its own model class; None where it has none among the recommenders."""
        return None if self.model_class is None else self.class_shift.get(self.model_class)

    def brief(self) -> Agreement:
        """Tau and regret alone."""
        return Agreement(
            judge=self.judge,
            kind=self.kind,
            figure=self.figure,
            population=self.population,
            tau=self.tau,
            regret=self.regret,
        )


@dataclass(frozen=True)
class JudgeDifference:
    """One judge less another, over the same recommenders, users and resamples."""

    left: str
    right: str
    tau: Interval
    regret: Interval
    self_preference: Interval | None
    """Of the left judge's class; None where the two are of different classes, or of none."""


Row = TypeVar("Row", bound=Agreement)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Judges by kind, the best of each kind first."""
    return sorted(rows, key=lambda row: (JUDGE_KINDS.index(row.kind), -row.tau.value))


def _title(name: str, rows: DataOverlap | None) -> str:
    return name if rows is None else f"{name} ({rows})"
