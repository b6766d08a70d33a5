"""Populations that were asked the same questions, for the measurements that variants have of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from personagym_benchmarks.variants.board import COMPARED, Measurement
from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, FloatArray, Interactions
from personagym_env.evaluation.core.statistics import Statistic, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import FidelityTest
from personagym_env.evaluation.reporting.figures import FIDELITY
from personagym_env.protocols import UserAgent

NEGATIVES, RESAMPLES = 20, 500


@dataclass(frozen=True, eq=False)
class Asked:
    """Figures by population, over the same questions and resamples."""

    statistics: Mapping[str, Mapping[str, Statistic]]
    weights: FloatArray
    """(b, u)"""

    @classmethod
    def of(cls, split: Split, agents: Mapping[str, UserAgent], seed: int) -> "Asked":
        """Ask populations about the held-out rows of a split."""
        rng = np.random.default_rng(seed)
        test = FidelityTest.draw(split, rng, NEGATIVES)
        weights = user_resamples(split.test.n_users, RESAMPLES, rng)
        return cls({name: test.ask(agent).statistics for name, agent in agents.items()}, weights)

    def difference(
        self, question: str, setting: str, left: str, right: str, inside: BoolArray | None = None
    ) -> list[Measurement]:
        """What the left population has more of each figure, over (u,) users if only some count."""
        weights = self.weights if inside is None else self.weights * inside
        found = []
        for name in COMPARED:
            samples = [self.statistics[one][name].resampled(weights) for one in (left, right)]
            words = f"{FIDELITY[name].title}, {left} less {right}"
            found.append(Measurement(question, setting, words, interval(samples[0] - samples[1])))
        return found

    def figures(self, question: str, setting: str, name: str, inside: BoolArray | None = None) -> list[Measurement]:
        """The figures of a population, over (u,) users if only some count."""
        weights = self.weights if inside is None else self.weights * inside
        return [
            Measurement(question, setting, FIDELITY[figure].title, interval(one.resampled(weights)))
            for figure, one in self.statistics[name].items()
            if figure in COMPARED
        ]


def whole_log(split: Split) -> Interactions:
    """Training and held-out rows together, to be parted otherwise."""
    train, test = split
    times = None
    if train.timestamps is not None and test.timestamps is not None:
        times = np.concatenate([train.timestamps, test.timestamps])
    return Interactions.from_columns(
        np.concatenate([train.users, test.users]),
        np.concatenate([train.items, test.items]),
        np.concatenate([train.ratings, test.ratings]),
        times,
        n_users=train.n_users,
        n_items=train.n_items,
        scale=train.scale,
    )
