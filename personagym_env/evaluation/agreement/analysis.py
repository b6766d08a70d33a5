"""The agreement study: do judges put many recommenders in the order that real users do, and whom do they prefer?

A judge is a population of simulated users that reacts to the very picks whose real value is known, or an offline
metric. Everything is computed again on each resample of the users, judge and real value from the same rows. Shapes:
b rows of weights (1 + resamples), c contestants, u users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from personagym_env.data.tables import FloatArray, Interactions
from personagym_env.evaluation.core.closed_pool import ClosedPool
from personagym_env.evaluation.core.data_overlap import DataOverlap
from personagym_env.evaluation.core.offline import Progress
from personagym_env.evaluation.core.pair_reactions import react_to_pairs
from personagym_env.evaluation.core.statistics import (
    Interval,
    RatioOfSums,
    Statistic,
    interval,
    kendall_tau,
    pairwise_accuracy,
    point,
    ranks,
    spearman_rho,
    stack,
    top_regret,
)
from personagym_env.protocols import UserAgent

Kind = Literal["users", "sessions", "metric", "check"]
"""Simulated users who rate the same picks; whole sessions with such users; an offline metric on the held-out log; or a
check of the test's power."""
ORACLE, DICE = "oracle", "random judge"
"""The checks: real value itself, and dice."""
BIASED = frozenset({"coverage"})
"""Metrics that a resample of the users biases, because it holds fewer distinct items; shown without an interval."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """One fitted recommender's worth to real users."""

    name: str
    model_class: str
    real: RatioOfSums
    """Mean real rating of its picks."""


@dataclass(frozen=True, eq=False)
class Judge:
    """What one judge says of the contestants."""

    name: str
    kind: Kind
    figures: Sequence[Statistic]
    """(c,) in the order of the contestants, higher is better."""
    rows: DataOverlap | None = None
    """Which training rows the judge knows; None for what is no model."""
    model_class: str | None = None
    """What the self-preference audit goes by; None where no contestant is of the judge's kind."""

    @property
    def title(self) -> str:
        """The name, with the rows it knows."""
        return self.name if self.rows is None else f"{self.name} ({self.rows})"


@dataclass(frozen=True)
class JudgeAgreement:
    """How one judge agrees with real value over the contestants."""

    judge: str
    kind: Kind
    rows: DataOverlap | None
    model_class: str | None
    winner: str
    """The contestant that the judge puts first."""
    tau: Interval
    """Kendall's tau-b."""
    rho: Interval
    """Spearman's rank correlation."""
    pairwise: Interval
    """Share of pairs of contestants in the right order."""
    clear_pairs: Interval
    """The same over pairs whose real difference has an interval without 0."""
    regret: Interval
    """Rating points of real value lost by taking the judge's first instead of the really best."""
    regret_share: Interval
    """The same as a share of the way from the really worst to the really best contestant."""
    without: Mapping[str, float]
    """Model class to tau over all other contestants: how far the verdict hangs on who takes part."""
    class_shift: Mapping[str, Interval]
    """Model class to how many ranks higher the judge puts its contestants than real users do, on average."""

    @property
    def title(self) -> str:
        """The name, with the rows it knows."""
        return self.judge if self.rows is None else f"{self.judge} ({self.rows})"

    @property
    def self_preference(self) -> Interval | None:
        """Ranks by which the judge prefers its own model class; None where it has none among the contestants."""
        return None if self.model_class is None else self.class_shift.get(self.model_class)


@dataclass(frozen=True)
class JudgeDifference:
    """One judge less another, over the same contestants, users and resamples."""

    left: str
    right: str
    tau: Interval
    regret: Interval
    self_preference: Interval | None
    """Of the left judge's class; None where the two are of different classes, or of none."""


@dataclass(frozen=True)
class ContestantRow:
    """One contestant, measured."""

    name: str
    model_class: str
    real: Interval
    said: Mapping[str, Interval]
    """Title of a judge to what it says."""


@dataclass(frozen=True)
class AgreementBoard:
    """What one way to know real value showed; plain values only."""

    truth: str
    description: str
    users: int
    contestants: tuple[ContestantRow, ...]
    """The really best first."""
    bounds: Mapping[str, Interval]
    """Real value of a clairvoyant's picks (best), of chance, and of the worst possible picks (worst)."""
    judges: tuple[JudgeAgreement, ...]
    """Simulated users, then sessions, metrics and checks; the best first within each."""
    differences: tuple[JudgeDifference, ...]
    reliability: Interval
    """Tau between the real rankings of two random halves of the users; the bounds hold 95 % of such halvings."""

    def judge(self, title: str) -> JudgeAgreement:
        """A judge by title.

        Raises:
            KeyError: there is none.
        """
        return {row.title: row for row in self.judges}[title]


