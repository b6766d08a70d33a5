"""The leaderboard: what was measured of each recommender, how far judges agree with reality, and how to keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.agreement.analysis import AgreementAnalysis, ValuedRecommender
from personagym_env.evaluation.agreement.judges import Agreement, Judge, in_order
from personagym_env.evaluation.core.data_overlap import Independence
from personagym_env.evaluation.core.noise_ceiling import noise_ceiling
from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval, RatioOfSums, Statistic, estimate, interval
from personagym_env.evaluation.fidelity.fidelity_test import Fidelity
from personagym_env.evaluation.reporting.figures import EXPECTED, OFFLINE, SESSION, judge_name

FOUND, HELD_OUT = "recall", frozenset({"recall", "ndcg", "mrr", "hit"})
"""The metric that says what people went on to take, and all that count the same held-out rows."""
RANKED_BY = "return"
"""The simulated figure that orders the leaderboard."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """Everything measured of one recommender, still per user."""

    name: str
    model_class: str
    fit_seconds: float
    offline: Mapping[str, Statistic]
    """Ranking metrics on the held-out log, by name."""
    simulated: Mapping[str, Mapping[str, Statistic]]
    """Population of users to figure to statistic; the first population is the one that ranks."""
    real: RatioOfSums
    """Closed-pool real value."""
    judged: Mapping[str, RatioOfSums]
    """Population of users to its expectation of the closed-pool picks."""
    reference: bool = False
    """Whether it sees what no other recommender may see; a reference is shown, and left out of the agreement."""
    plausible: tuple[float, ...] = ()
    """Returns with the users who rank, in every world that the log cannot tell from this one."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard."""

    name: str
    reference: bool
    fit_seconds: float
    offline: Mapping[str, Interval]
    simulated: Mapping[str, Interval]
    real: Interval
    lead: Interval | None
    """Simulated return less that of the next line, same users, same random draws; None on the last line."""
    band: Interval | None = None
    """The return, with the lowest and highest over plausible laws of leaving; None where the log tells them."""


@dataclass(frozen=True)
class FidelityRow:
    """How true one population of users, or one floor, is to held-out people."""

    name: str
    figures: Mapping[str, Interval]


