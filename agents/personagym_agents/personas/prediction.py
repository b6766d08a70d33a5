"""Personas found by what predicts: users share a persona if one correction explains the ratings of all of them.

Hard expectation maximisation, which is known as iterative federated clustering where the models are networks (Ghosh,
Chung, Yin and Ramchandran, "An efficient framework for clustered federated learning", NeurIPS 2020): fit a correction
to the ratings of each group, give every user the group whose correction explains the user's ratings best, and repeat.
Here a correction is linear, by genre, year, popularity and mean rating of the item, on top of what user and item mean,
so that a search takes seconds and can start many times; adapters are trained on what it finds. Every row is explained
by a correction that has not seen the row, and by means that have not.

Shapes: u users, m items, n rows, d folds, c columns, k groups.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

COUNTS = (1, 2, 3, 4, 6, 8, 12)
"""Numbers of groups that are compared."""
FOLDS = 5
_COMMON_PRIOR = 50.0
"""Rows by which the correction of everybody is shrunk to none."""
_GROUP_PRIOR = 300.0
"""Rows by which a group's correction is shrunk to that of everybody; of 30, 100 and 300 it predicts the inner tail of
ML-100K best, with 4 groups as with 8."""
_SEED_PRIOR = 20.0
"""Rows by which the correction of a single user, where a search starts, is shrunk to that of everybody."""
_MOST_ROUNDS = 40
_OFFSET_PRIOR = 5.0
"""Ratings at no offset that the offset of a new user is shrunk by."""
_BLOCK = 1 << 22
"""Numbers of the matrices of single users that are solved at a time."""
_TIE = 1e-3
"""Share of the lowest error by which others count as equally low; the fewest groups win, which have most rows each."""
_TAIL = 0.2
"""Of each user's rows, on which numbers of groups are compared."""


class Round(NamedTuple):
    """One round of a search."""

    loss: float
    """Mean squared error of the cross-fitted rows, in rating points squared."""
    moved: int
    """Users who changed their group."""


class Search(NamedTuple):
    """What one start came to."""

    groups: IntArray
    """(u,) of each user."""
    rounds: tuple[Round, ...]

    @property
    def loss(self) -> float:
        """Of the last round."""
        return self.rounds[-1].loss


@dataclass(frozen=True, eq=False)
class ItemColumns:
    """What is known of items that a correction may go by; fitted on training rows."""

    values: FloatArray
    """(m, c) a constant first, then columns of order 1."""

    @classmethod
    def of(cls, train: Interactions, catalogue: Catalogue) -> "ItemColumns":
        """Genres, year, popularity and mean rating."""
        counts = np.bincount(train.items, minlength=train.n_items)
        mean = fit_factors(train, FactorSettings(rank=0)).item_bias
        known = np.where(catalogue.years > 0, catalogue.years, np.median(catalogue.years))
        year, popularity, liked = (_standardised(values, train.items) for values in (known, np.log1p(counts), mean))
        numbers = np.column_stack([year, year**2 - 1, popularity, popularity**2 - 1, liked, liked**2 - 1])
        return cls(np.column_stack([np.ones(train.n_items), 2 * catalogue.genre_shares, np.clip(numbers, -4, 4)]))


def _standardised(values: FloatArray, items: IntArray) -> FloatArray:
    """(m,) values, with mean 0 and deviation 1 over the rows' items."""
    of_rows = values[items]
    deviation = of_rows.std()
    return np.asarray((values - of_rows.mean()) / (deviation if deviation > 1e-9 else 1.0))


def cross_fitted_residuals(train: Interactions, fold: IntArray) -> FloatArray:
    """(n,) ratings less what user and item mean to the rows of the other folds (n,)."""
    found = np.zeros(len(train))
    for number in np.unique(fold):
        inside = fold == number
        model = fit_factors(train.take(~inside) if not inside.all() else train, FactorSettings(rank=0))
        found[inside] = train.ratings[inside] - model.means_at(train.users[inside], train.items[inside])
    return found


