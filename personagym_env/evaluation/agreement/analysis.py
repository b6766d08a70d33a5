"""Do judges put many recommenders in the order that real users do, and whom do they prefer?

A judge is a population of simulated users that reacts to the very picks whose real value is known, or to whole
sessions, or an offline metric. Everything is computed again on each resample of the users, judge and real value from
the same rows. Shapes: b rows of weights (1 + resamples), c recommenders, u users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personagym_env.data.tables import BoolArray, FloatArray
from personagym_env.evaluation.agreement.judges import DICE, ORACLE, FullAgreement, Judge, JudgeDifference
from personagym_env.evaluation.core.noise_ceiling import noise_ceiling
from personagym_env.evaluation.core.statistics import (
    Interval,
    Statistic,
    interval,
    kendall_tau,
    pairwise_accuracy,
    ranks,
    regret_share,
    spearman_rho,
    stack,
    top_regret,
)


def unknown_last(said: FloatArray) -> FloatArray:
    """(b, c) with every NaN below the lowest value of its row, so that whoever has no value comes last."""
    unknown = np.isnan(said)
    if not unknown.any():
        return said
    lowest = np.where(unknown, np.inf, said).min(axis=1, keepdims=True)
    return np.where(unknown, np.where(np.isinf(lowest), 0.0, lowest - 1.0), said)


@dataclass(frozen=True, eq=False)
class ValuedRecommender:
    """A fitted recommender and what it is worth to real users."""

    name: str
    model_class: str
    real: Statistic
    """What it is worth."""
    support: float | None = None
    """Share of what it shows that people like the user rated, see `core.support`; None where nobody looked."""


class AgreementAnalysis:
    """Judges compared over the same recommenders, on the same resamples of the users.

    Args:
        recommenders: (c,) with distinct names.
        weights: (b, u) from `user_resamples`.
        rng: throws dice, and parts users for `reliability`.

    Raises:
        ValueError: fewer than two recommenders, or two of one name; or a real value that is unknown.
    """

    def __init__(
        self, recommenders: Sequence[ValuedRecommender], weights: FloatArray, rng: np.random.Generator
    ) -> None:
        names = [recommender.name for recommender in recommenders]
        if len(names) < 2 or len(set(names)) != len(names):
            raise ValueError(f"agreement needs at least two recommenders of distinct names, got {names}")
        self.recommenders = recommenders
        self.weights = weights
        """(b, u)"""
        self._rng = rng
        self.real = stack([recommender.real for recommender in recommenders], weights)
        """(b, c) real value."""
        if (unknown := np.isnan(self.real).any(axis=0)).any():
            raise ValueError(
                f"the real value of {', '.join(np.array(names)[unknown])} is unknown in the sample of users or in a "
                "resample: too few users have held-out rows"
            )
        self._clear = self._clear_pairs()
        self._classes = {
            name: np.array([recommender.model_class == name for recommender in recommenders])
            for name in dict.fromkeys(recommender.model_class for recommender in recommenders)
        }

    def compare(self, judge: Judge) -> FullAgreement:
        """How a judge agrees with real value."""
        return self._agreement(judge, stack(judge.said, self.weights))

    def dice(self) -> FullAgreement:
        """The random judge: its estimates are means over throws, and 95 % of throws fall within its intervals."""
        said = self._rng.random(self.real.shape)
        return self._agreement(Judge(DICE, "check", (), ""), said, mean=True)

    def oracle(self) -> FullAgreement:
        """Real value judging itself, which must agree with itself on every resample."""
        return self._agreement(Judge(ORACLE, "check", (), ""), self.real)

    def differences(self, left: Judge, right: Judge) -> JudgeDifference:
        """One judge less another."""
        said = [unknown_last(stack(judge.said, self.weights)) for judge in (left, right)]
        tau, regret = (
            interval(measure(said[0], self.real) - measure(said[1], self.real)) for measure in (kendall_tau, top_regret)
        )
        own = left.model_class
        shift = None
        if own is not None and own == right.model_class and own in self._classes:
            shift = interval(self._shift(said[0], own) - self._shift(said[1], own))
        return JudgeDifference(left.title, right.title, tau, regret, shift)

    def reliability(self, halvings: int = 500) -> Interval:
        """Tau between the real rankings of two random halves of the users; bounds hold 95 % of the halvings."""
        half = (self._rng.random((halvings, self.weights.shape[1])) < 0.5).astype(np.float64)
        statistics = [recommender.real for recommender in self.recommenders]
        tau = kendall_tau(stack(statistics, half), stack(statistics, 1 - half))
        return interval(np.concatenate([[tau.mean()], tau]))

    def noise_ceiling(self) -> Interval:
        """Tau that a perfect judge would reach with this many users; see `noise_ceiling`."""
        return noise_ceiling(self.real, self._rng)

    def _agreement(self, judge: Judge, said: FloatArray, *, mean: bool = False) -> FullAgreement:
        """All figures of what a judge said (b, c); `mean` takes the mean over resamples for the estimate."""
        real, undefined = self.real, int(np.isnan(said[0]).sum())
        said = unknown_last(said)
        figures = {
            "tau": kendall_tau(said, real),
            "rho": spearman_rho(said, real),
            "pairwise": pairwise_accuracy(said, real),
            "clear_pairs": pairwise_accuracy(said, real, self._clear),
            "regret": top_regret(said, real),
            "regret_share": regret_share(said, real),
        }
        shifts = {name: self._shift(said, name) for name in self._classes}
        without = {
            name: kendall_tau(said[:, ~mask], real[:, ~mask])
            for name, mask in self._classes.items()
            if (~mask).sum() > 1
        }
        if mean:
            for samples in (*figures.values(), *shifts.values(), *without.values()):
                samples[0] = samples[1:].mean()
        return FullAgreement(
            judge=judge.name,
            kind=judge.kind,
            figure=judge.figure,
            population=judge.population,
            rows=judge.rows,
            model_class=judge.model_class,
            winner=self.recommenders[int(np.argmax(said[0]))].name if not mean else "any",
            without={name: float(samples[0]) for name, samples in without.items()},
            class_shift={name: interval(samples) for name, samples in shifts.items()},
            undefined=undefined,
            **{name: interval(samples) for name, samples in figures.items()},
        )

    def _shift(self, said: FloatArray, model_class: str) -> FloatArray:
        """(b,) how many ranks higher the judge puts recommenders of a class than real users do, on average."""
        return np.asarray((ranks(said) - ranks(self.real))[:, self._classes[model_class]].mean(axis=1))

    def _clear_pairs(self) -> BoolArray:
        """(c (c - 1) / 2,) pairs whose real difference has a 95 % interval without 0."""
        left, right = np.triu_indices(self.real.shape[1], 1)
        low, high = np.nanquantile((self.real[:, left] - self.real[:, right])[1:], [0.025, 0.975], axis=0)
        return np.asarray((low > 0) | (high < 0))
