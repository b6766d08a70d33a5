"""The fidelity board: how true populations of users are to held-out people, floors first, all on the same questions.

Shapes: n held-out rows, r ratings, u users, b rows of weights (1 + resamples), s training seeds of one population.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.calibration import Reliability, reliability, threshold_error, top_label_error
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import (
    NO_INTERVAL,
    Interval,
    RatioOfSums,
    Statistic,
    estimate,
    interval,
    user_resamples,
)
from personagym_env.evaluation.fidelity.breakdowns import Labels
from personagym_env.evaluation.fidelity.contamination import TitleMemorisation
from personagym_env.evaluation.fidelity.fidelity_test import Answers, rating_fidelity
from personagym_env.evaluation.fidelity.rating_shares import RatingShares, share_fidelity
from personagym_env.evaluation.fidelity.taste import TasteTest

Kind = Literal["floor", "users", "ablation", "control"]
"""What a population is there for: to be beaten, to be measured, to show what a part of the users adds by lacking it, or
to show that others do not cheat."""


@dataclass(frozen=True, eq=False)
class Population:
    """One row before it is measured."""

    name: str
    kind: Kind
    runs: tuple[Answers, ...]
    """Answers of each training seed; the i-th seeds of two populations count as a pair."""
    memory: bool | None = None
    """Whether documents tell what is recalled; None for those without documents."""


@dataclass(frozen=True)
class BoardRow:
    """One population, measured."""

    name: str
    kind: Kind
    seeds: int
    figures: Mapping[str, Interval]
    """Mean over training seeds; the interval is over users and, if there are several, seeds."""
    spread: Mapping[str, tuple[float, float]]
    """Lowest and highest of the seeds; empty with one."""
    shares: tuple[float, ...] | None
    """(r,) share of each rating among samples."""
    reliability: Reliability | None
    memory: bool | None = None
    """Whether documents tell what is recalled; None for those without documents."""

    @property
    def title(self) -> str:
        """The name, with the number of training seeds if there are several."""
        return self.name if self.seeds == 1 else f"{self.name} ({self.seeds} seeds)"


@dataclass(frozen=True)
class Difference:
    """One population less another, over the same users, questions and resamples."""

    left: str
    right: str
    figures: Mapping[str, Interval]


@dataclass(frozen=True)
class Part:
    """The same figures over a part of the held-out rows."""

    by: str
    """What the rows were parted by."""
    label: str
    rows: int
    users: int
    figures: Mapping[str, Mapping[str, Interval]]
    """Population to figure to estimate."""


@dataclass(frozen=True)
class PublishedFigure:
    """What others report under a protocol; nothing here was measured by this project."""

    name: str
    rmse: float
    mae: float | None
    source: str


@dataclass(frozen=True)
class FidelityBoard:
    """What one protocol showed; plain values only."""

    protocol: str
    description: str
    dataset: str
    scale: tuple[float, ...]
    real_shares: tuple[float, ...]
    """(r,) share of each rating among held-out rows."""
    sizes: Mapping[str, int]
    """Rows, users and questions."""
    rows: tuple[BoardRow, ...]
    differences: tuple[Difference, ...]
    parts: tuple[Part, ...]
    leak_test: Mapping[str, int] = field(default_factory=dict)
    """Population to prompts that were searched for held-out items; none was found, or there would be no board."""
    memorisation: Mapping[str, TitleMemorisation] = field(default_factory=dict)
    """Base to what it knows of titles."""
    published: tuple[PublishedFigure, ...] = ()
    """By others under the same protocol on the same data."""

    def row(self, name: str) -> BoardRow:
        """A row by name.

        Raises:
            KeyError: there is none.
        """
        return {row.name: row for row in self.rows}[name]


@dataclass(frozen=True, kw_only=True)
class FidelityReport(Result):
    """Boards of several protocols."""

    KIND = "fidelity report"
    FORMAT = 3
    COMMAND = "personagym fidelity"

    boards: tuple[FidelityBoard, ...]


def statistics_of(answers: Answers, taste: TasteTest) -> dict[str, Statistic]:
    """Every figure that a population's answers allow, named as in `personagym_env.evaluation.reporting.figures`."""
    test = taste.test.split.test
    figures = dict(taste.test.measure(answers).statistics)
    if answers.ratings is not None:
        unreadable = (~answers.readable).astype(np.float64)
        figures["urr"] = RatioOfSums.of_users(test.users, unreadable, test.n_users)
        distributions, rated = answers.distributions(), test.take(answers.readable)
        figures["ece"] = threshold_error(distributions, rated)
        figures["ece_top"] = top_label_error(distributions, rated)
        figures |= share_fidelity(RatingShares.count(distributions, rated))
    return figures | taste.figures(answers)


class Resampler:
    """Figures of populations under one set of resamples, so that whatever is compared is paired.

    A population of several training seeds is resampled in users and in seeds; its figure is the mean over seeds.
    Populations with equally many seeds are given the same draws of them.

    Args:
        weights: (b, u) from `user_resamples`.
        rng: draws the seeds.
    """

    def __init__(self, weights: FloatArray, rng: np.random.Generator) -> None:
        self.weights = weights
        self._rng = rng
        self._seeds: dict[int, FloatArray] = {}

    def samples(self, runs: Sequence[Statistic]) -> tuple[FloatArray, FloatArray]:
        """(b,) the figure over all seeds, and (s,) the figure of each seed on the whole sample."""
        single = np.stack([run.resampled(self.weights) for run in runs], axis=1)  # (b, s)
        if len(runs) not in self._seeds:
            self._seeds[len(runs)] = user_resamples(len(runs), len(self.weights) - 1, self._rng)
        drawn = self._seeds[len(runs)]
        return (single * drawn).sum(axis=1) / drawn.sum(axis=1), single[0]


