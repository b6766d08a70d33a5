"""Error against what is known of a user, and against the size of a log.

Every point of a curve asks for populations that are fitted anew. To ask for few, users are dealt to the points: one fit
answers for all numbers of known ratings, each asked user being known by one of them, and a small log is drawn several
times, since a single one has too few users to tell anything. All populations answer the same questions at each point,
so that differences between them are paired; points of one curve are about different users.
Shapes: n held-out rows, a users who are asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personagym_benchmarks.transfer.asking import Asked, Asker, compare
from personagym_benchmarks.transfer.board import Comparison, CurvePoint
from personagym_benchmarks.transfer.populations import NamedUsers
from personagym_benchmarks.transfer.questions import Figures, Questions, few_rows, intervals, renumbered
from personagym_env.data.splits import Split
from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.statistics import RatioOfSums, RootMeanSquare, Statistic, user_resamples
from personagym_env.evaluation.fidelity.fidelity_test import Answers, point_fidelity, rating_fidelity

FEW = 5
"""Training ratings up to which users count as little known."""
ASKED_SHARE = 0.3
"""Of the users who lose training rows at most, so that the log of all others stays what it is."""
MOST_LOGS = 4
"""Logs of one size at most."""
LEAST_ROWS = 1_000
"""Held-out rows up to which further logs of a size are drawn."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Training rows that populations are fitted to, and where on the curve each held-out row stands."""

    split: Split
    at: FloatArray
    """(n,)"""


@dataclass(frozen=True, eq=False)
class Curve:
    """What everybody said in all fits."""

    people: IntArray
    """(a,) who were asked."""
    asked: tuple[Asked, ...]
    """One of each population."""
    figures: Mapping[str, Mapping[float, Figures]]
    """Population to place on the curve to measure."""
    rows: Mapping[float, int]
    """Held-out rows at each place."""
    owners: Mapping[float, int]
    """Users at each place."""

    def points(self, weights: FloatArray) -> tuple[CurvePoint, ...]:
        """The curve, ascending."""
        return tuple(
            CurvePoint(
                at=at,
                held_out_rows=self.rows[at],
                users=self.owners[at],
                figures={name: intervals(places[at], weights) for name, places in self.figures.items() if at in places},
            )
            for at in sorted(self.rows)
        )


def known_fits(
    split: Split, known: Sequence[int], rounds: int, rows: int | None, rng: np.random.Generator
) -> list[Fit]:
    """Logs in which some users are known by their latest few training ratings, each by as many as it is dealt.

    Args:
        split: of the log.
        known: numbers of ratings, ascending; a user is dealt none that it does not have.
        rounds: fits; each deals every asked user another number.
        rows: held-out rows that are asked about at most.
        rng: draws users, and deals.
    """
    train, test = split
    able = rng.permutation(np.flatnonzero((test.counts > 0) & (train.counts >= known[0])))
    able = able[: max(1, round(ASKED_SHARE * int((train.counts > 0).sum())))]
    test = few_rows(Split(train, test.take(np.isin(test.users, able))), rows, rng).test
    users = rng.permutation(np.flatnonzero(test.counts))
    from_end = np.repeat(train.indptr[1:], train.counts) - np.arange(len(train))
    numbers, fits = np.asarray(known), []
    choices = np.searchsorted(numbers, train.counts[users], side="right")  # numbers that each user has ratings for
    for turn in range(rounds):
        dealt = np.full(train.n_users, -1)  # which leaves a user whole and unasked
        place = (np.arange(len(users)) + turn) % choices
        dealt[users] = np.where(turn < choices, numbers[place], -1)
        kept = train.take((dealt[train.users] < 0) | (from_end <= dealt[train.users]))
        asked = test.take(dealt[test.users] >= 0)
        if len(kept) and len(asked):
            fits.append(Fit(Split(kept, asked), dealt[asked.users].astype(np.float64)))
    return fits


def size_fits(split: Split, sizes: Sequence[float], rows: int | None, rng: np.random.Generator) -> list[Fit]:
    """Logs of a share of the users, several of those that are so small that one has too few held-out rows.

    Args:
        split: of the log.
        sizes: shares of the users.
        rows: held-out rows of each log that are asked about at most.
        rng: draws users.
    """
    people = rng.permutation(np.flatnonzero(split.train.counts))
    fits = []
    for share in sizes:
        size, asked = max(1, round(share * len(people))), 0
        for start in range(0, min(MOST_LOGS * size, len(people) - size + 1), size):
            inside = people[start : start + size]
            part = Split(*(log.take(np.isin(log.users, inside)) for log in split))
            if len(part.test) and asked < LEAST_ROWS:
                part = few_rows(part, rows, rng)
                asked += len(part.test)
                fits.append(Fit(part, np.full(len(part.test), share)))
    return fits


