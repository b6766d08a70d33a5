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
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from personagym_env.collaborative.factors import FactorSettings, fit_factors
from personagym_env.collaborative.shrinkage import shrunk_mean
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions

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
class Moments:
    """All that corrections need to know of rows: by fold and user."""

    gram: FloatArray
    """(d, u, c, c) sums of outer products of columns."""
    moment: FloatArray
    """(d, u, c) sums of columns times residual."""
    square: FloatArray
    """(d, u) sums of squared residuals."""
    rows: FloatArray
    """(d, u) how many."""

    @classmethod
    def of(cls, users: IntArray, columns: FloatArray, residual: FloatArray, fold: IntArray, n_users: int) -> "Moments":
        """Of (n,) rows with (n, c) columns."""
        folds, width = int(fold.max(initial=0)) + 1, columns.shape[1]
        cell = fold * n_users + users
        order = np.argsort(cell, kind="stable")
        begins = np.flatnonzero(np.diff(cell[order], prepend=-1))
        gram = np.zeros((folds * n_users, width, width))
        moment, square = np.zeros((folds * n_users, width)), np.zeros(folds * n_users)
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
            rows = order[begin:end]
            at, told = cell[rows[0]], columns[rows]
            gram[at], moment[at] = told.T @ told, told.T @ residual[rows]
            square[at] = residual[rows] @ residual[rows]
        count = np.bincount(cell, minlength=folds * n_users).astype(np.float64)
        shape = (folds, n_users)
        return cls(
            gram.reshape(*shape, width, width),
            moment.reshape(*shape, width),
            square.reshape(shape),
            count.reshape(shape),
        )

    def whole(self) -> "Moments":
        """Of all rows, as one fold."""
        return Moments(*(part.sum(axis=0, keepdims=True) for part in (self.gram, self.moment, self.square, self.rows)))

    def without_fold(self) -> tuple[FloatArray, FloatArray]:
        """(d, u, c, c) grams and (d, u, c) moments of all rows but those of each fold; of all rows if there is one."""
        if len(self.gram) == 1:
            return self.gram, self.moment
        return self.gram.sum(axis=0) - self.gram, self.moment.sum(axis=0) - self.moment

    def losses(self, corrections: FloatArray) -> FloatArray:
        """(u, k) squared errors of each user's rows under corrections (d, k, c)."""
        fitted = np.einsum("duc,dkc->uk", self.moment, corrections)
        explained = np.einsum("dkb,dubc,dkc->uk", corrections, self.gram, corrections, optimize=True)
        return np.asarray(self.square.sum(axis=0)[:, None] - 2 * fitted + explained)


def fit_corrections(moments: Moments, groups: IntArray, count: int) -> FloatArray:
    """(d, k, c) correction of each group (u,), by all rows but those of each fold, shrunk to that of everybody."""
    gram, moment = moments.without_fold()
    width = gram.shape[-1]
    common = np.linalg.solve(gram.sum(axis=1) + _COMMON_PRIOR * np.eye(width), moment.sum(axis=1)[..., None])[..., 0]
    member = (groups[:, None] == np.arange(count)).astype(np.float64)
    grams = np.einsum("uk,dubc->dkbc", member, gram, optimize=True)
    sums = np.einsum("uk,duc->dkc", member, moment, optimize=True)
    prior = _GROUP_PRIOR * np.eye(width)
    return np.linalg.solve(grams + prior, (sums + _GROUP_PRIOR * common[:, None])[..., None])[..., 0]


def _seeds(moments: Moments, count: int, rng: np.random.Generator) -> FloatArray:
    """(d, k, c) corrections of single users, drawn by how much theirs explains (as k-means++ draws by distance)."""
    gram, moment = moments.gram.sum(axis=0), moments.moment.sum(axis=0)
    width = gram.shape[-1]
    common = np.linalg.solve(gram.sum(axis=0) + _COMMON_PRIOR * np.eye(width), moment.sum(axis=0))
    single = np.linalg.solve(gram + _SEED_PRIOR * np.eye(width), (moment + _SEED_PRIOR * common)[..., None])[..., 0]
    whole = moments.whole()
    chosen = [common]
    for _ in range(count):
        best = whole.losses(np.stack(chosen)[None]).min(axis=1)
        own = whole.square[0] - 2 * (moment * single).sum(axis=1) + np.einsum("ub,ubc,uc->u", single, gram, single)
        gain = np.maximum(best - own, 0)
        odds = gain / gain.sum() if gain.sum() > 0 else np.full(len(gain), 1 / len(gain))
        chosen.append(single[rng.choice(len(gain), p=odds)])
    return np.broadcast_to(np.stack(chosen[1:]), (len(moments.gram), count, width))


