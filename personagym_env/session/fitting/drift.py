"""Drift of taste: how far a user's genres move from the early to the late half of the history, beyond chance."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from personagym_env.data.tables import BoolArray, FloatArray, IntArray, Interactions
from personagym_env.session.fitting.estimates import Z_95, Estimate, covariance_at

_FEWEST_ROWS = 40
"""Users with fewer rows say too little about two halves."""
_FEWEST_USERS = 30
_FEWEST_OF_GENRE = 8.0
"""A genre counts for a user who consumed at least so many items of it, and so many of others."""
_SHUFFLES = 5
"""Random halvings that tell how far halves differ by chance."""
_LARGEST_SCALE = 1.0
"""Logits per consumption ** 0.5; ten times what any log has shown."""


class Moves(NamedTuple):
    """Moves of users' log odds of consuming a genre, early to late half. Shapes: c cells, one per user and genre."""

    users: IntArray
    """(c,)"""
    move: FloatArray
    """(c,) of the log odds, less the mean move of the genre over users."""
    noise: FloatArray
    """(c,) variance of `move` that random halves show too."""
    steps: FloatArray
    """(c,) variance of `move` for a random walk of variance 1 per consumption."""


class Halves(NamedTuple):
    """Genre shares of both halves of histories. Shapes: v users with enough rows, g genres."""

    users: IntArray
    """(v,)"""
    rows: IntArray
    """(v, 2) rows of each half."""
    counts: FloatArray
    """(v, 2, g) items of each genre, an item of several genres counting in equal shares."""

    @property
    def cosine(self) -> FloatArray:
        """(v,) between the genre shares of the two halves, 0 where one half has no genre."""
        early, late = self.counts[:, 0], self.counts[:, 1]
        length = np.sqrt((early**2).sum(axis=1) * (late**2).sum(axis=1))
        return np.asarray((early * late).sum(axis=1) / np.maximum(length, 1e-12))


def _halve(log: Interactions, genre_share: FloatArray, late: BoolArray, users: IntArray) -> Halves:
    """Add the genres of `users` up over the rows (n,) that are `late` and those that are not."""
    place = np.full(log.n_users, -1)
    place[users] = np.arange(len(users))
    rows = np.flatnonzero(place[log.users] >= 0)
    half = place[log.users[rows]] * 2 + late[rows]
    share = genre_share[log.items[rows]]
    counts = [np.bincount(half, column, 2 * len(users)).reshape(-1, 2) for column in share.T]
    return Halves(users, np.bincount(half, minlength=2 * len(users)).reshape(-1, 2), np.stack(counts, axis=2))


def _log_odds_moves(halves: Halves) -> tuple[FloatArray, FloatArray, BoolArray]:
    """(v, g) move of each genre's log odds, its binomial variance, and whether there is enough of it to count."""
    rows = halves.rows[:, :, None]
    share = (halves.counts + 0.5) / (rows + 1.0)
    log_odds = np.log(share / (1 - share))
    variance = (1 / ((rows + 1) * share * (1 - share))).sum(axis=1)
    total = halves.counts.sum(axis=1)
    # Chosen by both halves together, so that the choice favours no direction and no size of move.
    enough = (total >= _FEWEST_OF_GENRE) & (rows.sum(axis=1) - total >= _FEWEST_OF_GENRE)
    move = log_odds[:, 1] - log_odds[:, 0]
    common = np.where(enough, move, 0).sum(axis=0) / np.maximum(enough.sum(axis=0), 1)
    return move - common, variance, enough


def halves_of(log: Interactions, genre_share: FloatArray, rng: np.random.Generator) -> tuple[Halves, list[Halves]]:
    """The halves by time of users with enough rows, and halves of the same rows at random."""
    users = np.flatnonzero((log.counts >= _FEWEST_ROWS) & (_has_genres(log, genre_share) >= 2 * _FEWEST_OF_GENRE))
    middle = np.repeat(log.indptr[:-1] + (log.counts + 1) // 2, log.counts)
    late = np.arange(len(log)) >= middle
    shuffled = []
    for _ in range(_SHUFFLES):
        order = np.lexsort((rng.random(len(log)), log.users))
        shuffled.append(_halve(log, genre_share, late[order], users))
    return _halve(log, genre_share, late, users), shuffled


def _has_genres(log: Interactions, genre_share: FloatArray) -> IntArray:
    """(u,) rows of each user whose item has a genre."""
    return np.bincount(log.users[(genre_share[log.items] > 0).any(axis=1)], minlength=log.n_users)


def moves_of(log: Interactions, genre_share: FloatArray, halves: Halves, shuffled: list[Halves]) -> Moves:
    """Moves by time, with the noise of moves between random halves.

    A walk of n steps with variance 1 moves the mean of its second half from that of its first by variance n / 3
    (integrate the increments' weights, 2 s up to the middle and 2 - 2 s from there, squared over s in 0..1). An item
    feels its genre's preference by its share of the genre.
    """
    move, binomial, enough = _log_odds_moves(halves)
    nulls = [_log_odds_moves(null) for null in shuffled]
    # Shares of items in several genres vary otherwise than counts, and halves are drawn without replacement.
    cells = sum(int(known.sum()) for _, _, known in nulls)
    surplus = sum(float((null**2 / variance)[known].sum()) for null, variance, known in nulls) / max(cells, 1)
    items = np.bincount(log.items, minlength=log.n_items)
    felt = (items @ genre_share**2) / np.maximum(items @ genre_share, 1e-12)
    steps = felt**2 * halves.rows.sum(axis=1, keepdims=True) / 3
    row, _ = np.nonzero(enough)
    return Moves(halves.users[row], move[enough], surplus * binomial[enough], steps[enough])


def log_likelihood(moves: Moves, variance: float) -> FloatArray:
    """(c,) normal log density of the moves for a walk of `variance` per consumption."""
    total = moves.noise + variance * moves.steps
    return np.asarray(-0.5 * (np.log(2 * np.pi * total) + moves.move**2 / total))


def fit_drift(moves: Moves) -> Estimate | str:
    """The scale of the random walk (`drift.scale`) by maximum likelihood.

    Returns:
        The estimate, or the reason why there is none.
    """
    users = len(np.unique(moves.users))
    if users < _FEWEST_USERS:
        return f"drift: only {users} users have history enough, {_FEWEST_USERS} are needed"
    found = minimize_scalar(
        lambda scale: -float(log_likelihood(moves, scale**2).sum()), bounds=(0, _LARGEST_SCALE), method="bounded"
    )
    variance = float(found.x) ** 2
    # Variances near 0 are small numbers; in units of the largest noise per step they are of order 1.
    unit = float(np.median(moves.noise / moves.steps))
    covariance = covariance_at(
        lambda value: log_likelihood(moves, float(value[0]) * unit), np.array([variance / unit]), moves.users
    )
    if covariance is None:
        return "drift: the log does not identify the scale of a random walk of taste"
    error = float(np.sqrt(covariance[0, 0])) * unit
    low, high = np.sqrt(np.maximum(variance + np.array([-Z_95, Z_95]) * error, 0))
    method = (
        "random walk of genre log odds from early to late halves, beyond random halves, by maximum likelihood over "
        f"{len(moves.users)} genres of {users} users, interval robust to dependence within users"
    )
    return Estimate(float(found.x), float(low), float(high), users, method)