def ask_fits(asker: Asker, part: str, fits: Sequence[Fit], users: Sequence[NamedUsers]) -> Curve:
    """Everybody, fitted anew to the training rows of each fit.

    Raises:
        ValueError: there is no fit.
    """
    if not fits:
        raise ValueError("too few users have both training and held-out rows")
    people = np.unique(np.concatenate([fit.split.test.users for fit in fits]))
    first: dict[str, Asked] = {}
    figures: dict[str, dict[float, Figures]] = {}
    for number, fit in enumerate(fits, 1):
        questions = Questions.draw(fit.split, np.random.default_rng(0), 0, kinds=())
        log = renumbered(fit.split.test, people)
        for one in asker.ask_all(questions, f"{part} {number}/{len(fits)}", users):
            first.setdefault(one.name, replace(one, setup_seconds=None, answer_seconds=None))
            places = figures.setdefault(one.name, {})
            for at in np.unique(fit.at).tolist():
                said = rating_figures(one.answers, log, fit.at == at)
                places[at] = merged([places[at], said] if at in places else [said])
    at = np.concatenate([fit.at for fit in fits])
    owner = np.concatenate([fit.split.test.users for fit in fits])
    places = np.unique(at).tolist()
    return Curve(
        people=people,
        asked=tuple(first.values()),
        figures=figures,
        rows={one: int((at == one).sum()) for one in places},
        owners={one: len(np.unique(owner[at == one])) for one in places},
    )


def measure_known(
    asker: Asker, split: Split, users: Sequence[NamedUsers], compared: Sequence[str], rng: np.random.Generator
) -> tuple[tuple[CurvePoint, ...], Comparison | None]:
    """The curve over ratings known per user, and all of its points of few ratings together.

    Raises:
        ValueError: nobody has both training and held-out rows.
    """
    fits = known_fits(split, asker.args.known, asker.args.rounds, asker.args.rows, rng)
    curve = ask_fits(asker, "known", fits, users)
    weights = user_resamples(len(curve.people), asker.args.resamples, rng)
    few = [at for at in curve.rows if at <= FEW]
    figures = {
        name: merged([places[at] for at in few if at in places])
        for name, places in curve.figures.items()
        if any(at in places for at in few)
    }
    comparison = compare(
        [one for one in curve.asked if one.name in figures],
        figures,
        compared,
        weights,
        train_rows=len(fits[0].split.train),
        held_out_rows=sum(curve.rows[at] for at in few),
    )
    return curve.points(weights), comparison if few else None


def measure_sizes(
    asker: Asker, split: Split, users: Sequence[NamedUsers], whole: Comparison, rng: np.random.Generator
) -> tuple[CurvePoint, ...]:
    """The curve over the size of the log, which the whole log ends.

    Raises:
        ValueError: nobody has both training and held-out rows.
    """
    rows = asker.args.rows
    fits = size_fits(split, asker.args.sizes, None if rows is None else max(1, rows // 2), rng)
    curve = ask_fits(asker, "size", fits, users)
    weights = user_resamples(len(curve.people), asker.args.resamples, rng)
    told = {row.name: row.figures for row in whole.rows if row.name in curve.figures}
    last = {
        name: {key: figures[key] for key in ("rmse", "mae", "nll") if key in figures} for name, figures in told.items()
    }
    return (*curve.points(weights), CurvePoint(1.0, whole.held_out_rows, whole.users, last))


def rating_figures(answers: Answers, log: Interactions, rows: BoolArray) -> dict[str, Statistic]:
    """Errors of ratings on some of the rows (n,)."""
    if answers.ratings is not None:
        kept = rows & answers.readable
        return rating_fidelity(answers.distributions()[rows[answers.readable]], log.take(kept))
    return {} if answers.points is None else point_fidelity(answers.points[rows], log.take(rows))


def merged(parts: Sequence[Figures]) -> dict[str, Statistic]:
    """Means over the rows of several parts, of the measures that all of them have."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: _merged([part[name] for part in parts]) for name in names}


def _merged(statistics: Sequence[Statistic]) -> Statistic:
    first = statistics[0]
    if isinstance(first, RootMeanSquare):
        return RootMeanSquare(_sum([one.squares for one in statistics if isinstance(one, RootMeanSquare)]))
    return _sum([one for one in statistics if isinstance(one, RatioOfSums)])


def _sum(ratios: Sequence[RatioOfSums]) -> RatioOfSums:
    return RatioOfSums(
        np.sum([ratio.total for ratio in ratios], axis=0), np.sum([ratio.count for ratio in ratios], axis=0)
    )
