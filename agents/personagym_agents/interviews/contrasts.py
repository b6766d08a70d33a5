"""What rows bear out: a claim held against real rows, or against what simulated users answered.

The same rules serve both, so "borne out by what people did" and "in line with what the users answer" mean one thing.
Shapes: u users, s subjects (genres, then decades), n rows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from personagym_agents.llm.claims import Choosing, Claim, Habit, Liking, Subject
from personagym_agents.llm.evidence import decades_of
from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import Crowd

LEAST_ROWS = 2
"""Rows with a subject, and rows without it, that tell whether somebody likes it."""
LEAST_HABIT_ROWS = 5
"""Rows that tell of a habit."""


class ItemClaim(NamedTuple):
    """The user rates an item above (below) the own mean."""

    item: int
    sign: int


Said = Claim | ItemClaim


def subject_columns(catalogue: Catalogue) -> BoolArray:
    """(m, s) which item has which genre, then which belongs to which decade."""
    decades = np.array(decades_of(catalogue), np.int64)
    return np.concatenate([catalogue.genres, (catalogue.years // 10 * 10)[:, None] == decades], axis=1)


class Rows(NamedTuple):
    """What n rows say: real ones, or simulated answers."""

    users: IntArray
    items: IntArray
    ratings: FloatArray
    """(n,) given or expected, in points."""
    wishes: FloatArray | None
    """(n,) log odds of choosing; None for real rows, all of which were chosen."""

    @classmethod
    def of_log(cls, log: Interactions) -> "Rows":
        """The rows of a log."""
        return cls(log.users, log.items, log.ratings, None)

    def some(self, which: BoolArray) -> "Rows":
        """The rows of a mask (n,)."""
        wishes = None if self.wishes is None else self.wishes[which]
        return Rows(self.users[which], self.items[which], self.ratings[which], wishes)


@dataclass(frozen=True, eq=False)
class Contrasts:
    """How users rate and choose each subject against all else, in some rows."""

    rating: FloatArray
    """(u, s) mean distance from the crowd in rows with the subject, less that in the user's other rows."""
    choosing: FloatArray
    """(u, s) above 0 where the subject is chosen more than usual."""
    inside: FloatArray
    """(u, s) rows with the subject."""
    rows: FloatArray
    """(u,) rows of each user."""
    leniency: FloatArray
    """(u,) mean distance from the crowd, less that of all rows."""
    own: dict[tuple[int, int], float]
    """(user, item) to the rating less the user's mean in the training log."""
    genres: int
    """Subjects that are genres; those behind them are decades."""

    @classmethod
    def of(cls, rows: Rows, crowd: Crowd, catalogue: Catalogue, means: FloatArray) -> "Contrasts":
        """Read them off rows.

        Args:
            rows: real or simulated ones.
            crowd: of the training log, which ratings are compared with.
            catalogue: names genres and years.
            means: (u,) each user's mean rating in the training log.
        """
        has, u = subject_columns(catalogue)[rows.items].astype(np.float64), len(means)
        apart = rows.ratings - crowd.means[rows.items]
        count = _sums(rows.users, np.ones(len(apart)), u)
        inside = _sums(rows.users, has, u)
        outside = count[:, None] - inside
        share = _divide(inside, count[:, None])
        choosing: FloatArray = np.asarray(share - _divide(inside.sum(axis=0), np.array(count.sum())))
        if rows.wishes is not None:
            choosing = _contrast(rows.users, has, rows.wishes, inside, outside)
        mean_apart = _divide(_sums(rows.users, apart, u), count)
        return cls(
            rating=_contrast(rows.users, has, apart, inside, outside),
            choosing=choosing,
            inside=inside,
            rows=count,
            leniency=mean_apart - float(apart.mean()) if len(apart) else mean_apart,
            own={
                (int(user), int(item)): float(rating - means[user])
                for user, item, rating in zip(rows.users, rows.items, rows.ratings, strict=True)
            },
            genres=len(catalogue.genre_names),
        )

    def bears_out(self, claim: Said, user: int) -> bool | None:
        """Whether the rows of a user bear a claim out; None where they cannot tell."""
        match claim:
            case ItemClaim(item, sign):
                own = self.own.get((user, item))
                return None if own is None else sign * own > 0
            case Liking(subject, sign, _):
                at = self._column(subject)
                if min(self.inside[user, at], self.rows[user] - self.inside[user, at]) < LEAST_ROWS:
                    return None
                return bool(sign * self.rating[user, at] > 0)
            case Choosing(subject, often):
                at = self._column(subject)
                if self.rows[user] < LEAST_HABIT_ROWS:
                    return None
                return bool(self.choosing[user, at] > 0) == often
            case Habit("rating", word, holds) if word != "fair":
                if self.rows[user] < LEAST_HABIT_ROWS:
                    return None
                return (bool(self.leniency[user] > 0) == (word == "generous")) == holds
        return None

    def _column(self, subject: Subject) -> int:
        return subject.column + (self.genres if subject.kind == "decade" else 0)


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.asarray(numerator / np.maximum(denominator, 1e-9))


def _sums(users: IntArray, values: FloatArray, count: int) -> FloatArray:
    """(u, ...) sums of values (n, ...) by the user of each row."""
    at = np.arange(len(users))
    return np.asarray(sparse.csr_array((np.ones(len(users)), (users, at)), (count, len(users))) @ values)


def _contrast(
    users: IntArray, has: FloatArray, values: FloatArray, inside: FloatArray, outside: FloatArray
) -> FloatArray:
    """(u, s) mean of values (n,) in rows with a subject less the mean in the others."""
    within = _sums(users, has * values[:, None], len(inside))
    total = _sums(users, values, len(inside))[:, None]
    return np.asarray(_divide(within, inside) - _divide(total - within, outside))
