"""What everybody is asked on one log, and figures of the answers over those who were asked.

Users who were not asked have no part in any figure, so that memory goes by how many are asked and not by how many a log
has. Shapes: n held-out rows, a users who are asked, b rows of weights (1 + resamples).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from personagym_env.data.splits import Split
from personagym_env.data.tables import FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.calibration import threshold_error
from personagym_env.evaluation.core.negatives import Negatives
from personagym_env.evaluation.core.statistics import Interval, Statistic, estimate, interval, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import (
    Answers,
    FidelityTest,
    choice_auc,
    point_fidelity,
    rating_fidelity,
)

Figures = Mapping[str, Statistic]
"""Measure to statistic over the users who were asked."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Held-out rows, and unseen items to tell them from."""

    test: FidelityTest

    @classmethod
    def draw(
        cls, split: Split, rng: np.random.Generator, negatives: int, kinds: Sequence[Negatives] = ("uniform",)
    ) -> "Questions":
        """Questions about all held-out rows of a split; without kinds none about choices.

        Raises:
            ValueError: nothing is held out.
        """
        if not len(split.test):
            raise ValueError(f"nothing is held out of {len(split.train):,} training rows, so nobody can be asked")
        return cls(FidelityTest.draw(split, rng, negatives, kinds))

    @cached_property
    def people(self) -> IntArray:
        """(a,) who are asked, ascending."""
        return np.flatnonzero(self.test.split.test.counts)

    @cached_property
    def log(self) -> Interactions:
        """The held-out rows, their users numbered by their place in `people`."""
        return renumbered(self.test.split.test, self.people)

    def weights(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """(b, a) how often each of them was drawn."""
        return user_resamples(len(self.people), resamples, rng)

    def measure(self, answers: Answers) -> dict[str, Statistic]:
        """The figures that the answers allow: rmse, mae, nll and ece of ratings, auc of choices."""
        figures = rating_figures(answers, self.log)
        if answers.score is not None and "uniform" in answers.unseen:
            owners = np.searchsorted(self.people, self.test.owners)
            asked = np.isin(self.log.users, owners)
            figures["auc"] = choice_auc(
                self.log.users[asked], answers.score[asked], answers.unseen["uniform"], owners, len(self.people)
            )
        return figures


def rating_figures(answers: Answers, log: Interactions) -> dict[str, Statistic]:
    """What answers to (n,) rows allow of rmse, mae, nll and ece, over the users of the rows."""
    if answers.ratings is None:
        return {} if answers.points is None else point_fidelity(answers.points, log)
    distributions, rated = answers.distributions(), log.take(answers.readable)
    figures = rating_fidelity(distributions, rated)
    if len(rated.scale) > 1:
        figures["ece"] = threshold_error(distributions, rated)
    return figures


def renumbered(log: Interactions, people: IntArray) -> Interactions:
    """The log with its users numbered by their place in `people`, which is ascending and has all of them."""
    return replace(log, users=np.searchsorted(people, log.users), n_users=len(people))


def few_rows(split: Split, rows: int | None, rng: np.random.Generator) -> Split:
    """The split, with the held-out rows of as many users, drawn at random, as have no more rows; at least of one."""
    if rows is None or len(split.test) <= rows:
        return split
    users = rng.permutation(np.flatnonzero(split.test.counts))
    last = max(1, int((np.cumsum(split.test.counts[users]) <= rows).sum()))
    return split._replace(test=split.test.take(np.isin(split.test.users, users[:last])))


def intervals(figures: Figures, weights: FloatArray) -> dict[str, Interval]:
    """Each figure with its interval, where resamples do not bias it."""
    return {name: estimate(name, figure.resampled(weights)) for name, figure in figures.items()}


def difference(left: Figures, right: Figures, weights: FloatArray) -> dict[str, Interval]:
    """One population's figures less another's, in all that both were measured in and that has an interval."""
    both = [name for name in left if name in right and name != "ece"]
    return {name: interval(left[name].resampled(weights) - right[name].resampled(weights)) for name in both}
