"""What users who nearly left wish for: a genre, less of another one, something newer or older.

A wish is read off what decides the user's choices: what the user agent answers now about a fixed panel of items, less
what it answers on average for others, moved by drift and satiation as the kernel moves it. That users say so, and when,
is an assumption: no log tells. Shapes: n rows, b of them that speak, p items of the panel, s subjects, g genres.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import BoolArray, Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import NO_GENRE, NO_WISH, Reaction, UserAgent
from personagym_env.session import kernel
from personagym_env.text import one_line

PER_SUBJECT = 8
"""Items of the panel from each genre and each decade: those with the most training rows."""
LEAST_ITEMS = 3
"""Items of the panel that a genre needs to be wished for."""
AVERAGED_USERS = 64
"""Users whose mean answers a wish is compared with."""
LEAST_CORRELATION = 0.2
"""Between year and utility, from which on a user wants something newer or older."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Items that users are asked about before they speak, and what others answer."""

    items: IntArray
    """(p,)"""
    genres: BoolArray
    """(p, g)"""
    years: IntArray
    """(p,) 0 where unknown."""
    usual: FloatArray
    """(p,) mean log odds of choosing."""

    @classmethod
    def of(cls, agent: UserAgent, log: Interactions, catalogue: Catalogue) -> "Panel":
        """Choose the items, and ask users spread evenly over the population about them."""
        items = _most_rated(log, catalogue)
        users = np.unique(np.linspace(0, agent.n_users - 1, min(AVERAGED_USERS, agent.n_users)).astype(np.int64))
        sessions, rows = agent.open(len(users)), np.arange(len(users))
        sessions.start(rows, users)
        usual = kernel.choice_log_odds(sessions.react(rows, np.tile(items, (len(users), 1))).choice_probability)
        return cls(items, catalogue.genres[items], catalogue.years[items], usual.mean(axis=0))

    @cached_property
    def _dated(self) -> BoolArray:
        return np.asarray(self.years > 0)

    def wishes(self, reaction: Reaction, state: kernel.State, dynamics: kernel.Dynamics) -> IntArray:
        """(b, 3) what users wish, as `Observation["instruction"]` tells it.

        Args:
            reaction: (b, p) to the panel.
            state: of these b rows.
            dynamics: parameters and per-item tensors.
        """
        choice = dynamics.parameters.choice
        moved = state.drift / choice.temperature - choice.satiation_weight * state.satiation  # (b, g)
        apart = kernel.choice_log_odds(reaction.choice_probability) - self.usual
        return self.strongest(apart / choice.temperature + moved @ dynamics.genre_share[self.items].T)

    def strongest(self, utility: FloatArray) -> IntArray:
        """(b, 3) the wishes of users with such utilities (b, p), each relative to others'."""
        said = np.tile(np.asarray(NO_WISH, np.int64), (len(utility), 1))
        usable = (self.genres.sum(axis=0) >= LEAST_ITEMS) & ((~self.genres).sum(axis=0) >= LEAST_ITEMS)
        if usable.any():
            lift = _contrast(utility, self.genres[:, usable])  # (b, usable)
            columns, rows = np.flatnonzero(usable), np.arange(len(utility))
            for place, best in ((0, lift.argmax(axis=1)), (1, lift.argmin(axis=1))):
                stated = lift[rows, best] > 0 if place == 0 else lift[rows, best] < 0
                said[:, place] = np.where(stated, columns[best], NO_GENRE)
        if len(np.unique(self.years[self._dated])) > 1:
            years = self.years[self._dated].astype(np.float64)
            centred = utility[:, self._dated] - utility[:, self._dated].mean(axis=1, keepdims=True)
            spread = np.maximum(np.sqrt((centred**2).mean(axis=1)) * years.std(), 1e-9)
            correlation = (centred @ (years - years.mean())) / len(years) / spread
            said[:, 2] = np.where(np.abs(correlation) >= LEAST_CORRELATION, np.sign(correlation), 0)
        return said


def _most_rated(log: Interactions, catalogue: Catalogue) -> IntArray:
    """(p,) the most rated items of each genre and decade; of all items where there is neither."""
    counts = np.bincount(log.items, minlength=log.n_items)
    decades = catalogue.years // 10 * 10
    groups = [*catalogue.genres.T, *(decades == decade for decade in np.unique(decades[decades > 0]))]
    order = np.argsort(-counts, kind="stable")
    chosen = [order[group[order]][:PER_SUBJECT] for group in groups or [np.ones(len(order), np.bool_)]]
    found = np.unique(np.concatenate(chosen))
    return found if len(found) else order[:PER_SUBJECT]


def _contrast(utility: FloatArray, has: BoolArray) -> npt.NDArray[np.float64]:
    """(b, s) mean utility of the panel's items with a subject less that of the others."""
    inside = utility @ has / has.sum(axis=0)
    return np.asarray(inside - utility @ ~has / (~has).sum(axis=0), np.float64)


def nearly_left(before: kernel.State, outcome: kernel.Outcome, reach: float) -> BoolArray:
    """(n,) who stayed, and would have left had the hazard been `reach` times as high."""
    luck = kernel.draw(before, outcome.slate).leaving
    return np.asarray(~outcome.left & (luck < reach * outcome.hazard))


def in_words(wish: IntArray, catalogue: Catalogue) -> str:
    """A wish (3,) as a user says it; empty where nothing is wished.

    Raises:
        ValueError: it names a genre that the catalogue lacks.
    """
    more, less, era = (int(part) for part in wish)
    if max(more, less) >= len(catalogue.genre_names) or min(more, less) < NO_GENRE or abs(era) > 1:
        raise ValueError(f"no wish of a catalogue of {len(catalogue.genre_names)} genres: {wish.tolist()}")
    parts = ["something newer"] if era > 0 else ["something older"] if era < 0 else []
    parts += [f"more {one_line(catalogue.genre_names[more])}"] if more != NO_GENRE else []
    parts += [f"no more {one_line(catalogue.genre_names[less])}"] if less != NO_GENRE else []
    return ", ".join(parts)


def matches(wish: IntArray, catalogue: Catalogue) -> IntArray:
    """(b, m) how well items fit wishes (b, 3): one for each part that an item fulfils, less one for each it offends."""
    score = np.zeros((len(wish), len(catalogue)), np.int64)
    for column, sign in ((0, 1), (1, -1)) if catalogue.genre_names else ():
        genre = wish[:, column]
        score += sign * np.where((genre != NO_GENRE)[:, None], catalogue.genres[:, genre].T, False)
    dated = catalogue.years > 0
    if dated.any():
        newer = np.sign(catalogue.years - np.median(catalogue.years[dated])) * dated
        score += wish[:, 2:] * newer.astype(np.int64)
    return score
