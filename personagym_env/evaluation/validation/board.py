"""Validation: are simulated logs of a logging policy like the real one like real held-out logs?

Every respect in which logs are compared is computed anew on each resample of the users, and stands between two floors:
real rows, which are as near as one can hope to come, and a simulator without knowledge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray, IntArray
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval, interval, point, user_resamples
from personagym_env.evaluation.validation.aspects import ASPECTS, Aspect, Ruler
from personagym_env.evaluation.validation.distances import Respect, distance_interval, distance_samples
from personagym_env.evaluation.validation.session_log import SessionLog, held_out_sessions, preceding_sessions

SourceKind = Literal["halves", "preceding", "users", "chance"]
"""The held-out log in two halves; the real rows just before it; simulated users whose likeness is in question; a
simulator that is to be beaten."""
HALVES, PRECEDING = "real, other half", "real, just before"
"""The real floors."""
HALVINGS = 200
"""Random halvings of the users behind the first floor."""


class Simulated(NamedTuple):
    """One simulated log."""

    name: str
    kind: SourceKind
    log: SessionLog
    description: str


@dataclass(frozen=True)
class Source:
    """A log that is compared with the held-out one."""

    name: str
    kind: SourceKind
    description: str
    rows: int
    sessions: int | None
    """Sessions that have a row in the log; None where nobody knows."""


@dataclass(frozen=True)
class Likeness:
    """How like the held-out log one source is in one respect."""

    source: str
    level: Interval
    """What sums the respect up; NaN for the floor of two halves, which has two."""
    difference: Interval
    """The level less that of the held-out log, over the same users."""
    distances: Mapping[str, Interval]
    """Names in `DISTANCES`, those of the aspect."""
    curve: tuple[float, ...]
    """(x,) as plots show it; empty for the floor of two halves."""


@dataclass(frozen=True)
class AspectBoard:
    """One respect, all sources."""

    name: str
    """Key of `ASPECTS`."""
    support: tuple[float, ...]
    """(x,)"""
    level: Interval
    """Of the held-out log."""
    curve: tuple[float, ...]
    """(x,) of the held-out log, as plots show it: summed up from the left where the aspect is cumulative."""
    low: tuple[float, ...]
    """(x,) lower end of the curve's pointwise 95 % interval."""
    high: tuple[float, ...]
    """(x,) upper end."""
    rows: tuple[Likeness, ...]
    """In the order of the sources."""

    def __post_init__(self) -> None:
        if self.name not in ASPECTS:
            raise ValueError(f"no aspect {self.name!r}, expected some of {', '.join(sorted(ASPECTS))}")

    @property
    def aspect(self) -> Aspect:
        """What the respect is called, and in which units."""
        return ASPECTS[self.name]

    def row(self, source: str) -> Likeness:
        """The likeness of a source.

        Raises:
            KeyError: there is none of that name.
        """
        return {row.source: row for row in self.rows}[source]


@dataclass(frozen=True, kw_only=True)
class Validation(Result):
    """Simulated against real held-out logs."""

    KIND = "validation"
    FORMAT = 3
    COMMAND = "personagym validation"

    dataset: str
    users: int
    """Users who have held-out rows and took part."""
    rows: int
    """Held-out rows."""
    sources: tuple[Source, ...]
    aspects: tuple[AspectBoard, ...]
    assumptions: tuple[str, ...]
    """What the data do not say and the simulation takes for granted."""


def session_budget(split: Split, chosen: IntArray | None = None) -> IntArray:
    """(u,) rows that each user's simulated log is to have: as many as are held out; 0 for users left out.

    Args:
        split: training and held-out rows.
        chosen: users who take part; all by default.

    Raises:
        ValueError: nobody who takes part has a held-out row.
    """
    budget = split.test.counts.copy()
    if chosen is not None:
        mask = np.zeros(len(budget), np.bool_)
        mask[chosen] = True
        budget[~mask] = 0
    if not budget.any():
        raise ValueError("a validation needs held-out rows, and the users who take part have none")
    return budget


