"""Estimates from many resampled logs: every log is one that could have been collected, every estimate has an interval.

Small logs are drawn session by session from a part of the pool, large ones block by block from all of it; a block is
some forty sessions that have nothing in common. Shapes: p policies, l logs, g groups, b rows of bootstrap weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from personagym_benchmarks.off_policy.questions import Asker, Question
from personagym_env.data.tables import BoolArray
from personagym_env.evaluation.core.statistics import user_resamples
from personagym_env.evaluation.off_policy.decisions import Floats
from personagym_env.evaluation.off_policy.estimates import judge_all
from personagym_env.evaluation.off_policy.estimators import Sums
from personagym_env.evaluation.off_policy.terms import GROUPS
from personagym_env.logs.decisions import LoggedDecisions

BLOCK = 100
"""Decisions of a block, about."""
SMALL = 100_000
"""Logs below so many decisions are drawn session by session."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """What one estimator said of one policy on each log of one size; each (l,)."""

    value: Floats
    low: Floats
    high: Floats
    effective: Floats
    suffices: BoolArray
    """Whether the estimate came without a warning."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is kept of the pool for one policy."""

    bank: Question
    """The first sessions, whole."""
    blocks: Sums
    """All sessions, by block."""
    length: float
    """Decisions of a session on average."""


def reduce_pool(asker: Asker, batches: Iterable[LoggedDecisions], bank: int) -> Reduced:
    """Ask the pool about a policy, batch by batch."""
    kept: list[LoggedDecisions] = []
    blocks: list[Sums] = []
    decisions = sessions = 0
    for batch in batches:
        if decisions < bank:
            kept.append(batch)
        decisions, sessions = decisions + len(batch), sessions + batch.n_episodes
        per_block = max(1, round(BLOCK * batch.n_episodes / len(batch)))
        whole = batch.n_episodes // per_block
        group = np.minimum(np.arange(batch.n_episodes) // per_block, max(whole - 1, 0))
        blocks.append(asker.ask(batch).sums(group, max(whole, 1)))
    return Reduced(asker.ask(LoggedDecisions.joined(kept)), Sums.joined(blocks), decisions / sessions)


def replicates(pool: Reduced, size: int, logs: int, resamples: int, seed: int) -> dict[str, Replicates]:
    """Estimate from so many logs of so many decisions; the same seed draws the same logs for every policy."""
    rng = np.random.default_rng([seed, size])
    n_groups = min(GROUPS, max(2, round(size / pool.length)), max(2, size // 2))
    weights = user_resamples(n_groups, resamples, rng)
    found: dict[str, list[tuple[float, float, float, float, bool]]] = {}
    for _ in range(logs):
        log = _drawn(pool, size, n_groups, rng)
        for name, one in judge_all(log.modelled(), log.slates, np.ones(n_groups), weights).items():
            found.setdefault(name, []).append((*one.value, one.effective_size, one.warning == ""))
    return {name: Replicates(*(np.array(column) for column in zip(*rows, strict=True))) for name, rows in found.items()}


def _drawn(pool: Reduced, size: int, n_groups: int, rng: np.random.Generator) -> Sums:
    """A log of about so many decisions, by groups of sessions."""
    if size >= SMALL:
        each = max(1, size // (BLOCK * n_groups))
        chosen = rng.integers(len(pool.blocks.slates.count), size=n_groups * each)
        taken = pool.blocks.take(chosen)
        return taken if each == 1 else taken.grouped(np.arange(n_groups * each) // each, n_groups)
    sessions = rng.integers(pool.bank.decisions.n_sessions, size=max(n_groups, round(size / pool.length)))
    return pool.bank.take(sessions).sums(np.arange(len(sessions)) % n_groups, n_groups)