def search_groups(moments: Moments, count: int, rng: np.random.Generator, start: IntArray | None = None) -> Search:
    """Alternate between fitting corrections and giving each user the best one, until nobody moves.

    Args:
        moments: of the training rows, dealt into folds.
        count: of groups.
        rng: draws the users whose corrections the search starts with.
        start: (u,) groups to start with instead.
    """
    total = max(moments.rows.sum(), 1.0)
    corrections = _seeds(moments, count, rng) if start is None else fit_corrections(moments, start, count)
    groups = moments.losses(corrections).argmin(axis=1)
    rounds: list[Round] = []
    for _ in range(_MOST_ROUNDS):
        losses = moments.losses(fit_corrections(moments, groups, count))
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

    def table(self) -> list[str]:
        """The criterion, and the search that was kept, as lines for the terminal."""
        lines = [f"{row.n_personas:>8} personas predict the inner tail with {row.loss:.4f}" for row in self.criterion]
        best = min(self.searches, key=lambda rounds: rounds[-1].loss)
        ways = ", ".join(f"{one.loss:.4f} ({one.moved} moved)" for one in best)
        return [*lines, f"best of {len(self.searches)} searches, mean squared error of cross-fitted rows: {ways}"]

    def to_lists(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "corrections": self.corrections.tolist(),
            "criterion": [row._asdict() for row in self.criterion],
            "searches": [[one._asdict() for one in rounds] for rounds in self.searches],
        }

    @classmethod
    def from_lists(cls, content: Mapping[str, Any]) -> "Prediction":
        """Inverse of `to_lists`."""
        return cls(
            np.asarray(content["corrections"], np.float64),
            tuple(TailLoss(**row) for row in content["criterion"]),
            tuple(tuple(Round(**one) for one in rounds) for rounds in content["searches"]),
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
        columns = ItemColumns.of(train, catalogue).values[log.items]
        residual = log.ratings - expected - offset[log.users]
        moments = Moments.of(log.users, columns, residual, np.zeros(len(log), np.int64), log.n_users)
        return np.asarray(moments.losses(self.corrections[None]).argmin(axis=1))


def find_groups(
    train: Interactions,
    catalogue: Catalogue,
    rng: np.random.Generator,
    *,
    count: int | None = None,
    counts: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12),
    starts: int = 5,
) -> tuple[IntArray, Prediction]:
    """(u,) groups by what predicts, and how they were found.

    Args:
        train: training rows.
        catalogue: of their items.
        rng: deals folds and draws where searches start.
        count: of groups; None for the number that predicts the inner tail best.
        counts: numbers that are compared.
        starts: of each search.

    Raises:
        ValueError: there are fewer users than groups.
    """
    most = len(np.unique(train.users))
    if count is not None and count > most:
        raise ValueError(f"{count} personas need as many different users, got {most}")
    criterion = () if count else tuple(_tail_losses(train, catalogue, rng, [n for n in counts if n <= most], starts))
    count = count or min(criterion, key=lambda row: row.loss).n_personas
    moments = _moments(train, catalogue, rng)
    searches = [search_groups(moments, count, rng) for _ in range(starts)]
    best = min(searches, key=lambda search: search.loss)
    corrections = fit_corrections(moments.whole(), best.groups, count)[0]
    return best.groups, Prediction(corrections, criterion, tuple(search.rounds for search in searches))


def _moments(train: Interactions, catalogue: Catalogue, rng: np.random.Generator) -> Moments:
    fold = rng.permutation(len(train)) % min(FOLDS, max(1, len(train)))
    columns = ItemColumns.of(train, catalogue).values[train.items]
    return Moments.of(train.users, columns, cross_fitted_residuals(train, fold), fold, train.n_users)


def _tail_losses(
    train: Interactions, catalogue: Catalogue, rng: np.random.Generator, counts: list[int], starts: int
) -> Iterator[TailLoss]:
    """How well groups of the earlier rows predict the latest."""
    late = train.rank_in_user >= train.counts[train.users] * (1 - _TAIL)
    early, tail = train.take(~late), train.take(late)
    moments = _moments(early, catalogue, rng)
    model = fit_factors(early, FactorSettings(rank=0))
    residual = tail.ratings - model.means_at(tail.users, tail.items)
    columns = ItemColumns.of(early, catalogue).values[tail.items]
    asked = Moments.of(tail.users, columns, residual, np.zeros(len(tail), np.int64), tail.n_users)
    for count in counts:
        losses = []
        for _ in range(starts):
            groups = search_groups(moments, count, rng).groups
            told = asked.losses(fit_corrections(moments.whole(), groups, count))
            losses.append(told[np.arange(len(groups)), groups].sum() / max(1, len(tail)))
        yield TailLoss(count, float(np.mean(losses)))
