"""In which respects a simulated log is compared with a real one, and how each is read off a log.

Everything that is learned (item ranks, users' means) comes from training rows. Shapes: n rows, u users, m items,
g genres.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.evaluation.validation.distances import Concentration, Distribution, Lifetimes, Respect, Trend
from personagym_env.evaluation.validation.session_log import SessionLog

HORIZON = 100
"""Consumptions of a session that are told apart; longer sessions are counted together."""
RUN = 10
"""Consumptions in a row within one session, or least consumptions of a user, whose mix of genres is measured."""
BITS_STEP = 0.05
"""Width of the bins of entropies."""
POINTS = 60
"""Points of curves over the catalogue."""
OCTAVES = 7
"""Positions 1, 2-3, 4-7, ..., 64 and more."""


class Aspect(NamedTuple):
    """One respect in which logs are compared."""

    title: str
    """For tables."""
    level: str
    """What sums it up, with unit."""
    axis: str
    """Label of the support, with unit."""
    unit: str
    """Of the level and of the Wasserstein distance."""
    distances: tuple[str, ...]
    """Names in `DISTANCES`, the one for short tables first."""
    measure: Callable[["Ruler", SessionLog], Respect]
    sessions: bool = False
    """Whether it needs sessions."""
    genres: bool = False
    """Whether it needs genres."""
    biased: bool = False
    """Whether a resample, which holds fewer distinct users, differs on average; then nothing here has an interval."""
    cumulative: bool = False
    """Whether plots show shares summed up from the left, which shares in many small bins need."""


class Ruler:
    """What logs are measured against, learned from training rows.

    Args:
        train: training rows.
        catalogue: the items.
    """

    def __init__(self, train: Interactions, catalogue: Catalogue) -> None:
        counts = np.bincount(train.items, minlength=train.n_items)
        self.rank = np.empty(train.n_items, np.int64)
        self.rank[np.argsort(-counts, kind="stable")] = np.arange(train.n_items)
        """(m,) 0 for the item with the most training rows."""
        self.genres = catalogue.genres
        """(m, g)"""
        self.genre_share = catalogue.genre_shares
        """(m, g)"""
        mean = float(train.ratings.mean()) if len(train) else float(np.mean(train.scale))
        total = np.bincount(train.users, train.ratings, minlength=train.n_users)
        self.user_mean = np.where(train.counts > 0, total / np.maximum(train.counts, 1), mean)
        """(u,) mean training rating."""

    def aspects(self, *, sessions: bool) -> dict[str, Aspect]:
        """The aspects that these data allow."""
        return {
            name: aspect
            for name, aspect in ASPECTS.items()
            if (sessions or not aspect.sessions) and (self.genres.shape[1] > 1 or not aspect.genres)
        }


def _tally(users: IntArray, column: IntArray, shape: tuple[int, int], weights: FloatArray | None = None) -> FloatArray:
    """(u, x) how often, or with which sum of weights, each user has each column."""
    flat = np.bincount(users * shape[1] + column, weights, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def _positions(log: SessionLog) -> tuple[IntArray, BoolArray]:
    if log.position is None or log.ended is None:
        raise ValueError("this aspect needs a log with sessions")
    return log.position, log.ended


def session_length(ruler: Ruler, sessions: SessionLog) -> Lifetimes:
    """Consumptions per session."""
    position, ended = _positions(sessions)
    near = position <= HORIZON
    shape = sessions.log.n_users, HORIZON
    users, column = sessions.log.users[near], position[near] - 1
    return Lifetimes(_tally(users, column, shape), _tally(users, column, shape, ended[near].astype(np.float64)))


def stars(ruler: Ruler, sessions: SessionLog) -> Distribution:
    """How often each rating is given."""
    log = sessions.log
    return Distribution(np.asarray(log.scale), _tally(log.users, log.rating_index, (log.n_users, len(log.scale))))


def popularity(ruler: Ruler, sessions: SessionLog) -> Distribution:
    """Where in the order of training popularity consumption falls; support: per cent of the catalogue."""
    log = sessions.log
    edges = np.unique(np.round(np.geomspace(1, log.n_items, POINTS)).astype(np.int64))  # ranks from 1
    column = np.searchsorted(edges, ruler.rank[log.items] + 1)
    return Distribution(100 * edges / log.n_items, _tally(log.users, column, (log.n_users, len(edges))))


def concentration(ruler: Ruler, sessions: SessionLog) -> Concentration:
    """How unevenly consumption falls on items, whichever they are."""
    log = sessions.log
    return Concentration(log.matrix(np.ones(len(log))), np.linspace(0, 1, POINTS + 1))


def _entropy(totals: npt.NDArray[Any]) -> FloatArray:
    """(n,) bits, of rows (n, g) that sum to above 0."""
    share = totals / totals.sum(axis=1, keepdims=True)
    return np.asarray(-(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1))


def _bits(users: IntArray, values: FloatArray, n_users: int, n_genres: int) -> Distribution:
    support = np.arange(0, np.log2(n_genres) + BITS_STEP, BITS_STEP)
    column = np.clip(np.round(values / BITS_STEP).astype(np.int64), 0, len(support) - 1)
    return Distribution(support, _tally(users, column, (n_users, len(support))))


def user_entropy(ruler: Ruler, sessions: SessionLog) -> Distribution:
    """Mix of genres in everything that a user with at least `RUN` rows consumed."""
    log = sessions.log
    mix = log.matrix(np.ones(len(log))) @ ruler.genre_share  # (u, g)
    users = np.flatnonzero((log.counts >= RUN) & (mix.sum(axis=1) > 0))
    return _bits(users, _entropy(mix[users]), log.n_users, ruler.genre_share.shape[1])


def run_entropy(ruler: Ruler, sessions: SessionLog) -> Distribution:
    """Mix of genres in `RUN` consumptions in a row of one session, each consumption in one run at most."""
    log = sessions.log
    opens = sessions.opens()
    session = np.cumsum(opens) - 1
    place = np.arange(len(log)) - np.flatnonzero(opens)[session]  # from 0, in this log
    begins = place % RUN == 0
    run = np.cumsum(begins) - 1
    length, owner = np.bincount(run), log.users[begins]
    share = ruler.genre_share[log.items]  # (n, g)
    mix = np.stack([np.bincount(run, column, minlength=len(length)) for column in share.T], axis=1)
    whole = np.flatnonzero((length == RUN) & (mix.sum(axis=1) > 0))
    return _bits(owner[whole], _entropy(mix[whole]), log.n_users, share.shape[1])


def repeats(ruler: Ruler, sessions: SessionLog) -> Distribution:
    """Whether a consumption has a genre in common with the one before it in the session: no (0) or yes (1)."""
    log = sessions.log
    later = np.flatnonzero(~sessions.opens())
    shared = (ruler.genres[log.items[later]] & ruler.genres[log.items[later - 1]]).any(axis=1)
    return Distribution(np.array([0.0, 1.0]), _tally(log.users[later], np.asarray(shared, np.int64), (log.n_users, 2)))


def rating_trend(ruler: Ruler, sessions: SessionLog) -> Trend:
    """How ratings move within sessions: what a log shows of satisfaction."""
    log = sessions.log
    position, _ = _positions(sessions)
    octave = np.minimum(np.log2(position).astype(np.int64), OCTAVES - 1)
    shape = log.n_users, OCTAVES
    relative = log.ratings - ruler.user_mean[log.users]
    session = np.cumsum(sessions.opens()) - 1

    def within(values: FloatArray) -> FloatArray:
        mean = np.bincount(session, values) / np.maximum(np.bincount(session), 1)
        return np.asarray(values - mean[session])

    def by_user(values: FloatArray) -> FloatArray:
        return _tally(log.users, np.zeros_like(log.users), (log.n_users, 1), values)[:, 0]

    x, y = within(np.log2(position)), within(log.ratings.astype(np.float64))
    return Trend(
        2.0 ** np.arange(OCTAVES),
        _tally(log.users, octave, shape, relative),
        _tally(log.users, octave, shape),
        by_user(x * y),
        by_user(x * x),
    )


ASPECTS: Mapping[str, Aspect] = {
    "length": Aspect(
        "session length",
        f"mean length, longer than {HORIZON} as {HORIZON + 1} (consumptions)",
        "consumptions in a session",
        "consumptions",
        ("ks", "w1"),
        session_length,
        sessions=True,
        cumulative=True,
    ),
    "stars": Aspect("ratings per star", "mean rating (points)", "rating", "points", ("ks", "w1", "tv"), stars),
    "popularity": Aspect(
        "popularity curve",
        "mean rank in training popularity (% of the catalogue, 0 the most popular)",
        "rank in training popularity, % of the catalogue",
        "% of the catalogue",
        ("ks", "w1", "tv"),
        popularity,
        cumulative=True,
    ),
    "concentration": Aspect(
        "concentration",
        "Gini coefficient of consumption over items",
        "share of the catalogue, least consumed first",
        "",
        ("largest gap",),
        concentration,
        biased=True,
    ),
    "user entropy": Aspect(
        "genre entropy, user",
        f"mean genre entropy of users with at least {RUN} rows (bits)",
        "genre entropy of a user, bits",
        "bits",
        ("ks", "w1"),
        user_entropy,
        genres=True,
        cumulative=True,
    ),
    "run entropy": Aspect(
        "genre entropy, session",
        f"mean genre entropy of {RUN} consumptions in a row (bits)",
        f"genre entropy of {RUN} consumptions in a row, bits",
        "bits",
        ("ks", "w1"),
        run_entropy,
        sessions=True,
        genres=True,
        cumulative=True,
    ),
    "repeats": Aspect(
        "genre repeated",
        "share of consumptions with a genre of the one before",
        "shares a genre with the one before: no, yes",
        "",
        ("tv",),
        repeats,
        sessions=True,
        genres=True,
    ),
    "trend": Aspect(
        "rating trend in session",
        "change of rating per doubling of the position (points)",
        "position in the session",
        "points",
        ("mean gap",),
        rating_trend,
        sessions=True,
    ),
}
"""All aspects, in the order of tables."""
