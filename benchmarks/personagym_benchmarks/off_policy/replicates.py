"""Estimates from many logs: every log is one that could have been collected, every estimate has an interval.

Shapes: l logs, g groups of sessions, b rows of bootstrap weights.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from personagym_benchmarks.off_policy.pool import BLOCK, RUN, Pool
from personagym_benchmarks.off_policy.questions import Asker
from personagym_benchmarks.off_policy.settings import SMALL
from personagym_env.data.tables import BoolArray, IntArray
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.off_policy.action_values import Moments
from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.evaluation.off_policy.estimates import judge_all
from personagym_env.evaluation.off_policy.terms import GROUPS, Terms, WeightSums

_ONE = np.ones(1)
"""Coefficients of a model whose feature is its own prediction."""

Summed = Iterator[tuple[str, Mapping[str, Terms], WeightSums]]
"""By policy: terms of a log with fixed models, and its slates' weights, by group of sessions."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """What one estimator said of one policy on each log of one size; each (l,)."""

    value: Floats
    low: Floats
    high: Floats
    effective: Floats
    suffices: BoolArray
    """Whether the estimate came without a warning."""


def replicates(
    pool: Pool,
    askers: Mapping[str, Asker],
    size: int,
    logs: int,
    resamples: int,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, dict[str, Replicates]]:
    """Estimate from so many logs of so many decisions, by policy and estimator; all policies have the same logs."""
    rng = np.random.default_rng([seed, size])
    draw = _SmallLogs(pool, askers, size) if size < SMALL else _LargeLogs(pool, size)
    weights = user_resamples(draw.n_groups, resamples, rng)
    counts = np.ones(draw.n_groups)
    found: dict[str, dict[str, list[tuple[float, float, float, float, bool]]]] = {}
    for _ in range(logs):
        for policy, terms, slates in draw(rng):
            by_name = found.setdefault(policy, {})
            for name, one in judge_all(terms, slates, counts, weights).items():
                by_name.setdefault(name, []).append((*one.value, one.effective_size, one.warning == ""))
        progress(1)
    return {
        policy: {name: Replicates(*map(np.array, zip(*rows, strict=True))) for name, rows in by_name.items()}
        for policy, by_name in found.items()
    }


class _SmallLogs:
    """Logs drawn session by session."""

    def __init__(self, pool: Pool, askers: Mapping[str, Asker], size: int) -> None:
        self.pool, self.askers = pool, askers
        self.count = max(4, round(size / pool.length))
        self.n_groups = min(GROUPS, self.count)

    def __call__(self, rng: np.random.Generator) -> Summed:
        """Draw a log."""
        bank = self.pool.bank
        located = bank.sessions(np.sort(rng.choice(bank.log.n_episodes, self.count, replace=False, shuffle=False)))
        group = np.arange(self.count) * self.n_groups // self.count
        fold = group % 2
        shared = located.moments(fold, 2)
        places = None if located.places is None else located.place_moments(fold, 2).cross_fitted(1)
        for name, asker in self.askers.items():
            question = asker.ask(located)
            moments = shared.with_next(question.decisions, question.actions, fold)
            sums = question.predicted(fold, moments.cross_fitted(self.pool.steps), places).sums()
            grouped = sums.grouped(group, self.n_groups)
            yield name, grouped.with_models(_ONE, _ONE), grouped.slates


class _LargeLogs:
    """Logs drawn run by run: groups are blocks, or of several runs in the largest logs."""

    def __init__(self, pool: Pool, size: int) -> None:
        self.pool = pool
        self.runs = round(size / (BLOCK * RUN))
        if self.runs > pool.n_runs:
            raise ValueError(f"logs of {size} decisions need a larger pool than {pool.n_runs * BLOCK * RUN}")
        self.each = max(1, self.runs // GROUPS)
        self.by_run = self.runs >= GROUPS
        self.n_groups = self.runs // self.each if self.by_run else self.runs * RUN

    def __call__(self, rng: np.random.Generator) -> Summed:
        """Draw a log."""
        chosen = rng.choice(self.pool.n_runs, self.runs // self.each * self.each, replace=False, shuffle=False)
        fold = np.arange(len(chosen)) // self.each % 2
        places = None if self.pool.places is None else self._coefficients(self.pool.places, chosen, fold, 1)
        actions: Floats | None = None
        for name, one in self.pool.policies.items():
            if actions is None or one.moments.next_value is not None:
                actions = self._coefficients(one.moments, chosen, fold, self.pool.steps)
            if self.by_run:
                sums, owner = one.runs.take(chosen), fold
            else:
                sums = one.blocks.take((chosen[:, None] * RUN + np.arange(RUN)).reshape(-1))
                owner = np.repeat(fold, RUN)
            terms = sums.with_models(actions[owner], None if places is None else places[owner])
            slates = sums.slates
            if self.each > 1:
                group = np.arange(len(chosen)) // self.each
                terms = {estimator: part.grouped(group, self.n_groups) for estimator, part in terms.items()}
                slates = slates.grouped(group, self.n_groups)
            yield name, terms, slates

    def _coefficients(self, moments: Moments, chosen: IntArray, fold: IntArray, steps: int) -> Floats:
        """(2, f) for each fold, fitted on the other."""
        return moments.take(chosen).grouped(fold, 2).cross_fitted(steps)
