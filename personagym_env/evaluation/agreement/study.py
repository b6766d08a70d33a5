"""The agreement study: what every judge says of every recommender, by each way to know real value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from personagym_env.evaluation.agreement.analysis import AgreementAnalysis
from personagym_env.evaluation.agreement.judges import FullAgreement, Judge, JudgeDifference, in_order
from personagym_env.evaluation.agreement.truths import Truth, TruthKind, own_figures
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval, estimate, interval
from personagym_env.evaluation.core.support import LEAST_SHARE


@dataclass(frozen=True)
class RecommenderRow:
    """One recommender, measured."""

    name: str
    model_class: str
    real: Interval
    said: Mapping[str, Interval]
    """Title of a judge to what it says."""
    support: float | None = None
    """Share of what it shows that people like the user rated in the training rows; None where nobody looked."""

    @property
    def guessed(self) -> bool:
        """Whether so little of what it shows is supported that simulated users can do no more than guess."""
        return self.support is not None and self.support < LEAST_SHARE


@dataclass(frozen=True)
class AgreementBoard:
    """What one way to know real value showed; plain values only."""

    ground_truth: str
    description: str
    users: int
    recommenders: tuple[RecommenderRow, ...]
    """The really best first."""
    bounds: Mapping[str, Interval]
    """Real value of a clairvoyant's picks (best), of chance, and of the worst possible picks (worst)."""
    judges: tuple[FullAgreement, ...]
    """Simulated users, then sessions, metrics and checks; the best first within each."""
    differences: tuple[JudgeDifference, ...]
    reliability: Interval
    """Tau between the real rankings of two random halves of the users; the bounds hold 95 % of such halvings."""
    noise_ceiling: Interval | None = None
    """Tau that a perfect judge would reach with this many users; None where nobody worked it out."""
    kind: TruthKind = "rating"
    """What the real value answers."""
    unit: str = "points"
    """Of real value."""
    left_out: int = 0
    """Users with held-out rows who have too few to take part."""
    without_liked: int = 0
    """Users with held-out rows of whom none is liked, whom metrics of liked rows leave out."""

    @property
    def own(self) -> tuple[str, ...]:
        """Simulated quantities that this real value is comparable with."""
        return own_figures(self.kind, self.ground_truth)

    def find(self, figure: str, population: str, rows: DataOverlap) -> FullAgreement | None:
        """The judge that reads a quantity off a population; None if there is none."""
        wanted = figure, population, rows
        return next((row for row in self.judges if (row.figure, row.population, row.rows) == wanted), None)

    def judge(self, title: str) -> FullAgreement:
        """A judge by title.

        Raises:
            KeyError: there is none.
        """
        return {row.title: row for row in self.judges}[title]


@dataclass(frozen=True, kw_only=True)
class AgreementStudy(Result):
    """Boards by way to know real value."""

    KIND = "agreement study"
    FORMAT = 4
    COMMAND = "personagym agreement"

    dataset: str
    boards: tuple[AgreementBoard, ...]
    shown_weights: Mapping[str, Interval] = field(default_factory=dict)
    """Users to the weight of the log odds of choosing in the value of what is shown."""


def make_agreement_board(
    analysis: AgreementAnalysis, judges: Sequence[Judge], ground_truth: Truth, without_liked: int = 0
) -> AgreementBoard:
    """Compare all judges, the checks and what independence changes.

    Args:
        analysis: of the recommenders' picks.
        judges: users and metrics with distinct titles.
        ground_truth: what the picks are worth.
        without_liked: users whom metrics of liked rows leave out.

    Raises:
        ValueError: two judges have one title.
    """
    titles = [judge.title for judge in judges]
    if len(set(titles)) != len(titles):
        raise ValueError(f"judges need distinct titles, got {titles}")
    compared = {judge.title: analysis.compare(judge) for judge in judges}
    found = in_order([*compared.values(), analysis.oracle(), analysis.dice()])
    own = own_figures(ground_truth.kind, ground_truth.name)
    return AgreementBoard(
        ground_truth=ground_truth.name,
        description=ground_truth.description,
        users=len(ground_truth.users),
        recommenders=_rows(analysis, judges),
        bounds={name: interval(bound.resampled(analysis.weights)) for name, bound in ground_truth.bounds.items()},
        judges=tuple(found),
        differences=tuple(analysis.differences(*pair) for pair in _pairs(judges, compared, own)),
        reliability=analysis.reliability(),
        noise_ceiling=analysis.noise_ceiling(),
        kind=ground_truth.kind,
        unit=ground_truth.unit,
        left_out=ground_truth.left_out,
        without_liked=without_liked,
    )


def _pairs(
    judges: Sequence[Judge], compared: Mapping[str, FullAgreement], own: Sequence[str]
) -> list[tuple[Judge, Judge]]:
    """Whose differences are told: of judges that read a quantity which real value is comparable with, and of metrics.

    Every population, and its sessions, are compared with the best of the offline metrics; a population also with itself
    on the recommenders' rows, and one without a class among the recommenders (language-model users) with the best one
    that has a class and knows the same rows.
    """
    users, sessions, metrics = (
        [judge for judge in judges if judge.kind == kind and (kind == "metric" or judge.figure in own)]
        for kind in ("users", "sessions", "metric")
    )
    best = max(metrics, key=lambda judge: compared[judge.title].tau.value, default=None)
    same = {judge.name: judge for judge in users if judge.rows == "same"}
    pairs = [(judge, same[judge.name]) for judge in users if judge.rows != "same" and judge.name in same]
    for judge in users:
        peers = [other for other in users if other.rows == judge.rows and other.model_class is not None]
        if judge.model_class is None and peers:
            pairs.append((judge, max(peers, key=lambda other: compared[other.title].tau.value)))
    return pairs + ([(judge, best) for judge in (*users, *sessions)] if best is not None else [])


def _rows(analysis: AgreementAnalysis, judges: Sequence[Judge]) -> tuple[RecommenderRow, ...]:
    """What every judge says of every recommender, the really best first."""
    order = np.argsort(-analysis.real[0], kind="stable")
    return tuple(
        RecommenderRow(
            analysis.recommenders[c].name,
            analysis.recommenders[c].model_class,
            interval(analysis.real[:, c]),
            {judge.title: estimate(judge.figure, judge.said[c].resampled(analysis.weights)) for judge in judges},
            analysis.recommenders[c].support,
        )
        for c in order
    )