@dataclass(frozen=True, eq=False)
class FoldedRows:
    """Rows that corrections explain, each dealt into a fold; no array is as large as users times pairs of columns."""

    users: IntArray
    """(n,)"""
    items: IntArray
    """(n,)"""
    columns: FloatArray
    """(m, c) of the items."""
    residual: FloatArray
    """(n,) what is to be explained."""
    fold: IntArray
    """(n,) in 0..d-1."""
    n_users: int

    @property
    def folds(self) -> int:
        """How many."""
        return int(self.fold.max(initial=0)) + 1

    def whole(self) -> "FoldedRows":
        """As one fold."""
        return replace(self, fold=np.zeros_like(self.fold))

    def moments(self, groups: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
        """By fold and group of users (u,): (d, k, c, c) outer products of columns, (d, k, c) columns times residual.

        Rows of one item have the same columns, so that each item comes once, with its number of rows as its weight.
        """
        (m, width), cells = self.columns.shape, self.folds * count
        place = (self.fold * count + groups[self.users]) * m + self.items
        weight = np.bincount(place, minlength=cells * m).reshape(cells, m)
        told = np.bincount(place, self.residual, cells * m).reshape(cells, m)
        gram, moment = np.empty((cells, width, width)), np.empty((cells, width))
        for cell in range(cells):
            there = np.flatnonzero(weight[cell])
            columns = self.columns[there]
            gram[cell] = (columns * weight[cell, there, None]).T @ columns
            moment[cell] = told[cell, there] @ columns
        return gram.reshape(self.folds, count, width, width), moment.reshape(self.folds, count, width)

    def losses(self, corrections: FloatArray) -> FloatArray:
        """(u, k) squared errors of each user's rows under corrections (d, k, c)."""
        explained = np.einsum("mc,dkc->kdm", self.columns, corrections, optimize=True)
        errors = [(self.residual - of_items[self.fold, self.items]) ** 2 for of_items in explained]
        return np.column_stack([np.bincount(self.users, error, self.n_users) for error in errors])

    @cached_property
    def common(self) -> FloatArray:
        """(c,) the correction of everybody, by all rows."""
        (((gram,),), ((moment,),)) = self.whole().moments(np.zeros(self.n_users, np.int64), 1)
        return np.linalg.solve(gram + _COMMON_PRIOR * np.eye(len(gram)), moment)

    @cached_property
    def single(self) -> tuple[FloatArray, FloatArray]:
        """(u, c) the correction of each user alone, by all rows, shrunk to the common one; (u,) its squared errors."""
        width = self.columns.shape[1]
        found, prior = np.empty((self.n_users, width)), _SEED_PRIOR * np.eye(width)
        order = np.argsort(self.users, kind="stable")
        ends = np.searchsorted(self.users[order], np.arange(self.n_users + 1))
        errors = np.zeros(self.n_users)
        size = max(1, _BLOCK // width**2)
        for begin in range(0, self.n_users, size):
            block = range(begin, min(begin + size, self.n_users))
            gram, moment = np.empty((len(block), width, width)), np.empty((len(block), width))
            for place, user in enumerate(block):
                rows = order[ends[user] : ends[user + 1]]
                columns = self.columns[self.items[rows]]
                gram[place], moment[place] = columns.T @ columns, columns.T @ self.residual[rows]
            told = moment + _SEED_PRIOR * self.common
            found[block.start : block.stop] = np.linalg.solve(gram + prior, told[..., None])[..., 0]
            for user in block:
                rows = order[ends[user] : ends[user + 1]]
                errors[user] = ((self.residual[rows] - self.columns[self.items[rows]] @ found[user]) ** 2).sum()
        return found, errors


def fit_corrections(rows: FoldedRows, groups: IntArray, count: int) -> FloatArray:
    """(d, k, c) correction of each group (u,), by all rows but those of each fold, shrunk to that of everybody.

    With one fold it is by all rows.
    """
    gram, moment = rows.moments(groups, count)
    if rows.folds > 1:
        gram, moment = gram.sum(axis=0) - gram, moment.sum(axis=0) - moment
    width = gram.shape[-1]
    common = np.linalg.solve(gram.sum(axis=1) + _COMMON_PRIOR * np.eye(width), moment.sum(axis=1)[..., None])[..., 0]
    prior = _GROUP_PRIOR * np.eye(width)
    return np.linalg.solve(gram + prior, (moment + _GROUP_PRIOR * common[:, None])[..., None])[..., 0]


def _seeds(rows: FoldedRows, count: int, rng: np.random.Generator) -> FloatArray:
    """(d, k, c) corrections of single users, drawn by how much theirs explains (as k-means++ draws by distance)."""
    whole, (single, own) = rows.whole(), rows.single
    best = whole.losses(rows.common[None, None])[:, 0]
    chosen = []
    for _ in range(count):
        gain = np.maximum(best - own, 0)
        odds = gain / gain.sum() if gain.sum() > 0 else np.full(len(gain), 1 / len(gain))
        chosen.append(single[rng.choice(len(gain), p=odds)])
        best = np.minimum(best, whole.losses(chosen[-1][None, None])[:, 0])
    return np.broadcast_to(np.stack(chosen), (rows.folds, count, single.shape[1]))


def search_groups(rows: FoldedRows, count: int, rng: np.random.Generator, start: IntArray | None = None) -> Search:
    """Alternate between fitting corrections and giving each user the best one, until nobody moves.

    Args:
        rows: for training.
        count: of groups.
        rng: draws the users whose corrections the search starts with.
        start: (u,) groups to start with instead.
    """
    total = max(len(rows.users), 1)
    corrections = _seeds(rows, count, rng) if start is None else fit_corrections(rows, start, count)
    groups = rows.losses(corrections).argmin(axis=1)
    rounds: list[Round] = []
    for _ in range(_MOST_ROUNDS):
        losses = rows.losses(fit_corrections(rows, groups, count))
        best = losses.argmin(axis=1)
        moved = int((best != groups).sum())
        rounds.append(Round(float(losses[np.arange(len(best)), groups].sum() / total), moved))
        if not moved:
            break
        groups = best
    return Search(groups, tuple(rounds))


class TailLoss(NamedTuple):
    """How well a number of groups predicts the inner tail: each user's latest training rows."""

    n_personas: int
    loss: float
    """Mean squared error over the starts, in rating points squared."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What groups were found by."""

    corrections: FloatArray
    """(k, c) of each group, in rating points."""
    criterion: tuple[TailLoss, ...]
    """What the number of groups was chosen by; empty if it was given."""
    searches: tuple[tuple[Round, ...], ...]
    """The rounds of every start; the groups are those of the start whose last loss is lowest."""
    count: int
    """Groups that were looked for: k, and those that all users left."""

    def table(self) -> list[str]:
        """The criterion, and the search that was kept, as lines for the terminal."""
        lines = [f"{'personas':>8}  mean squared error on the inner tail"] if self.criterion else []
        left = self.count - len(self.corrections)
        chosen = "  <- chosen" + (f", of which all users left {left}" if left else "")
        for row in self.criterion:
            lines.append(f"{row.n_personas:>8}  {row.loss:.4f}{chosen if row.n_personas == self.count else ''}")
        best = min(self.searches, key=lambda rounds: rounds[-1].loss)
        lines.append(
            f"best of {len(self.searches)} searches, mean squared error of cross-fitted rows: {best[0].loss:.4f} at "
            f"first, {best[-1].loss:.4f} after {len(best)} rounds, the last of which moved {best[-1].moved} users"
        )
        return lines

    def to_lists(self) -> dict[str, Any]:
        """As JSON has it; how many groups were looked for only where some are gone."""
        gone = {} if self.count == len(self.corrections) else {"count": self.count}
        return gone | {
            "corrections": self.corrections.tolist(),
            "criterion": [row._asdict() for row in self.criterion],
            "searches": [[one._asdict() for one in rounds] for rounds in self.searches],
        }

    @classmethod
    def from_lists(cls, content: Mapping[str, Any]) -> "Prediction":
        """Inverse of `to_lists`."""
        corrections = np.asarray(content["corrections"], np.float64)
        return cls(
            corrections,
            tuple(TailLoss(**row) for row in content["criterion"]),
            tuple(tuple(Round(**one) for one in rounds) for rounds in content["searches"]),
            content.get("count", len(corrections)),
        )

    def assign(self, log: Interactions, train: Interactions, catalogue: Catalogue) -> IntArray:
        """(n,) group of each of n users by the likelihood of their ratings, which may be few.

        Args:
            log: ratings of those users, of the items of `train`.
            train: rows that the groups were found on.
            catalogue: of their items.
        """
        model = fit_factors(train, FactorSettings(rank=0))
        expected = model.global_mean + model.item_bias[log.items]
        offset = shrunk_mean(log.users, log.ratings - expected, log.n_users, _OFFSET_PRIOR)
        columns = ItemColumns.of(train, catalogue).values
        residual = log.ratings - expected - offset[log.users]
        rows = FoldedRows(log.users, log.items, columns, residual, np.zeros(len(log), np.int64), log.n_users)
        return np.asarray(rows.losses(self.corrections[None]).argmin(axis=1))


def find_groups(
    train: Interactions,
    catalogue: Catalogue,
    rng: np.random.Generator,
    *,
    count: int | None = None,
    among: tuple[int, int] = (1, 12),
    starts: int = 5,
) -> tuple[IntArray, Prediction]:
    """(u,) groups by what predicts, and how they were found.

    Args:
        train: training rows.
        catalogue: of their items.
        rng: deals folds and draws where searches start.
        count: of groups; None for the number that predicts the inner tail best, or the fewest that do so within a tie.
        among: least and most such number, if there are as many users. One for all is told beside it either way.
        starts: of each search.

    Raises:
        ValueError: there are fewer users than groups.
    """
    most = len(np.unique(train.users))
    if count is not None and count > most:
        raise ValueError(f"{count} personas need as many different users, got {most}")
    criterion: tuple[TailLoss, ...] = ()
    if count is None:
        numbers = [n for n in COUNTS if n <= min(most, among[1])]
        criterion = tuple(_tail_losses(train, catalogue, rng, numbers, starts))
        wanted = [row for row in criterion if row.n_personas >= among[0]] or criterion[-1:]
        good = (1 + _TIE) * min(row.loss for row in wanted)
        count = next(row.n_personas for row in wanted if row.loss <= good)
    rows = _folded(train, catalogue, rng)
    searches = [search_groups(rows, count, rng) for _ in range(starts)]
    best = min(searches, key=lambda search: search.loss)
    corrections = fit_corrections(rows.whole(), best.groups, count)[0]
    return best.groups, Prediction(corrections, criterion, tuple(search.rounds for search in searches), count)


def _folded(train: Interactions, catalogue: Catalogue, rng: np.random.Generator) -> FoldedRows:
    fold = rng.permutation(len(train)) % min(FOLDS, max(1, len(train)))
    columns, residual = ItemColumns.of(train, catalogue).values, cross_fitted_residuals(train, fold)
    return FoldedRows(train.users, train.items, columns, residual, fold, train.n_users)


def _tail_losses(
    train: Interactions, catalogue: Catalogue, rng: np.random.Generator, counts: list[int], starts: int
) -> Iterator[TailLoss]:
    """How well groups of the earlier rows predict the latest."""
    late = train.rank_in_user >= train.counts[train.users] * (1 - _TAIL)
    early, tail = train.take(~late), train.take(late)
    rows = _folded(early, catalogue, rng)
    model = fit_factors(early, FactorSettings(rank=0))
    residual = tail.ratings - model.means_at(tail.users, tail.items)
    asked = FoldedRows(tail.users, tail.items, rows.columns, residual, np.zeros(len(tail), np.int64), tail.n_users)
    for count in counts:
        losses = []
        for _ in range(starts):
            groups = search_groups(rows, count, rng).groups
            told = asked.losses(fit_corrections(rows.whole(), groups, count))
            losses.append(told[np.arange(len(groups)), groups].sum() / max(1, len(tail)))
        yield TailLoss(count, float(np.mean(losses)))