def liked_from(log: Interactions) -> float:
    """The least rating of the scale that is no lower than the mean rating of the log: from here on, a sign of liking.

    Raises:
        ValueError: the log is empty.
    """
    if not len(log):
        raise ValueError("what counts as liked is read off the mean rating, and the log has no rows")
    scale, mean = np.asarray(log.scale), log.ratings.mean(dtype=np.float64)
    return float(scale[np.searchsorted(scale, mean - 1e-6)])


def expected_ratings(agent: UserAgent, log: Interactions, progress: Progress | None = None) -> FloatArray:
    """(n,) what simulated users expect to rate each row of the log, at the start of a session.

    Args:
        agent: the judge.
        log: users and items to ask about; the ratings are not looked at.
        progress: told how many rows were answered.

    Raises:
        ValueError: the agent rates on another scale than the log.
    """
    if tuple(agent.scale) != log.scale:
        raise ValueError(f"agent {agent.name!r} rates on {agent.scale}, and the data on {log.scale}")
    reactions = react_to_pairs(agent, log.users, log.items, progress=progress)
    return np.asarray(reactions.rating @ np.asarray(log.scale))


class AgreementAnalysis:
    """Judges compared over the same contestants, on the same resamples of the users.

    Args:
        contestants: (c,) with distinct names.
        weights: (b, u) from `user_resamples`.
        rng: throws dice, and parts users for `reliability`.

    Raises:
        ValueError: fewer than two contestants, or two of one name.
    """

    def __init__(self, contestants: Sequence[Contestant], weights: FloatArray, rng: np.random.Generator) -> None:
        names = [contestant.name for contestant in contestants]
        if len(names) < 2 or len(set(names)) != len(names):
            raise ValueError(f"agreement needs at least two contestants of distinct names, got {names}")
        self.contestants = contestants
        self._weights = weights
        self._rng = rng
        self._real = stack([contestant.real for contestant in contestants], weights)  # (b, c)
        self._clear = self._clear_pairs()
        self._classes = {
            name: np.array([contestant.model_class == name for contestant in contestants])
            for name in dict.fromkeys(contestant.model_class for contestant in contestants)
        }

    def compare(self, judge: Judge) -> JudgeAgreement:
        """How a judge agrees with real value."""
        return self._agreement(judge, stack(judge.figures, self._weights))

    def dice(self) -> JudgeAgreement:
        """The random judge: its estimates are means over throws, and 95 % of throws fall within its intervals."""
        said = self._rng.random(self._real.shape)
        return self._agreement(Judge(DICE, "check", ()), said, mean=True)

    def oracle(self) -> JudgeAgreement:
        """Real value judging itself, which must agree with itself on every resample."""
        return self._agreement(Judge(ORACLE, "check", ()), self._real)

    def differences(self, left: Judge, right: Judge) -> JudgeDifference:
        """One judge less another."""
        said = [stack(judge.figures, self._weights) for judge in (left, right)]
        tau, regret = (
            interval(measure(said[0], self._real) - measure(said[1], self._real))
            for measure in (kendall_tau, top_regret)
        )
        own = left.model_class
        shift = None
        if own is not None and own == right.model_class and own in self._classes:
            shift = interval(self._shift(said[0], own) - self._shift(said[1], own))
        return JudgeDifference(left.title, right.title, tau, regret, shift)

    def reliability(self, halvings: int = 500) -> Interval:
        """Tau between the real rankings of two random halves of the users; bounds hold 95 % of the halvings."""
        half = (self._rng.random((halvings, self._weights.shape[1])) < 0.5).astype(np.float64)
        statistics = [contestant.real for contestant in self.contestants]
        tau = kendall_tau(stack(statistics, half), stack(statistics, 1 - half))
        return interval(np.concatenate([[tau.mean()], tau]))

    def rows(self, judges: Sequence[Judge]) -> tuple[ContestantRow, ...]:
        """What every judge says of every contestant, the really best first."""
        order = np.argsort(-self._real[0], kind="stable")
        return tuple(
            ContestantRow(
                self.contestants[c].name,
                self.contestants[c].model_class,
                interval(self._real[:, c]),
                {
                    judge.title: (point if judge.name in BIASED else interval)(
                        judge.figures[c].resampled(self._weights)
                    )
                    for judge in judges
                },
            )
            for c in order
        )

    def _agreement(self, judge: Judge, said: FloatArray, *, mean: bool = False) -> JudgeAgreement:
        """All figures of what a judge said (b, c); `mean` takes the mean over resamples for the estimate."""
        real = self._real
        regret = top_regret(said, real)
        figures = {
            "tau": kendall_tau(said, real),
            "rho": spearman_rho(said, real),
            "pairwise": pairwise_accuracy(said, real),
            "clear_pairs": pairwise_accuracy(said, real, self._clear),
            "regret": regret,
            "regret_share": regret / np.maximum(real.max(axis=1) - real.min(axis=1), 1e-12),
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
        return JudgeAgreement(
            judge=judge.name,
            kind=judge.kind,
            rows=judge.rows,
            model_class=judge.model_class,
            winner=self.contestants[int(np.argmax(said[0]))].name if not mean else "any",
            without={name: float(samples[0]) for name, samples in without.items()},
            class_shift={name: interval(samples) for name, samples in shifts.items()},
            **{name: interval(samples) for name, samples in figures.items()},
        )

    def _shift(self, said: FloatArray, model_class: str) -> FloatArray:
        """(b,) how many ranks higher the judge puts contestants of a class than real users do, on average."""
        return np.asarray((ranks(said) - ranks(self._real))[:, self._classes[model_class]].mean(axis=1))

    def _clear_pairs(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(c (c - 1) / 2,) pairs whose real difference has a 95 % interval without 0."""
        left, right = np.triu_indices(self._real.shape[1], 1)
        low, high = np.nanquantile((self._real[:, left] - self._real[:, right])[1:], [0.025, 0.975], axis=0)
        return np.asarray((low > 0) | (high < 0))


def make_agreement_board(
    panel: AgreementAnalysis,
    judges: Sequence[Judge],
    pool: ClosedPool,
    weights: FloatArray,
    *,
    truth: str,
    description: str,
) -> AgreementBoard:
    """Compare all judges, the checks and what independence changes.

    Every population, and its sessions, are compared with the best of the offline metrics; a population also with itself
    on the contestants' rows, and one without a class among the contestants (language-model users) with the best one
    that has a class and knows the same rows.

    Args:
        panel: the contestants.
        judges: users and metrics with distinct titles.
        pool: gives the bounds of real value.
        weights: (b, u) those of the panel.
        truth: name of the way to know real value.
        description: what it is, for people.

    Raises:
        ValueError: two judges have one title.
    """
    titles = [judge.title for judge in judges]
    if len(set(titles)) != len(titles):
        raise ValueError(f"judges need distinct titles, got {titles}")
    order: tuple[Kind, ...] = ("users", "sessions", "metric", "check")
    compared = {judge.title: panel.compare(judge) for judge in judges}
    found = sorted(
        [*compared.values(), panel.oracle(), panel.dice()], key=lambda row: (order.index(row.kind), -row.tau.value)
    )
    users = [judge for judge in judges if judge.kind == "users"]
    metrics = [judge for judge in judges if judge.kind == "metric"]
    best = max(metrics, key=lambda judge: compared[judge.title].tau.value, default=None)
    same = {judge.name: judge for judge in users if judge.rows == "same"}
    pairs = [(judge, same[judge.name]) for judge in users if judge.rows != "same" and judge.name in same]
    for judge in users:
        peers = [other for other in users if other.rows == judge.rows and other.model_class is not None]
        if judge.model_class is None and peers:
            pairs.append((judge, max(peers, key=lambda other: compared[other.title].tau.value)))
    sessions = [judge for judge in judges if judge.kind == "sessions"]
    pairs += [(judge, best) for judge in (*users, *sessions)] if best is not None else []
    bounds = {"best": pool.best, "chance": pool.chance, "worst": pool.worst}
    return AgreementBoard(
        truth=truth,
        description=description,
        users=len(pool.users),
        contestants=panel.rows(judges),
        bounds={name: interval(bound.resampled(weights)) for name, bound in bounds.items()},
        judges=tuple(found),
        differences=tuple(panel.differences(*pair) for pair in pairs),
        reliability=panel.reliability(),
    )