def validate(
    split: Split,
    ruler: Ruler,
    simulated: Sequence[Simulated],
    budget: IntArray,
    rng: np.random.Generator,
    *,
    dataset: str,
    resamples: int = 1_000,
    assumptions: Sequence[str] = (),
    setting: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Validation:
    """Compare simulated logs, and the floors, with the held-out rows.

    Args:
        split: training and held-out rows.
        ruler: learned from the training rows.
        simulated: logs of the users who take part, each as long as `budget` says.
        budget: (u,) from `session_budget`.
        rng: draws resamples and halves.
        dataset: name of the data.
        resamples: bootstrap resamples of the users who take part.
        assumptions: what the simulation takes for granted.
        setting: what one has to know to run it again.
        environment: from `environment_snapshot`.

    Raises:
        ValueError: two sources of one name, or a simulated log that is not as long as the budget.
    """
    part = budget > 0
    for one in simulated:
        if not np.array_equal(one.log.log.counts, budget):
            raise ValueError(f"the simulated log {one.name!r} has other numbers of rows per user than the held-out one")
    real = held_out_sessions(split).of_users(part)
    words = f"each user's last {'sessions and ' if real.position is not None else ''}training rows, as many"
    preceding = Simulated(PRECEDING, "preceding", preceding_sessions(split).of_users(part), words)
    compared = [preceding, *simulated]
    names = [HALVES, *(one.name for one in compared)]
    if len(set(names)) != len(names):
        raise ValueError(f"sources need distinct names, got {names}")
    weights = np.zeros((1 + resamples, len(budget)))
    weights[:, part] = user_resamples(int(part.sum()), resamples, rng)
    halves = _halvings(part, rng)
    halves_source = Source(HALVES, "halves", f"two random halves of the users, {HALVINGS} times", len(real.log), None)
    aspects = ruler.aspects(sessions=real.position is not None)
    return Validation(
        dataset=dataset,
        users=int(part.sum()),
        rows=len(real.log),
        sources=(halves_source, *(_source(one) for one in compared)),
        aspects=tuple(_board(name, aspects[name], ruler, real, compared, weights, halves) for name in aspects),
        assumptions=tuple(assumptions),
        setting=dict(setting),
        environment=dict(environment),
    )


def _halvings(part: Any, rng: np.random.Generator) -> FloatArray:
    """(2, h, u) random halves of the users who take part, and the others."""
    users = np.flatnonzero(part)
    first = np.zeros((HALVINGS, len(part)))
    for row in first:
        row[rng.permutation(users)[: len(users) // 2]] = 1
    return np.stack([first, part - first])


def _source(one: Simulated) -> Source:
    sessions = None if one.log.position is None else int(one.log.opens().sum())
    return Source(one.name, one.kind, one.description, len(one.log.log), sessions)


def _board(
    name: str,
    aspect: Aspect,
    ruler: Ruler,
    real: SessionLog,
    compared: Sequence[Simulated],
    weights: FloatArray,
    halves: FloatArray,
) -> AspectBoard:
    truth = aspect.measure(ruler, real)
    level, curve = truth.level(weights), _shown(aspect, truth, weights)
    points = [interval(column) for column in curve.T]
    return AspectBoard(
        name=name,
        support=_floats(truth.support),
        level=(point if aspect.biased else interval)(level),
        curve=_floats(curve[0]),
        low=tuple(point.low for point in points),
        high=tuple(point.high for point in points),
        rows=(
            _between_halves(aspect, truth, halves),
            *(_likeness(one.name, aspect, aspect.measure(ruler, one.log), truth, weights) for one in compared),
        ),
    )


def _shown(aspect: Aspect, respect: Respect, weights: FloatArray) -> FloatArray:
    """(b, x) what plots show."""
    curve = respect.curve(weights)
    return np.cumsum(curve, axis=1) if aspect.cumulative else curve


def _likeness(name: str, aspect: Aspect, said: Respect, truth: Respect, weights: FloatArray) -> Likeness:
    level = said.level(weights)
    of_level, of_distance = (point, point) if aspect.biased else (interval, distance_interval)
    gaps = {way: distance_samples(way, said, weights, truth, weights) for way in aspect.distances}
    return Likeness(
        source=name,
        level=of_level(level),
        difference=of_level(level - truth.level(weights)),
        distances={way: of_distance(samples) for way, samples in gaps.items()},
        curve=_floats(_shown(aspect, said, weights[:1])[0]),
    )


def _between_halves(aspect: Aspect, truth: Respect, halves: FloatArray) -> Likeness:
    """What chance in who is in the sample does alone: means over halvings, and where 95 % of them lie."""
    left, right = halves
    gap = truth.level(left) - truth.level(right)
    ways = {way: distance_samples(way, truth, left, truth, right) for way in aspect.distances}
    return Likeness(
        source=HALVES,
        level=Interval(np.nan, np.nan, np.nan),
        difference=_over_halvings(gap),
        distances={way: _over_halvings(samples) for way, samples in ways.items()},
        curve=(),
    )


def _over_halvings(samples: FloatArray) -> Interval:
    if np.isnan(samples).all():
        return Interval(np.nan, np.nan, np.nan)
    return interval(np.concatenate([[np.nanmean(samples)], samples]))


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