def make_board(
    populations: Sequence[Population],
    taste: TasteTest,
    labels: Sequence[Labels],
    compared: Sequence[tuple[str, str]],
    resampler: Resampler,
    *,
    protocol: str,
    description: str,
    dataset: str,
    leak_test: Mapping[str, int],
    memorisation: Mapping[str, TitleMemorisation] | None = None,
    published: Sequence[PublishedFigure] = (),
) -> FidelityBoard:
    """Measure populations that answered the same questions.

    Args:
        populations: in the order of the board.
        taste: panels and lists over the questions.
        labels: ways to break rating errors down.
        compared: pairs of names whose differences are wanted, left less right.
        resampler: of users and seeds.
        protocol: name of the split.
        description: the split in words.
        dataset: name of the data.
        leak_test: population to prompts searched.
        memorisation: base to what it knows of titles.
        published: figures of others under the same protocol.

    Raises:
        ValueError: two populations have one name, or a compared name is none of them.
    """
    names = [population.name for population in populations]
    if len(set(names)) != len(names):
        raise ValueError(f"populations need distinct names, got {names}")
    unknown = sorted({name for pair in compared for name in pair} - set(names))
    if unknown:
        raise ValueError(f"cannot compare {', '.join(unknown)}: the board has {', '.join(names)}")
    split = taste.test.split
    measured = {
        population.name: _samples([statistics_of(answers, taste) for answers in population.runs], resampler)
        for population in populations
    }
    return FidelityBoard(
        protocol=protocol,
        description=description,
        dataset=dataset,
        scale=split.test.scale,
        real_shares=tuple((np.eye(len(split.test.scale))[split.test.rating_index].mean(axis=0)).tolist()),
        sizes={
            "training rows": len(split.train),
            "held-out rows": len(split.test),
            "users": len(taste.test.owners),
            "questions": taste.test.n_questions,
        }
        | {f"users of panels 1:{ratio}": len(panels.owners) for ratio, panels in taste.panels.items()}
        | {f"lists of {size}": len(lists.owners) for size, lists in taste.lists.items()},
        rows=tuple(_board_row(population, measured[population.name], taste) for population in populations),
        differences=tuple(_difference(left, right, measured) for left, right in compared),
        parts=tuple(_parts(populations, taste, labels, resampler)),
        leak_test=dict(leak_test),
        memorisation=dict(memorisation or {}),
        published=tuple(published),
    )


Samples = dict[str, tuple[FloatArray, FloatArray]]
"""Figure to what `Resampler.samples` gives."""


def _samples(runs: Sequence[Mapping[str, Statistic]], resampler: Resampler) -> Samples:
    return {figure: resampler.samples([run[figure] for run in runs]) for figure in runs[0]}


def _board_row(population: Population, samples: Samples, taste: TasteTest) -> BoardRow:
    several = len(population.runs) > 1
    rated = [answers for answers in population.runs if answers.ratings is not None and answers.readable.any()]
    shares = diagram = None
    if rated:
        test = taste.test.split.test
        distributions = np.concatenate([answers.distributions() for answers in rated])
        rows = [np.flatnonzero(answers.readable) for answers in rated]
        shares = tuple(distributions.mean(axis=0).tolist())
        diagram = reliability(distributions, test.rating_index[np.concatenate(rows)])
    return BoardRow(
        name=population.name,
        kind=population.kind,
        seeds=len(population.runs),
        figures={figure: estimate(figure, drawn) for figure, (drawn, _) in samples.items()},
        spread={f: (float(each.min()), float(each.max())) for f, (_, each) in samples.items()} if several else {},
        shares=shares,
        reliability=diagram,
        memory=population.memory,
    )


def _difference(left: str, right: str, measured: Mapping[str, Samples]) -> Difference:
    both = [figure for figure in measured[left] if figure in measured[right] and figure not in NO_INTERVAL]
    return Difference(
        left, right, {figure: interval(measured[left][figure][0] - measured[right][figure][0]) for figure in both}
    )


def _parts(
    populations: Sequence[Population], taste: TasteTest, labels: Sequence[Labels], resampler: Resampler
) -> list[Part]:
    test = taste.test.split.test
    raters = [one for one in populations if all(answers.ratings is not None for answers in one.runs)]
    parts = []
    for way in labels:
        for number, label in enumerate(way.names):
            inside = way.of_row == number
            if not inside.any():
                continue
            figures = {}
            for population in raters:
                runs = []
                for answers in population.runs:
                    kept = inside & answers.readable
                    if kept.any():
                        runs.append(rating_fidelity(answers.distributions()[inside[answers.readable]], test.take(kept)))
                if runs:
                    figures[population.name] = {
                        figure: interval(drawn) for figure, (drawn, _) in _samples(runs, resampler).items()
                    }
            parts.append(Part(way.by, label, int(inside.sum()), len(np.unique(test.users[inside])), figures))
    return parts
