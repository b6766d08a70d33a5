"""Estimates with their intervals, and what makes an estimate mean nothing, in figures and in words.

Shapes: j sessions, g groups of sessions, b rows of bootstrap weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import FloatArray
from personagym_env.evaluation.core.statistics import Interval, interval, user_resamples
from personagym_env.evaluation.off_policy.decisions import Decisions
from personagym_env.evaluation.off_policy.terms import Floats, Terms, WeightSums, random_groups, resampled_together

LEAST_EFFECTIVE = 200.0
"""Effective sample size below which an interval is not to be trusted."""
LARGEST_SHARE = 0.05
"""Share of all weight that one session may carry."""
SUPPORT_ERRORS = 4.0
"""Standard errors that the mean weight may lie away from 1."""
REFERENCE = "DR"
"""The estimator that assumes least with least variance: support and right propensities, and no model to be right."""
ASSUMING = ("DM", "FQE", "switch-DR", "clipped IPS", "IIPS", "RIPS", "cascade-DR", "PI")
"""Estimators that assume more: that a model is right, or that places of a slate do not interact."""
CONTRADICTED = 0.99
"""Level of the interval of the difference to the reference that must hold 0 (Hausman, Econometrica 1978)."""
SUPPORT_MARGIN = 0.01
"""How far the mean weight may lie away from 1 in any case."""


@dataclass(frozen=True)
class Overlap:
    """How much of what the evaluation policy does the log has seen, by the slates' joint ratios w."""

    missing: float
    """Share of decisions without overlap: the evaluation policy would never have shown the logged slate."""
    mean_weight: float
    """Of the decisions. Its expectation is 1 if the logging policy can show all that the evaluation policy can;
    else it is the probability, in the logged situations, of what both can show."""
    standard_error: float
    """Of `mean_weight`."""

    @classmethod
    def of(cls, slates: WeightSums, counts: Floats) -> "Overlap":
        """Of the slates' weights by session or group, of which each row counts so often (j,)."""
        count, total, squares, zeros = (
            float(counts @ part) for part in (slates.count, slates.total, slates.squares, slates.zeros)
        )
        mean = total / count
        return cls(zeros / count, mean, float(np.sqrt(max(squares / count - mean**2, 0.0) / count)))

    @property
    def supported(self) -> bool:
        """Whether the weights are as if the logging policy could show all that the evaluation policy can."""
        return abs(self.mean_weight - 1) <= max(SUPPORT_ERRORS * self.standard_error, SUPPORT_MARGIN)


@dataclass(frozen=True)
class Estimate:
    """What a policy would have earned by session, and how far that can be trusted."""

    value: Interval
    """With its 95 % interval."""
    effective_size: float
    """Sessions (or places, where each has its own weight) that the weights are worth: `(sum w)^2 / sum w^2` (Kish
    1965), which is how many there are if all weigh the same."""
    largest_share: float
    """Share of all weight that the heaviest of them has."""
    overlap: Overlap
    warning: str
    """Why the estimate means nothing, in words; empty where the overlap suffices."""


def slate_weights(decisions: Decisions) -> WeightSums:
    """The joint ratios of the slates by session, for `Overlap`."""
    ratio = decisions.joint_ratio
    largest = np.maximum.reduceat(ratio, decisions.first)
    count, total, squares, zeros = (
        decisions.by_session(part) for part in (np.ones_like(ratio), ratio, ratio**2, (ratio == 0).astype(np.float64))
    )
    return WeightSums(count, total, squares, largest, zeros)


def _judged(terms: Terms, overlap: Overlap, counts: Floats, value: Interval, excess: Interval | None) -> Estimate:
    """An estimate with its diagnosis; excess is how much it lies above an estimate that assumes less, None if none."""
    carried = terms.weights
    if carried is None:
        effective, share = float(counts @ terms.denominator[:, 0]), 0.0  # every session counts the same
    else:
        total, squares = float(counts @ carried.total), float(counts @ carried.squares)
        effective = total**2 / squares if squares > 0 else 0.0
        share = float((carried.largest * (counts > 0)).max() / total) if total > 0 else 1.0
    warning = _warning(effective, share, overlap, modelled=carried is None)
    if excess is not None and not warning and not excess.low <= 0 <= excess.high:
        warning = (
            f"The log contradicts what this estimator assumes: it lies {excess.value:+.3f} "
            f"({excess.low:+.3f} to {excess.high:+.3f}) from the doubly robust estimate, which assumes less."
        )
    return Estimate(value, effective, share, overlap, warning)


def _warning(effective: float, share: float, overlap: Overlap, *, modelled: bool) -> str:
    if overlap.missing == 1:
        return "The evaluation policy would have shown none of the logged slates: the log says nothing about it."
    reasons = []
    if not overlap.supported:
        reasons.append(
            f"the weights average {overlap.mean_weight:.3f} where 1 is due, so the logging policy cannot show some of "
            "what the evaluation policy shows, or propensities are wrong"
        )
    if effective < LEAST_EFFECTIVE:
        reasons.append(f"the log is worth {effective:.0f} sessions of the evaluation policy")
    if share > LARGEST_SHARE:
        reasons.append(f"one session carries {share:.0%} of the weight")
    if not reasons:
        return ""
    kind = "The model is asked about what the log has hardly seen: " if modelled else "Too little overlap: "
    return kind + "; ".join(reasons) + "."


def judge_all(
    terms: Mapping[str, Terms], slates: WeightSums, counts: Floats, weights: FloatArray
) -> dict[str, Estimate]:
    """Estimates of all estimators, from the same resamples; `ASSUMING` are held against `REFERENCE` besides.

    Args:
        terms: of each estimator by name, by session or group, models fixed.
        slates: from `slate_weights`, by the same sessions or groups.
        counts: (j,) how often each counts: all 1 for the log itself.
        weights: (b, j) from `user_resamples`.
    """
    names = list(terms)
    samples = resampled_together([terms[name] for name in names], weights)  # (b, e)
    overlap, values = Overlap.of(slates, counts), _intervals(samples, 0.95)
    checked = [name for name in names if name in ASSUMING] if REFERENCE in names else []
    excess: dict[str, Interval] = {}
    if checked:
        columns = [names.index(name) for name in checked]
        beyond = samples[:, columns] - samples[:, [names.index(REFERENCE)]]
        excess = dict(zip(checked, _intervals(beyond, CONTRADICTED), strict=True))
    return {
        name: _judged(terms[name], overlap, counts, value, excess.get(name))
        for name, value in zip(names, values, strict=True)
    }


def _intervals(samples: Floats, level: float) -> list[Interval]:
    """Percentile intervals of samples (b, e), column by column."""
    if np.isnan(samples).any():
        return [interval(column, level) for column in samples.T]
    low, high = np.quantile(samples[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [Interval(*map(float, ends)) for ends in zip(samples[0], low, high, strict=True)]


def estimates(
    decisions: Decisions, terms: Mapping[str, Terms], rng: np.random.Generator, resamples: int = 1_000
) -> dict[str, Estimate]:
    """Estimates of all estimators of a log, from the same resamples of sessions.

    Args:
        decisions: the log.
        terms: of each estimator by name, by session, models fixed.
        rng: makes groups of sessions where there are many, and draws resamples.
        resamples: of sessions or groups.
    """
    group = random_groups(decisions.n_sessions, rng)
    n_groups = int(group.max()) + 1
    by_group = {name: one.grouped(group, n_groups) for name, one in terms.items()}
    slates = slate_weights(decisions).grouped(group, n_groups)
    return judge_all(by_group, slates, np.ones(n_groups), user_resamples(n_groups, resamples, rng))
