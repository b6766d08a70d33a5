"""Do wishes at the end of the training rows tell which genres, eras and items the next rows show?

Shapes: u users, g genres, m items.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import sparse, stats

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.evaluation.core.statistics import RatioOfSums, interval
from personagym_env.evaluation.instructions.board import Prediction
from personagym_env.protocols import NO_GENRE
from personagym_env.session import kernel
from personagym_env.session.cuts import cut_sessions, exposure_before
from personagym_env.session.instructions import Panel, matches
from personagym_env.world import World


class _Next(NamedTuple):
    """What the held-out rows show."""

    genres: FloatArray
    """(u, g) share of rows with each genre."""
    newer: FloatArray
    """(u,) share of dated rows that are newer than the median of all held-out rows."""
    has: BoolArray
    """(u,) who has rows."""


def wishes_at_the_end(world: World, panel: Panel) -> IntArray:
    """(u, 3) what each user would say after the training rows, with the satiation that these leave behind."""
    users = np.arange(world.train.n_users)
    sessions = world.agent.open(len(users))
    sessions.start(users, users)
    parts = []
    state = kernel.initial(world.dynamics, np.zeros(len(users), np.uint64), np.zeros_like(users), users)
    state = state._replace(satiation=_satiation_at_the_end(world))
    for rows in np.array_split(users, -(-len(users) // 64)):
        reaction = sessions.react(rows, np.tile(panel.items, (len(rows), 1)))
        parts.append(panel.wishes(reaction, kernel.State._make(array[rows] for array in state), world.dynamics))
    return np.concatenate(parts)


def _satiation_at_the_end(world: World) -> FloatArray:
    """(u, g) by the rule of the kernel; none where the log has no times."""
    train, share = world.train, world.dynamics.genre_share
    found = np.zeros((train.n_users, share.shape[1]), np.float32)
    if train.timestamps is not None and len(train):
        decay = world.parameters.satiation.decay
        before = exposure_before(train, cut_sessions(train), share, decay)
        last = train.indptr[1:][train.counts > 0] - 1
        found[train.users[last]] = np.float32(decay) * before[last] + share[train.items[last]]
    return found


def predictions(
    wishes: IntArray, others: IntArray, held_out: Interactions, catalogue: Catalogue, weights: FloatArray
) -> Iterator[Prediction]:
    """Every part of the wishes against the base rate and against another user's.

    Args:
        wishes: (u, 3) of all users.
        others: (u,) whose wish stands for each user's.
        held_out: the rows that come next.
        catalogue: genres and years.
        weights: (1 + resamples, u)
    """
    following = _following(held_out, catalogue)
    everybody = np.arange(len(wishes))
    for column, part in ((0, "a genre wanted: its share"), (1, "a genre not wanted: its share")):

        def share(said: IntArray, of: FloatArray) -> FloatArray:
            return np.where(said == NO_GENRE, np.nan, of[everybody, said])

        base = np.broadcast_to(following.genres[following.has].mean(axis=0), following.genres.shape)
        own, other = wishes[:, column], wishes[others, column]
        yield _prediction(part, share(own, following.genres), share(own, base), share(other, following.genres), weights)
    era, other_era = wishes[:, 2], wishes[others, 2]
    typical = np.full(len(wishes), np.nanmean(following.newer))

    def agreement(said: IntArray, newer: FloatArray) -> FloatArray:
        return np.where(said == 0, np.nan, np.where(said > 0, newer, 1 - newer))

    yield _prediction(
        "newer or older: share of such rows",
        agreement(era, following.newer),
        agreement(era, typical),
        agreement(other_era, following.newer),
        weights,
    )
    own_items, other_items = (_item_ranks(said, held_out, catalogue) for said in (wishes, wishes[others]))
    chance = np.where(np.isnan(own_items), np.nan, 0.5)
    yield _prediction("all parts: rank of the item (AUC)", own_items, chance, other_items, weights)


def _following(held_out: Interactions, catalogue: Catalogue) -> _Next:
    count = np.maximum(held_out.counts, 1)[:, None]
    rows = sparse.csr_array((np.ones(len(held_out)), (held_out.users, np.arange(len(held_out)))))
    genres = np.zeros((held_out.n_users, len(catalogue.genre_names)))
    genres[: rows.shape[0]] = rows @ catalogue.genres[held_out.items].astype(np.float64)
    years = catalogue.years[held_out.items]
    dated = years > 0
    newer = years > (np.median(years[dated]) if dated.any() else 0)
    known, late = (np.bincount(held_out.users, w, minlength=held_out.n_users) for w in (dated, newer & dated))
    has = held_out.counts > 0
    shares = np.where(has[:, None], genres / count, np.nan)
    return _Next(shares, np.where(known > 0, late / np.maximum(known, 1), np.nan), has)


def _item_ranks(wishes: IntArray, held_out: Interactions, catalogue: Catalogue) -> FloatArray:
    """(u,) mean rank, 0..1, of each user's next items among everybody's next items, by how well they fit the wish.

    Everybody's items count as often as they were consumed, so that what is popular is no merit.
    """
    fit = matches(wishes, catalogue)
    found = np.full(len(wishes), np.nan)
    for user in np.flatnonzero(held_out.counts):
        rows = slice(held_out.indptr[user], held_out.indptr[user + 1])
        ranks = stats.rankdata(fit[user][held_out.items])
        found[user] = (ranks[rows].mean() - 0.5) / len(held_out)
    silent = ~(np.asarray(wishes) != np.array([NO_GENRE, NO_GENRE, 0])).any(axis=1)
    found[silent] = np.nan
    return found


def _prediction(part: str, own: FloatArray, base: FloatArray, swapped: FloatArray, weights: FloatArray) -> Prediction:
    """Over the users for whom all three are known."""
    known = ~(np.isnan(own) | np.isnan(base) | np.isnan(swapped))
    samples = [
        RatioOfSums(np.where(known, values, 0.0), known.astype(np.float64)).resampled(weights)
        for values in (own, base, swapped)
    ]
    return Prediction(
        part=part,
        users=int(known.sum()),
        own=interval(samples[0]),
        base=interval(samples[1]),
        swapped=interval(samples[2]),
        over_base=interval(samples[0] - samples[1]),
        over_swapped=interval(samples[0] - samples[2]),
    )