@dataclass(frozen=True, kw_only=True)
class Leaderboard(Result):
    """A finished comparison."""

    KIND = "leaderboard"
    FORMAT = 4
    COMMAND = "personagym leaderboard"

    dataset: str
    agent: str
    rows: tuple[Row, ...]
    """By simulated return, best first."""
    bounds: Mapping[str, Interval]
    """Real value of a clairvoyant (best), of chance, and of the worst possible picks (worst)."""
    agreements: tuple[Agreement, ...]
    """With how people rate what they chose."""
    fidelity: tuple[FidelityRow, ...]
    """Of users who know the rows that `independence` tells of, and of floors that know the same."""
    independence: Independence | None = None
    """Which training rows recommenders and users learned from; None where both know all of them."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """The simulation card as JSON has it: which parameters were fitted and which were assumed."""
    choice_agreements: tuple[Agreement, ...] = ()
    """With what people went on to take; metrics that count the same rows do not judge it."""
    ceilings: Mapping[str, Interval] = field(default_factory=dict)
    """`rating` and `choice` to the tau that a perfect judge would reach with so many users; empty where nobody worked
    it out."""


def compare(
    measurements: Sequence[Measurement],
    bounds: Mapping[str, RatioOfSums],
    fidelity: Sequence[Fidelity],
    weights: FloatArray,
    rng: np.random.Generator,
    *,
    dataset: str,
    setting: Mapping[str, Any],
    environment: Mapping[str, Any],
    card: Mapping[str, Any],
    independence: Independence | None = None,
) -> Leaderboard:
    """Turn per-user measurements into a leaderboard with intervals.

    Args:
        measurements: one per recommender, measured with the same figures on the same users.
        bounds: closed-pool statistics that need no recommender, by name.
        fidelity: populations and floors.
        weights: (b, u) from `user_resamples`; everything is resampled by the same rows.
        rng: throws the random judge's dice.
        dataset: name of the data.
        setting: what one has to know to run it again.
        environment: from `environment_snapshot`.
        card: the simulation card.
        independence: which training rows recommenders and users learned from; None where both know all of them.

    Raises:
        ValueError: no measurements, or two recommenders of one name.
    """
    names = [measurement.name for measurement in measurements]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"a leaderboard needs recommenders of distinct names, got {names}")
    returns = {m.name: _ranking(m)[RANKED_BY].resampled(weights) for m in measurements}
    ranked = sorted(measurements, key=lambda m: -returns[m.name][0])
    judged = [m for m in ranked if not m.reference]
    following = [returns[m.name] for m in ranked[1:]]
    leads = [interval(returns[m.name] - after) for m, after in zip(ranked, following, strict=False)]
    agreements, rated = _agreements({m.name: (m, m.real) for m in judged}, weights, rng)
    found = {m.name: (m, m.offline[FOUND]) for m in judged}
    choice_agreements, chosen = _agreements(found, weights, rng, HELD_OUT)
    ceilings = {"rating": rated, "choice": chosen}
    return Leaderboard(
        dataset=dataset,
        agent=next(iter(measurements[0].simulated)),
        rows=tuple(
            Row(
                name=m.name,
                reference=m.reference,
                fit_seconds=m.fit_seconds,
                offline=_estimates(m.offline, weights),
                simulated=_estimates(_ranking(m), weights),
                real=interval(m.real.resampled(weights)),
                lead=lead,
                band=_band(float(returns[m.name][0]), m.plausible),
            )
            for m, lead in zip(ranked, [*leads, None], strict=True)
        ),
        bounds=_estimates(bounds, weights),
        agreements=agreements,
        choice_agreements=choice_agreements,
        ceilings={name: ceiling for name, ceiling in ceilings.items() if ceiling is not None},
        fidelity=tuple(FidelityRow(row.name, _estimates(row.statistics, weights)) for row in fidelity),
        independence=independence,
        setting=dict(setting),
        environment=dict(environment),
        card=dict(card),
    )


def _band(value: float, plausible: tuple[float, ...]) -> Interval | None:
    return Interval(value, min(value, *plausible), max(value, *plausible)) if plausible else None


def _ranking(measurement: Measurement) -> Mapping[str, Statistic]:
    return next(iter(measurement.simulated.values()))


def _agreements(
    valued: Mapping[str, tuple[Measurement, Statistic]],
    weights: FloatArray,
    rng: np.random.Generator,
    left_out: frozenset[str] = frozenset(),
) -> tuple[tuple[Agreement, ...], Interval | None]:
    """How judges and dice agree with real value, and a perfect judge would.

    Nobody does where real value is unknown or there is nothing to order.

    Args:
        valued: measurements by name, and real value.
        weights: (b, u)
        rng: throws the dice.
        left_out: offline metrics that do not judge.
    """
    if len(valued) < 2 or np.isnan([real.resampled(weights) for _, real in valued.values()]).any():
        return (), None
    measurements = [one for one, _ in valued.values()]
    first = measurements[0]
    judges = [
        Judge(OFFLINE[figure].title, "metric", [one.offline[figure] for one in measurements], figure)
        for figure in first.offline
        if figure not in left_out
    ]
    for population, figures in first.simulated.items():
        for figure in figures:
            said = [one.simulated[population][figure] for one in measurements]
            judges.append(Judge(judge_name(SESSION[figure], population), "sessions", said, figure, population))
    for population in first.judged:
        expected = [one.judged[population] for one in measurements]
        judges.append(Judge(judge_name(EXPECTED, population), "users", expected, "expected", population))
    named = [ValuedRecommender(name, one.model_class, real) for name, (one, real) in valued.items()]
    analysis = AgreementAnalysis(named, weights, rng)
    rows = [*(analysis.compare(judge) for judge in judges), analysis.dice()]
    return tuple(row.brief() for row in in_order(rows)), noise_ceiling(analysis.real, rng.spawn(1)[0])


def _estimates(statistics: Mapping[str, Statistic], weights: FloatArray) -> dict[str, Interval]:
    return {name: estimate(name, statistic.resampled(weights)) for name, statistic in statistics.items()}
