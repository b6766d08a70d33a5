"""The questions that every variant is asked, and how its answers become figures."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, cast

import numpy as np

from personagym_agents.variants import Variant
from personagym_benchmarks.variants.board import COMPARED, Measurement, VariantPart, VariantRow
from personagym_benchmarks.variants.parts import KEY, measuring_module
from personagym_env.benchmark import user_hashes
from personagym_env.data.named_splits import NamedSplit
from personagym_env.data.tables import Dataset, FloatArray
from personagym_env.evaluation.core.snapshot import environment_snapshot
from personagym_env.evaluation.core.statistics import Interval, interval
from personagym_env.evaluation.fidelity.board import Difference
from personagym_env.evaluation.fidelity.fidelity_test import Answers, FidelityTest
from personagym_env.protocols import UserAgent
from personagym_env.run_context import RunContext

ROWS, PLACES, ROUNDS = 64, 10, 5
"""Sessions, places of a slate and repetitions behind the time of a decision."""
Samples = dict[str, FloatArray]
"""Figure to (b,) its values under all resamples."""
Measure = Callable[[Dataset, NamedSplit, int], list[Measurement]]
"""A variant's own measurements: from a data set without held-out rows, the parted log and a seed."""


@dataclass(frozen=True, eq=False)
class VariantBench:
    """One parted log and what is asked about it."""

    dataset: Dataset
    """Without the held-out rows."""
    part: NamedSplit
    test: FidelityTest
    weights: FloatArray
    """(b, u) resamples of users."""
    seed: int
    context: RunContext

    def measured(self, answers: Answers) -> Samples:
        """The figures of a population under all resamples."""
        statistics = self.test.measure(answers).statistics
        return {name: statistics[name].resampled(self.weights) for name in COMPARED if name in statistics}

    def users(
        self, name: str, kind: Literal["users", "variant", "twin"], fit: Callable[[], UserAgent]
    ) -> tuple[VariantRow, Samples, dict[str, str | None]]:
        """Fit users, ask and time them; their row, its samples and who they are."""
        begin = time.process_time()
        with self.context.bar(f"{name}: fit", None):
            agent = fit()
        seconds = time.process_time() - begin
        with self.context.bar(f"{name}: questions", self.test.n_questions) as advance:
            answers = self.test.answers(agent, name=name, progress=advance, workers=self.context.workers)
        samples = self.measured(answers)
        row = VariantRow(name, kind, figures_of(samples), round(seconds, 2), decision_time(agent, self.seed))
        hashes = user_hashes([agent])
        del agent
        gc.collect()  # a model and its caches, before the next one is fitted
        return row, samples, hashes

    def variant(self, variant: Variant, key: str) -> VariantPart:
        """A variant, its twin, and the variant's own measurements."""
        train = self.part.split.train
        named: tuple[tuple[str, Literal["variant", "twin"], bool], ...] = (
            (variant.name, "variant", True),
            (f"{variant.name}, core off", "twin", False),
        )
        found = [
            self.users(name, kind, lambda core=core: variant.fit(self.dataset, train, core=core, seed=self.seed))  # type: ignore[misc]
            for name, kind, core in named
        ]
        (own, samples, _), (twin, without, _) = found
        module, own_measurements = measuring_module(variant), list[Measurement]()
        if module is not None:
            measure = cast(Measure, import_module(module).measure)
            with self.context.bar(f"{variant.name}: own measurements", None):
                own_measurements = measure(self.dataset, self.part, self.seed)
        return VariantPart(
            setting={KEY: key},
            environment=environment_snapshot(),
            rows=(own, twin),
            difference=Difference(
                own.name, twin.name, {name: interval(samples[name] - without[name]) for name in samples}
            ),
            measurements=tuple(own_measurements),
            users={name: one for _, _, hashes in found for name, one in hashes.items()},
        )


def figures_of(samples: Samples) -> dict[str, Interval]:
    """Intervals by figure."""
    return {name: interval(values) for name, values in samples.items()}


def decision_time(agent: UserAgent, seed: int) -> float:
    """Microseconds of a decision about one item, the quickest of some rounds."""
    rng = np.random.default_rng(seed)
    rows = np.arange(ROWS)
    sessions = agent.open(ROWS)
    sessions.start(rows, rng.integers(0, agent.n_users, ROWS))
    taken = []
    for _ in range(ROUNDS):
        slates = rng.integers(0, agent.n_items, (ROWS, PLACES))
        begin = time.perf_counter()
        sessions.react(rows, slates)
        taken.append(time.perf_counter() - begin)
    return round(min(taken) / (ROWS * PLACES) * 1e6, 3)
