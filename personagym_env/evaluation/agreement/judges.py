"""Do judges put recommenders in the order that real behaviour does? Kendall's tau and the price of the judge's pick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.statistics import Interval, Statistic, interval, kendall_tau, stack, top_regret

JudgeKind = Literal["simulated", "closed pool", "offline", "floor"]
"""Where a judge's figures come from: sessions in the environment; a simulated user's expectation of the very picks
that are valued for real; ranking metrics on the held-out log; or nowhere."""


@dataclass(frozen=True)
class Agreement:
    """How one judge agrees with real value over the contestants."""

    judge: str
    kind: JudgeKind
    tau: Interval
    """Kendall's tau-b with the real value, with its interval over resampled users."""
    regret: Interval
    """Real value (rating points) lost by taking the judge's first instead of the really best contestant."""


def agreement(
    judge: str,
    kind: JudgeKind,
    figures: Sequence[Statistic],
    real: Sequence[Statistic],
    weights: FloatArray,
    *,
    higher_is_better: bool = True,
) -> Agreement:
    """Compare a judge with real value; both are computed again on each resample of the users.

    Args:
        judge: name for tables.
        kind: where the figures come from.
        figures: (c,) what the judge says of each contestant.
        real: (c,) what each contestant is really worth.
        weights: (b, u) from `user_resamples`.
        higher_is_better: False turns the judge's order round.
    """
    said = stack(figures, weights) * (1.0 if higher_is_better else -1.0)
    truth = stack(real, weights)
    return Agreement(judge, kind, interval(kendall_tau(said, truth)), interval(top_regret(said, truth)))


def random_judge(real: Sequence[Statistic], weights: FloatArray, rng: np.random.Generator) -> Agreement:
    """The floor: a judge that throws dice. Its interval is where 95 % of random orders fall, around a tau near 0."""
    truth = stack(real, weights)
    said = rng.random(truth.shape)
    tau, regret = kendall_tau(said, truth), top_regret(said, truth)
    tau[0], regret[0] = tau[1:].mean(), regret[1:].mean()
    return Agreement("random judge", "floor", interval(tau), interval(regret))


def agreement_table(
    judges: Mapping[tuple[JudgeKind, str], Sequence[Statistic]],
    real: Sequence[Statistic],
    weights: FloatArray,
    rng: np.random.Generator,
) -> list[Agreement]:
    """All judges, the best first within each kind, and the random judge last.

    Popularity counts downwards nowhere: a judge is named for the figure, and a figure that prefers the wrong end shows
    a negative tau.
    """
    rows = [agreement(name, kind, figures, real, weights) for (kind, name), figures in judges.items()]
    order = ("simulated", "closed pool", "offline")
    rows.sort(key=lambda row: (order.index(row.kind), -row.tau.value))
    return [*rows, random_judge(real, weights, rng)]
