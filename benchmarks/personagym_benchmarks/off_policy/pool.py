"""The pool of sessions that logs are drawn from, reduced to what estimators add up.

Sessions are independent and alike, so any of them, each once, make a log that could have been collected. Small logs
are drawn session by session from a part of the pool, which is kept whole; large ones run by run from all of it. A
block is some hundred decisions, a run is ten blocks one behind the other. Shapes: b blocks, n runs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from personagym_benchmarks.off_policy.questions import Asker, LocatedLog, Locator
from personagym_env.data.tables import IntArray
from personagym_env.evaluation.off_policy.action_values import Moments
from personagym_env.evaluation.off_policy.estimators import Sums
from personagym_env.logs.decisions import LoggedDecisions

BLOCK = 100
"""Decisions of a block, about."""
RUN = 10
"""Blocks of a run."""
_CHUNK = 10
"""Runs that are added up at a time: what they need in between stays in the processor's caches."""


@dataclass(frozen=True, eq=False)
class PolicySums:
    """What is kept of the pool about one policy."""

    blocks: Sums
    """By block."""
    runs: Sums
    """By run."""
    moments: Moments
    """By run, for the model of slates."""


@dataclass(frozen=True, eq=False)
class Pool:
    """What is kept of the pool."""

    bank: LocatedLog
    """The first sessions, whole."""
    policies: Mapping[str, PolicySums]
    places: Moments | None
    """By run, for the model of places."""
    length: float
    """Decisions of a session on average."""
    steps: int
    """Decisions of the longest session."""

    @property
    def n_runs(self) -> int:
        """How many runs there are."""
        return len(next(iter(self.policies.values())).moments.gram)


def reduce_pool(
    askers: Mapping[str, Asker],
    locator: Locator,
    batches: Iterable[LoggedDecisions],
    bank: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Pool:
    """Ask the pool about policies, chunk by chunk; what is left over behind a batch's last run is left out.

    Args:
        askers: by the policy's name.
        locator: finds the log in the askers' tables.
        batches: of the pool.
        bank: decisions that are kept whole, or somewhat more.
        progress: told how many decisions have been reduced.

    Raises:
        ValueError: a batch has no whole run.
    """
    kept: list[LoggedDecisions] = []
    blocks: dict[str, list[Sums]] = {name: [] for name in askers}
    moments: dict[str, list[Moments]] = {name: [] for name in askers}
    places: list[Moments] = []
    decisions = sessions = steps = 0
    for batch in batches:
        if decisions < bank:
            kept.append(batch)
        decisions, sessions = decisions + len(batch), sessions + batch.n_episodes
        steps = max(steps, int(batch.step.max()) + 1)
        for chunk, block in _chunks(batch):
            located, run = locator.locate(chunk), block // RUN
            n_blocks, n_runs = int(block[-1]) + 1, int(run[-1]) + 1
            shared = located.moments(run, n_runs)
            if located.places is not None:
                places.append(located.place_moments(run, n_runs))
            for name, asker in askers.items():
                question = asker.ask(located)
                blocks[name].append(question.sums().grouped(block, n_blocks))
                moments[name].append(shared.with_next(question.decisions, question.actions, run))
        progress(len(batch))
    policies = {}
    for name, parts in blocks.items():
        joined = Sums.joined(parts)
        n_blocks = len(joined.slates.count)
        by_run = joined.grouped(np.arange(n_blocks) // RUN, n_blocks // RUN)
        policies[name] = PolicySums(joined, by_run, Moments.joined(moments[name]))
    bank_log = locator.locate(LoggedDecisions.joined(kept))
    return Pool(bank_log, policies, Moments.joined(places) if places else None, decisions / sessions, steps)


def _chunks(batch: LoggedDecisions) -> Iterator[tuple[LoggedDecisions, IntArray]]:
    """Whole runs, some at a time, with the block of each session."""
    per_block = max(1, round(BLOCK * batch.n_episodes / len(batch)))
    whole = batch.n_episodes // (per_block * RUN) * per_block * RUN
    if not whole:
        raise ValueError(f"a batch of {len(batch)} decisions has no run of {BLOCK * RUN}: collect larger parts")
    size = per_block * RUN * _CHUNK
    for begin in range(0, whole, size):
        chosen = np.arange(begin, min(begin + size, whole))
        yield batch.episodes(chosen), np.arange(len(chosen)) // per_block
